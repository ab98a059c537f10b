//! Uploading in parts.

use std::sync::Arc;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Error, S3Request, S3Result, s3_error};
use tokio::task::spawn_blocking;

use super::incoming::incoming_of;
use super::signed;
use crate::drill::s3_server::body::{ObjectContent, discard};
use crate::drill::s3_server::checksums;
use crate::drill::s3_server::conditions::WriteConditions;
use crate::drill::s3_server::fields::{attributes_of, checksum_of, with_checksum};
use crate::drill::s3_server::multipart::{PART_NUMBER_MAX, whole_tag};
use crate::drill::s3_server::objects::{ObjectMap, now};
use crate::drill::s3_server::uploads::{UploadName, UploadedPart};

pub(super) fn create(
    store: &ObjectMap,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<CreateMultipartUploadOutput> {
    let input = request.input;
    let attributes = attributes_of!(input);
    let id = store.begin_upload(&input.bucket, &input.key, attributes)?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: input.checksum_type,
        ..Default::default()
    })
}

pub(super) async fn part(
    store: &ObjectMap,
    mut request: S3Request<UploadPartInput>,
) -> S3Result<UploadPartOutput> {
    let received = incoming_of!(request).receive(&store.directory).await?;
    let input = request.input;
    if !(1..=PART_NUMBER_MAX).contains(&input.part_number) {
        return Err(s3_error!(
            InvalidArgument,
            "part numbers go from 1 to {PART_NUMBER_MAX}"
        ));
    }
    let part = UploadedPart {
        blob: Arc::new(received.blob),
        md5: received.md5,
        modified: now(),
        checksum: received.checksum,
    };
    let name = UploadName {
        bucket: input.bucket,
        key: input.key,
        id: input.upload_id,
    };
    let replaced = store.put_part(&name, input.part_number, &part)?;
    discard(replaced).await;
    Ok(with_checksum!(
        part.checksum,
        UploadPartOutput {
            e_tag: Some(whole_tag(part.md5))
        }
    ))
}

pub(super) async fn complete(
    store: &ObjectMap,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<CompleteMultipartUploadOutput> {
    let input = request.input;
    let declared = checksum_of!(input);
    let listed = input
        .multipart_upload
        .and_then(|upload| upload.parts)
        .unwrap_or_default();
    let name = UploadName {
        bucket: input.bucket,
        key: input.key,
        id: input.upload_id,
    };
    let assembled = store.assemble(&name, &listed)?;
    let size = signed(assembled.content.len);
    if input.mpu_object_size.is_some_and(|declared| declared != size) {
        return Err(s3_error!(
            InvalidRequest,
            "the parts do not add up to the size given"
        ));
    }
    let (composites, whole) = checksums::split_composites(&declared);
    checksums::agree(&composites, &assembled.checksum)?;
    let computed = whole_checksum(assembled.content, &whole).await?;
    checksums::agree(&whole, &computed)?;
    let checksum = checksums::prefer(&whole, &assembled.checksum);
    let conditions = WriteConditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
    };
    let useless = store.complete(&name, &listed, checksum.clone(), &conditions)?;
    discard(useless).await;
    Ok(with_checksum!(
        checksum,
        CompleteMultipartUploadOutput {
            bucket: Some(name.bucket),
            key: Some(name.key),
            e_tag: Some(assembled.etag),
        }
    ))
}

pub(super) async fn abort(
    store: &ObjectMap,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<AbortMultipartUploadOutput> {
    let input = request.input;
    let upload = store.abort(&UploadName {
        bucket: input.bucket,
        key: input.key,
        id: input.upload_id,
    })?;
    discard(upload).await;
    Ok(AbortMultipartUploadOutput::default())
}

/// Hashes a whole object, where a checksum of it was declared: that needs its bytes read once more.
async fn whole_checksum(content: ObjectContent, declared: &Checksum) -> S3Result<Checksum> {
    let Some(mut hasher) = checksums::hasher_for(declared) else {
        return Ok(Checksum::default());
    };
    let hashing = spawn_blocking(move || {
        content.for_each(|piece| hasher.update(piece))?;
        Ok::<_, std::io::Error>(hasher.finalize())
    });
    hashing
        .await
        .map_err(S3Error::internal_error)?
        .map_err(S3Error::internal_error)
}
