//! Writing, copying and deleting objects.

use std::sync::Arc;

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput, DeleteObjectOutput,
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition, Error, MetadataDirective,
    PutObjectInput, PutObjectOutput,
};
use s3s::{S3Error, S3Request, S3Result, s3_error};

use super::incoming::incoming_of;
use super::unversioned;
use crate::drill::s3_server::body::{ObjectContent, discard};
use crate::drill::s3_server::conditions::{ReadConditions, WriteConditions};
use crate::drill::s3_server::fields::{attributes_of, with_checksum};
use crate::drill::s3_server::multipart::whole_tag;
use crate::drill::s3_server::objects::{ObjectMap, StoredObject, now};

pub(super) async fn put(
    store: &ObjectMap,
    mut request: S3Request<PutObjectInput>,
) -> S3Result<PutObjectOutput> {
    let received = incoming_of!(request).receive(&store.directory).await?;
    let input = request.input;
    let conditions = WriteConditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
    };
    let object = StoredObject {
        content: ObjectContent::new([Arc::new(received.blob)]),
        etag: whole_tag(received.md5),
        modified: now(),
        checksum: received.checksum,
        attributes: Arc::new(attributes_of!(input)),
    };
    let replaced = store.put(&input.bucket, &input.key, &object, &conditions)?;
    discard(replaced).await;
    Ok(with_checksum!(
        object.checksum,
        PutObjectOutput {
            e_tag: Some(object.etag)
        }
    ))
}

pub(super) async fn copy(
    store: &ObjectMap,
    request: S3Request<CopyObjectInput>,
) -> S3Result<CopyObjectOutput> {
    let input = request.input;
    let CopySource::Bucket {
        bucket,
        key,
        version_id,
    } = &input.copy_source
    else {
        return Err(s3_error!(NotImplemented, "there are no access points here"));
    };
    unversioned(version_id.as_deref())?;
    let source = store.object(bucket, key)?;
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    // A copy has no "not modified": all that does not hold is a failed precondition.
    conditions
        .check(&source.etag, &source.modified)
        .map_err(|_| s3_error!(PreconditionFailed))?;
    let replace = input
        .metadata_directive
        .as_ref()
        .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
    if !replace && **bucket == input.bucket && **key == input.key {
        return Err(s3_error!(
            InvalidRequest,
            "an object copied to itself must change its metadata"
        ));
    }
    let mut copy = source;
    copy.modified = now();
    if replace {
        copy.attributes = Arc::new(attributes_of!(input));
    }
    let conditions = WriteConditions::default();
    let replaced = store.put(&input.bucket, &input.key, &copy, &conditions)?;
    discard(replaced).await;
    let result = with_checksum!(
        copy.checksum,
        CopyObjectResult {
            e_tag: Some(copy.etag),
            last_modified: Some(copy.modified)
        }
    );
    Ok(CopyObjectOutput {
        copy_object_result: Some(result),
        ..Default::default()
    })
}

pub(super) async fn delete(
    store: &ObjectMap,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<DeleteObjectOutput> {
    let input = request.input;
    unversioned(input.version_id.as_deref())?;
    let conditions = WriteConditions {
        if_match: input.if_match,
        if_none_match: None,
    };
    let removed = store.delete(&input.bucket, &input.key, &conditions)?;
    discard(removed).await;
    Ok(DeleteObjectOutput::default())
}

pub(super) async fn delete_many(
    store: &ObjectMap,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<DeleteObjectsOutput> {
    let DeleteObjectsInput { bucket, delete, .. } = request.input;
    store.bucket(&bucket, |_| Ok(()))?;
    let (mut deleted, mut errors, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for object in delete.objects {
        let conditions = WriteConditions {
            if_match: object.e_tag.map(ETagCondition::ETag),
            if_none_match: None,
        };
        let outcome = unversioned(object.version_id.as_deref())
            .and_then(|()| store.delete(&bucket, &object.key, &conditions));
        match outcome {
            Ok(object) => removed.push(object),
            Err(error) => {
                errors.push(deletion_error(object.key, &error));
                continue;
            }
        }
        if delete.quiet != Some(true) {
            deleted.push(DeletedObject {
                key: Some(object.key),
                ..Default::default()
            });
        }
    }
    discard(removed).await;
    Ok(DeleteObjectsOutput {
        deleted: Some(deleted),
        errors: Some(errors),
        ..Default::default()
    })
}

fn deletion_error(key: String, error: &S3Error) -> Error {
    Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(key),
        message: error.message().map(str::to_owned),
        version_id: None,
    }
}
