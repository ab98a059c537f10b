//! A multipart upload in progress.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::failure::failed;
use super::s3::Store;
use crate::error::Result;

/// A multipart upload that was begun. The object appears when it is completed, and never otherwise.
#[derive(Clone, Debug)]
pub struct Upload {
    store: Store,
    /// How the store knows it among its open uploads.
    number: u64,
    key: String,
    id: String,
}

/// A part the store has taken.
#[derive(Clone, Debug)]
pub struct StoredPart {
    number: i32,
    etag: Option<String>,
}

impl Upload {
    /// The largest part number S3 allows.
    pub const MAX_PARTS: u64 = 10_000;

    pub(super) fn new(store: Store, number: u64, key: String, id: String) -> Self {
        Self {
            store,
            number,
            key,
            id,
        }
    }

    /// Sends part `number` (from 1). All parts but the last must have one size, and that at least 5 MiB.
    pub async fn put_part(&self, number: i32, bytes: Bytes) -> Result<StoredPart> {
        let answer = self
            .store
            .client
            .upload_part()
            .bucket(&*self.store.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(number)
            .body(ByteStream::from(bytes))
            .send()
            .await;
        let part = answer.map_err(|cause| {
            failed(
                &format!("cannot store part {number} of {}", self.key),
                &self.store,
                &cause,
            )
        })?;
        Ok(StoredPart {
            number,
            etag: part.e_tag().map(str::to_owned),
        })
    }

    /// Lets go of everything that was sent.
    pub async fn abort(&self) -> Result<()> {
        self.store.abort_upload(&self.key, &self.id).await?;
        self.store.note_ended(self.number);
        Ok(())
    }

    /// Makes the object of `parts`, which may come in any order, unless something stands at the key.
    pub async fn complete(self, mut parts: Vec<StoredPart>) -> Result<()> {
        parts.sort_unstable_by_key(|part| part.number);
        let parts = parts
            .into_iter()
            .map(|part| {
                CompletedPart::builder()
                    .part_number(part.number)
                    .set_e_tag(part.etag)
                    .build()
            })
            .collect();
        let answer = self
            .store
            .client
            .complete_multipart_upload()
            .bucket(&*self.store.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .if_none_match("*")
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await;
        answer.map_err(|cause| {
            failed(
                &format!("cannot complete the upload of {}", self.key),
                &self.store,
                &cause,
            )
        })?;
        self.store.note_ended(self.number);
        Ok(())
    }
}
