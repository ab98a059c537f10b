//! The operations of the protocol, one by one, over the shelf.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::body::{self, Expected};
use super::bucket::{Condition, Object as Stored, Shelf};
use super::listing::{LARGEST_PAGE, Question, page};
use super::upload::{LARGEST_PART_NUMBER, Upload};

/// Answers the requests that a client sends.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    shelf: Arc<Shelf>,
}

impl Backend {
    pub(super) fn new(shelf: Arc<Shelf>) -> Self {
        Self { shelf }
    }
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        if !self.shelf.create_bucket(&request.input.bucket) {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.shelf.delete_bucket(&request.input.bucket)?;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.shelf.with(&request.input.bucket, |_| Ok(()))?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.shelf.with(&request.input.bucket, |_| Ok(()))?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let named = |name| Bucket {
            name: Some(name),
            ..Bucket::default()
        };
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(self.shelf.bucket_names().into_iter().map(named).collect()),
            ..ListBucketsOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let condition = Condition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        // What is refused now need not be sent; what holds now is asked again when the bytes are here.
        self.shelf.with(&input.bucket, |bucket| {
            condition.check(bucket.objects.get(&input.key))
        })?;
        let expected = Expected {
            length: input.content_length,
            md5: input.content_md5,
            checksums: Checksum {
                checksum_crc32: input.checksum_crc32,
                checksum_crc32c: input.checksum_crc32c,
                checksum_crc64nvme: input.checksum_crc64nvme,
                checksum_sha1: input.checksum_sha1,
                checksum_sha256: input.checksum_sha256,
                checksum_type: None,
            },
        };
        let received = body::receive(&self.shelf, input.body, &expected).await?;
        let etag = received.etag.clone();
        let object = Stored {
            content_type: input.content_type,
            metadata: input.metadata,
            ..received.into()
        };
        self.shelf
            .publish(&input.bucket, &input.key, object, &condition)?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            ..PutObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.shelf.find(&input.bucket, &input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(object.bytes)),
            content_type: object.content_type,
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata,
            ..HeadObjectOutput::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.shelf.find(&input.bucket, &input.key)?;
        if let Some(wanted) = input.if_match {
            let condition = Condition {
                if_match: Some(wanted),
                if_none_match: None,
            };
            condition.check(Some(&object))?;
        }
        if let Some(known) = input.if_none_match {
            let condition = Condition {
                if_match: Some(known),
                if_none_match: None,
            };
            if condition.check(Some(&object)).is_ok() {
                return Err(s3_error!(NotModified));
            }
        }
        let range = match input.range {
            Some(range) => range.check(object.bytes).map_err(|_| s3_error!(InvalidRange))?,
            None => 0..object.bytes,
        };
        let content_range = input.range.map(|_| {
            format!(
                "bytes {}-{}/{}",
                range.start,
                range.end.saturating_sub(1),
                object.bytes
            )
        });
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(range.end - range.start)),
            content_range,
            content_type: object.content_type,
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata,
            body: Some(body::send(object.file, range).await?),
            ..GetObjectOutput::default()
        }))
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, .. } = input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let object = Stored {
            modified: std::time::SystemTime::now(),
            ..self.shelf.find(&bucket, &key)?
        };
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(object.modified.into()),
            ..CopyObjectResult::default()
        };
        self.shelf
            .publish(&input.bucket, &input.key, object, &Condition::default())?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        self.shelf.with(&input.bucket, |bucket| {
            bucket.objects.remove(&input.key);
            Ok(())
        })?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let deleted = self.shelf.with(&input.bucket, |bucket| {
            let remove = |object: ObjectIdentifier| {
                bucket.objects.remove(&object.key);
                DeletedObject {
                    key: Some(object.key),
                    ..DeletedObject::default()
                }
            };
            Ok(input.delete.objects.into_iter().map(remove).collect())
        })?;
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted),
            ..DeleteObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let limit = page_limit(input.max_keys)?;
        let after = input.continuation_token.as_ref().or(input.start_after.as_ref());
        let question = Question {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after: after.map(String::as_str).unwrap_or_default(),
            limit,
        };
        let (contents, folders, next) = self.shelf.with(&input.bucket, |bucket| {
            let page = page(&bucket.objects, question);
            let contents: Vec<Object> = page
                .entries
                .iter()
                .map(|(key, object)| listed(key, object))
                .collect();
            Ok((contents, page.folders, page.next))
        })?;
        let folders: Vec<CommonPrefix> = folders
            .into_iter()
            .map(|prefix| CommonPrefix { prefix: Some(prefix) })
            .collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            max_keys: Some(i32::try_from(limit).unwrap_or(i32::MAX)),
            key_count: i32::try_from(contents.len() + folders.len()).ok(),
            continuation_token: input.continuation_token,
            start_after: input.start_after,
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(folders),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let id = format!("{:032x}", rand::random::<u128>());
        let upload = Upload {
            key: input.key.clone(),
            begun: std::time::SystemTime::now(),
            content_type: input.content_type,
            metadata: input.metadata,
            parts: std::collections::BTreeMap::new(),
        };
        self.shelf.with(&input.bucket, |bucket| {
            bucket.uploads.insert(id.clone(), upload);
            Ok(())
        })?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        if !(1..=LARGEST_PART_NUMBER).contains(&input.part_number) {
            return Err(s3_error!(InvalidArgument));
        }
        self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let expected = Expected {
            length: input.content_length,
            md5: input.content_md5,
            checksums: Checksum {
                checksum_crc32: input.checksum_crc32,
                checksum_crc32c: input.checksum_crc32c,
                checksum_crc64nvme: input.checksum_crc64nvme,
                checksum_sha1: input.checksum_sha1,
                checksum_sha256: input.checksum_sha256,
                checksum_type: None,
            },
        };
        let received = body::receive(&self.shelf, input.body, &expected).await?;
        let etag = received.etag.clone();
        self.shelf.with(&input.bucket, |bucket| {
            // The upload may have been aborted while the part was on its way.
            let upload = bucket
                .uploads
                .get_mut(&input.upload_id)
                .ok_or_else(|| s3_error!(NoSuchUpload))?;
            upload.parts.insert(input.part_number, received.into());
            Ok(())
        })?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            ..UploadPartOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let wanted = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let assembly = upload.assemble(&wanted)?;
        let condition = Condition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        self.shelf.with(&input.bucket, |bucket| {
            condition.check(bucket.objects.get(&input.key))
        })?;
        let object = Stored {
            file: body::concatenate(&self.shelf, assembly.files).await?,
            bytes: assembly.bytes,
            etag: assembly.etag.clone(),
            modified: std::time::SystemTime::now(),
            content_type: upload.content_type,
            metadata: upload.metadata,
        };
        self.shelf.with(&input.bucket, |bucket| {
            condition.check(bucket.objects.get(&input.key))?;
            // Of two that complete, one finds the upload.
            bucket
                .uploads
                .remove(&input.upload_id)
                .ok_or_else(|| s3_error!(NoSuchUpload))?;
            bucket.objects.insert(input.key.clone(), object);
            Ok(())
        })?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(assembly.etag)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        self.shelf.with(&input.bucket, |bucket| {
            bucket
                .uploads
                .remove(&input.upload_id)
                .ok_or_else(|| s3_error!(NoSuchUpload))
        })?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        let limit = page_limit(input.max_uploads)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let marker = (
            input.key_marker.clone().unwrap_or_default(),
            input.upload_id_marker.clone().unwrap_or_default(),
        );
        let mut uploads = self.shelf.with(&input.bucket, |bucket| {
            let matching = bucket
                .uploads
                .iter()
                .filter(|(_, upload)| upload.key.starts_with(&prefix));
            Ok(matching
                .map(|(id, upload)| (upload.key.clone(), id.clone(), upload.begun))
                .collect::<Vec<_>>())
        })?;
        uploads.sort_unstable();
        // Without an id the marker stands behind every upload of its key.
        let is_after = |key: &String, id: &String| match (marker.0.is_empty(), marker.1.is_empty()) {
            (true, _) => true,
            (false, true) => *key > marker.0,
            (false, false) => (key, id) > (&marker.0, &marker.1),
        };
        uploads.retain(|(key, id, _)| is_after(key, id));
        let is_truncated = uploads.len() > limit;
        uploads.truncate(limit);
        let last = uploads.last().filter(|_| is_truncated).cloned();
        let listed = uploads.into_iter().map(|(key, id, begun)| MultipartUpload {
            key: Some(key),
            upload_id: Some(id),
            initiated: Some(begun.into()),
            ..MultipartUpload::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: input.prefix,
            is_truncated: Some(is_truncated),
            next_key_marker: last.as_ref().map(|(key, ..)| key.clone()),
            next_upload_id_marker: last.map(|(_, id, _)| id),
            uploads: Some(listed.collect()),
            ..ListMultipartUploadsOutput::default()
        }))
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = request.input;
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id)?;
        let parts = upload.parts.into_iter().map(|(number, part)| Part {
            part_number: Some(number),
            size: Some(signed(part.bytes)),
            e_tag: Some(ETag::Strong(part.etag)),
            last_modified: Some(part.modified.into()),
            ..Part::default()
        });
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(false),
            parts: Some(parts.collect()),
            ..ListPartsOutput::default()
        }))
    }
}

impl Backend {
    /// The upload of that id, if it is of that key.
    fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<Upload> {
        self.shelf.with(bucket, |bucket| {
            let upload = bucket.uploads.get(id).filter(|upload| upload.key == key);
            upload.cloned().ok_or_else(|| s3_error!(NoSuchUpload))
        })
    }
}

impl From<body::Received> for Stored {
    fn from(received: body::Received) -> Self {
        Self {
            bytes: received.bytes,
            etag: received.etag,
            ..Self::plain(received.file)
        }
    }
}

fn listed(key: &str, object: &Stored) -> Object {
    Object {
        key: Some(key.to_owned()),
        size: Some(signed(object.bytes)),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(object.modified.into()),
        ..Object::default()
    }
}

fn page_limit(asked: Option<i32>) -> S3Result<usize> {
    let asked = asked.map_or(Ok(LARGEST_PAGE), usize::try_from);
    Ok(asked.map_err(|_| s3_error!(InvalidArgument))?.min(LARGEST_PAGE))
}

/// Sizes are signed in the protocol's types.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
