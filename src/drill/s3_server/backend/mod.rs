//! The S3 operations: from a request to the store's terms, and back. The rules are elsewhere.

use std::sync::Arc;

use s3s::{S3, S3Request, S3Response, S3Result, dto, s3_error};

use super::objects::ObjectMap;

mod buckets;
mod incoming;
mod listings;
mod multipart;
mod reads;
mod writes;

/// The operations over one store. All others answer `NotImplemented`.
pub(super) struct S3Backend {
    pub(super) store: Arc<ObjectMap>,
}

/// The table of operations: those that move bytes or remove files, and those that only look at the index.
macro_rules! operations {
    (
        await { $($slow:ident: $slow_input:ident -> $slow_output:ident = $await:path;)* }
        call { $($quick:ident: $quick_input:ident -> $quick_output:ident = $call:path;)* }
    ) => {
        #[async_trait::async_trait]
        impl S3 for S3Backend {
            $(async fn $slow(
                &self,
                request: S3Request<dto::$slow_input>,
            ) -> S3Result<S3Response<dto::$slow_output>> {
                $await(&self.store, request).await.map(S3Response::new)
            })*

            $(async fn $quick(
                &self,
                request: S3Request<dto::$quick_input>,
            ) -> S3Result<S3Response<dto::$quick_output>> {
                $call(&self.store, request).map(S3Response::new)
            })*
        }
    };
}

operations! {
    await {
        put_object: PutObjectInput -> PutObjectOutput = writes::put;
        copy_object: CopyObjectInput -> CopyObjectOutput = writes::copy;
        delete_object: DeleteObjectInput -> DeleteObjectOutput = writes::delete;
        delete_objects: DeleteObjectsInput -> DeleteObjectsOutput = writes::delete_many;
        upload_part: UploadPartInput -> UploadPartOutput = multipart::part;
        complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput
            = multipart::complete;
        abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput = multipart::abort;
        delete_bucket: DeleteBucketInput -> DeleteBucketOutput = buckets::delete;
    }
    call {
        get_object: GetObjectInput -> GetObjectOutput = reads::get;
        head_object: HeadObjectInput -> HeadObjectOutput = reads::head;
        create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput
            = multipart::create;
        list_objects: ListObjectsInput -> ListObjectsOutput = listings::objects;
        list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output = listings::objects_v2;
        list_multipart_uploads: ListMultipartUploadsInput -> ListMultipartUploadsOutput = listings::uploads;
        list_parts: ListPartsInput -> ListPartsOutput = listings::parts;
        list_buckets: ListBucketsInput -> ListBucketsOutput = listings::buckets;
        create_bucket: CreateBucketInput -> CreateBucketOutput = buckets::create;
        head_bucket: HeadBucketInput -> HeadBucketOutput = buckets::head;
        get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput = buckets::location;
    }
}

/// There are no versions: only the one a client without versions knows as `null`.
fn unversioned(version_id: Option<&str>) -> S3Result<()> {
    match version_id {
        Some(id) if id != "null" => Err(s3_error!(InvalidArgument, "this bucket keeps no versions")),
        _ => Ok(()),
    }
}

/// Sizes travel as signed numbers.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
