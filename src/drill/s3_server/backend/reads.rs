//! Reading objects.

use s3s::dto::{Checksum, ChecksumMode, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput};
use s3s::{S3Request, S3Result, s3_error};

use super::{signed, unversioned};
use crate::drill::s3_server::conditions::resolve_range;
use crate::drill::s3_server::fields::{describing, read_conditions_of};
use crate::drill::s3_server::objects::{ObjectMap, StoredObject};

pub(super) fn get(store: &ObjectMap, request: S3Request<GetObjectInput>) -> S3Result<GetObjectOutput> {
    let mut input = request.input;
    unversioned(input.version_id.as_deref())?;
    whole_object(input.part_number)?;
    let object = store.object(&input.bucket, &input.key)?;
    read_conditions_of!(input).check(&object.etag, &object.modified)?;
    let len = object.content.len;
    let selected = input.range.map(|range| resolve_range(&range, len)).transpose()?;
    let content_range = selected
        .as_ref()
        .map(|range| format!("bytes {}-{}/{len}", range.start, range.end - 1));
    let checksum = asked_for(input.checksum_mode.filter(|_| selected.is_none()), &object);
    let range = selected.unwrap_or(0..len);
    Ok(describing!(
        object,
        checksum,
        GetObjectOutput {
            content_length: Some(signed(range.end - range.start)),
            body: Some(object.content.stream(range)),
            content_range: content_range,
        }
    ))
}

pub(super) fn head(store: &ObjectMap, request: S3Request<HeadObjectInput>) -> S3Result<HeadObjectOutput> {
    let mut input = request.input;
    unversioned(input.version_id.as_deref())?;
    whole_object(input.part_number)?;
    let object = store.object(&input.bucket, &input.key)?;
    read_conditions_of!(input).check(&object.etag, &object.modified)?;
    Ok(describing!(
        object,
        asked_for(input.checksum_mode, &object),
        HeadObjectOutput {
            content_length: Some(signed(object.content.len))
        }
    ))
}

/// Answering a request for one part with the whole object would be wrong without anyone noticing.
fn whole_object(part_number: Option<i32>) -> S3Result<()> {
    match part_number {
        Some(_) => Err(s3_error!(
            NotImplemented,
            "objects are read by range, not by part"
        )),
        None => Ok(()),
    }
}

fn asked_for(mode: Option<ChecksumMode>, object: &StoredObject) -> Checksum {
    match mode {
        Some(mode) if mode.as_str() == ChecksumMode::ENABLED => object.checksum.clone(),
        _ => Checksum::default(),
    }
}
