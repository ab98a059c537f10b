//! A multipart upload in progress.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::failure::{failed, status_of};
use super::open_uploads::OpenUpload;
use super::s3::{MADE_BY, Store};
use crate::error::{Error, Kind, Result};

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
                &self.store.describe(),
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
        self.store.abort(&self.key, &self.id).await?;
        self.store.open.end(self.number);
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
                &self.store.describe(),
                &cause,
            )
        })?;
        self.store.open.end(self.number);
        Ok(())
    }
}

impl Store {
    /// Begins a multipart upload of `key`. It must be completed or aborted.
    pub async fn begin_upload(&self, key: &str) -> Result<Upload> {
        let number = self.open.begin(key);
        let answer = self
            .client
            .create_multipart_upload()
            .bucket(&*self.bucket)
            .key(key)
            .content_type("application/gzip")
            .metadata(MADE_BY.0, MADE_BY.1)
            .send()
            .await;
        let what = format!("cannot begin the upload of {key}");
        let created = answer.map_err(|cause| failed(&what, &self.describe(), &cause))?;
        let id = created.upload_id().ok_or_else(|| {
            Error::new(
                Kind::Store,
                format!("the store gave no id for the upload of {key}"),
            )
        })?;
        self.open.name(number, id);
        Ok(Upload {
            store: self.clone(),
            number,
            key: key.to_owned(),
            id: id.to_owned(),
        })
    }

    /// Aborts every upload begun through this handle that was neither completed nor aborted, also one whose beginning the
    /// server has not confirmed. For the end of a run that was interrupted.
    pub async fn abort_open_uploads(&self) -> Result<()> {
        for (number, OpenUpload { key, id }) in self.open.all() {
            let ids = match id {
                Some(id) => vec![id],
                None => self.uploads_of(&key).await?,
            };
            for id in ids {
                self.abort(&key, &id).await?;
            }
            self.open.end(number);
        }
        Ok(())
    }

    async fn abort(&self, key: &str, id: &str) -> Result<()> {
        let answer = self
            .client
            .abort_multipart_upload()
            .bucket(&*self.bucket)
            .key(key)
            .upload_id(id)
            .send()
            .await;
        match answer {
            Err(cause) if status_of(&cause) != Some(404) => Err(failed(
                &format!("cannot abort the upload of {key}"),
                &self.describe(),
                &cause,
            )),
            _ => Ok(()),
        }
    }

    async fn uploads_of(&self, key: &str) -> Result<Vec<String>> {
        let answer = self
            .client
            .list_multipart_uploads()
            .bucket(&*self.bucket)
            .prefix(key)
            .send()
            .await;
        let listed = answer.map_err(|cause| failed("cannot list open uploads", &self.describe(), &cause))?;
        Ok(listed
            .uploads()
            .iter()
            .filter(|upload| upload.key() == Some(key))
            .filter_map(|upload| upload.upload_id().map(str::to_owned))
            .collect())
    }
}
