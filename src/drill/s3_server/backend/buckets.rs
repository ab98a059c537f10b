//! Buckets.

#![expect(clippy::needless_pass_by_value, reason = "the shape of every operation")]

use s3s::dto::{
    CreateBucketInput, CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput,
    GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput,
};
use s3s::{S3Request, S3Result};

use crate::drill::s3_server::body::discard;
use crate::drill::s3_server::objects::ObjectMap;

pub(super) fn create(
    store: &ObjectMap,
    request: S3Request<CreateBucketInput>,
) -> S3Result<CreateBucketOutput> {
    let bucket = request.input.bucket;
    store.create_bucket(&bucket)?;
    Ok(CreateBucketOutput {
        location: Some(format!("/{bucket}")),
    })
}

pub(super) fn head(store: &ObjectMap, request: S3Request<HeadBucketInput>) -> S3Result<HeadBucketOutput> {
    store.bucket(&request.input.bucket, |_| Ok(()))?;
    Ok(HeadBucketOutput::default())
}

pub(super) fn location(
    store: &ObjectMap,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<GetBucketLocationOutput> {
    store.bucket(&request.input.bucket, |_| Ok(()))?;
    Ok(GetBucketLocationOutput::default())
}

pub(super) async fn delete(
    store: &ObjectMap,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<DeleteBucketOutput> {
    let removed = store.delete_bucket(&request.input.bucket)?;
    discard(removed).await;
    Ok(DeleteBucketOutput::default())
}
