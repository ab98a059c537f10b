//! A multipart upload in progress.

use std::hash::{BuildHasher, RandomState};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::failure::{RequiredPermission, status_of};
use super::store::{MADE_BY, S3Store};
use crate::error::{Error, Kind, Result};
use crate::store::object::StoredPart;
use crate::store::open_uploads::OpenUpload;

/// User metadata that tells what one upload made from what another one made at its key.
const MADE_IN: &str = "made-in";

/// A multipart upload that was begun. The object appears when it is completed, and never otherwise.
#[derive(Clone, Debug)]
pub(in crate::store) struct S3Upload {
    store: S3Store,
    /// How the store knows it among its open uploads.
    number: u64,
    key: String,
    id: String,
    /// What its object will carry as [`MADE_IN`].
    mark: String,
}

impl S3Upload {
    /// Sends part `number` (from 1). All parts but the last must have one size, and that at least 5 MiB.
    pub(in crate::store) async fn put_part(&self, number: i32, bytes: Bytes) -> Result<StoredPart> {
        let transfer = self.store.patience.transfer(bytes.len());
        let length = bytes.len() as u64;
        let answer = self
            .store
            .client
            .upload_part()
            .bucket(&*self.store.bucket)
            .key(self.store.full(&self.key))
            .upload_id(&self.id)
            .part_number(number)
            .body(ByteStream::from(bytes))
            .customize()
            .config_override(transfer)
            .send()
            .await;
        let part = answer.map_err(|cause| {
            let what = format!("cannot store part {number} of {}", self.key);
            self.store.failed(RequiredPermission::Write, &what, &cause)
        })?;
        Ok(StoredPart {
            number,
            etag: part.e_tag().map(str::to_owned),
            bytes: length,
        })
    }

    /// The store's name for it.
    pub(in crate::store) fn id(&self) -> &str {
        &self.id
    }

    /// Lets go of everything that was sent.
    pub(in crate::store) async fn abort(&self) -> Result<()> {
        self.store.abort(&self.key, &self.id).await?;
        self.store.open.end(self.number);
        Ok(())
    }

    /// Makes the object of `parts`, which may come in any order, unless something is at the key.
    pub(in crate::store) async fn complete(self, mut parts: Vec<StoredPart>) -> Result<()> {
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
        let completing = self
            .store
            .client
            .complete_multipart_upload()
            .bucket(&*self.store.bucket)
            .key(self.store.full(&self.key))
            .upload_id(&self.id)
            .if_none_match("*")
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .customize()
            .config_override(self.store.patience.transfer(0))
            .send();
        if let Err(cause) = Box::pin(completing).await {
            // Where the answer to a try before was lost, the upload is gone, and the object is there.
            let may_be_done = matches!(status_of(&cause), Some(404 | 412));
            if !(may_be_done && Box::pin(self.is_complete()).await) {
                let what = format!("cannot complete the upload of {}", self.key);
                return Err(self.store.failed(RequiredPermission::Write, &what, &cause));
            }
        }
        self.store.open.end(self.number);
        Ok(())
    }

    /// Whether the object at the key is what this upload made.
    async fn is_complete(&self) -> bool {
        let head = self
            .store
            .client
            .head_object()
            .bucket(&*self.store.bucket)
            .key(self.store.full(&self.key))
            .send()
            .await;
        head.is_ok_and(|head| {
            let mark = head.metadata().and_then(|metadata| metadata.get(MADE_IN));
            mark == Some(&self.mark)
        })
    }
}

impl S3Store {
    /// Begins a multipart upload of `key`. It must be completed or aborted.
    pub(in crate::store) async fn begin_upload(&self, key: &str) -> Result<S3Upload> {
        let number = self.open.begin(key);
        let (mark, retries) = (fresh_mark(), self.retries());
        let answer = self
            .client
            .create_multipart_upload()
            .bucket(&*self.bucket)
            .key(self.full(key))
            .content_type("application/gzip")
            .metadata(MADE_BY.0, MADE_BY.1)
            .metadata(MADE_IN, &mark)
            .send()
            .await;
        let what = format!("cannot begin the upload of {key}");
        let created = answer.map_err(|cause| self.failed(RequiredPermission::Write, &what, &cause))?;
        let id = created.upload_id().ok_or_else(|| {
            Error::new(
                Kind::Store,
                format!("the store gave no id for the upload of {key}"),
            )
        })?;
        self.open.name(number, id);
        if self.retries() > retries {
            // A try whose answer was lost may have begun an upload that is not known here.
            Box::pin(self.abort_all(key, Some(id))).await?;
        }
        Ok(S3Upload {
            store: self.clone(),
            number,
            key: key.to_owned(),
            id: id.to_owned(),
            mark,
        })
    }

    /// Aborts every upload begun through this handle that was neither completed nor aborted, also one whose beginning the
    /// server has not confirmed. For the end of a run that was interrupted.
    pub(in crate::store) async fn abort_open_uploads(&self) -> Result<()> {
        for (number, OpenUpload { key, id }) in self.open.all() {
            match id {
                Some(id) => self.abort(&key, &id).await?,
                None => self.abort_all(&key, None).await?,
            }
            self.open.end(number);
        }
        Ok(())
    }

    /// Aborts the uploads of `key`, but for the one to keep.
    async fn abort_all(&self, key: &str, keep: Option<&str>) -> Result<()> {
        for upload in self.unfinished_uploads(key).await? {
            if upload.key == key && Some(&*upload.id) != keep {
                self.abort(key, &upload.id).await?;
            }
        }
        Ok(())
    }

    /// Aborts an upload. One that is gone is no error.
    pub(in crate::store) async fn abort(&self, key: &str, id: &str) -> Result<()> {
        let answer = self
            .client
            .abort_multipart_upload()
            .bucket(&*self.bucket)
            .key(self.full(key))
            .upload_id(id)
            .send()
            .await;
        match answer {
            Err(cause) if status_of(&cause) != Some(404) => {
                let what = format!("cannot abort the upload of {key}");
                Err(self.failed(RequiredPermission::Write, &what, &cause))
            }
            _ => Ok(()),
        }
    }
}

/// A mark that no other upload has.
fn fresh_mark() -> String {
    format!("{:016x}", RandomState::new().hash_one(0))
}
