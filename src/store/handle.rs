//! One store, of any kind, reached with the few calls a backup needs.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;

use super::address::StoreAddress;
use super::directory::{self, Directory};
use super::location::Location;
use super::object::{ObjectFacts, Published, StoredPart, UnfinishedUpload};
use super::open_uploads::{OpenUploads, RecordedUpload};
use super::retry::RetryPolicy;
use super::s3::{self, S3Store};
use crate::error::Result;
use crate::model::catalog::ListedObject;

/// The key of what is written to find out whether one may, and removed again. It is no backup's.
const PROBE_KEY: &str = "doctor-probe";

/// A bucket, or a directory that is used as one. Clones share the connections, the list of open uploads and the count of retries.
#[derive(Clone, Debug)]
pub struct Store(Medium);

#[derive(Clone, Debug)]
enum Medium {
    S3(S3Store),
    Directory(Directory),
}

/// An upload in parts that was begun. The object appears when it is completed, and never otherwise.
#[derive(Clone, Debug)]
pub struct Upload(UploadMedium);

#[derive(Clone, Debug)]
enum UploadMedium {
    S3(s3::S3Upload),
    Directory(directory::FileUpload),
}

impl Store {
    /// A handle on the bucket. Nothing is sent yet.
    pub fn new(location: &Location) -> Self {
        Self::with_patience(location, RetryPolicy::default())
    }

    /// A handle on the bucket that waits as long as it is told.
    pub fn with_patience(location: &Location, patience: RetryPolicy) -> Self {
        Self(Medium::S3(S3Store::new(location, patience)))
    }

    /// A handle on the bucket or the directory. Neither is looked at yet.
    pub fn at(address: &StoreAddress) -> Self {
        match address {
            StoreAddress::S3(location) => Self::new(location),
            StoreAddress::Directory(root) => Self(Medium::Directory(Directory::new(root))),
        }
    }

    /// The same store with a prefix before every key, which [`parse_prefix`](crate::model::prefix::parse_prefix) read. Nothing
    /// outside it is seen or touched, and the keys that are given and told stay without it.
    #[must_use]
    pub fn below(self, prefix: &str) -> Self {
        Self(match self.0 {
            Medium::S3(store) => Medium::S3(store.below(prefix)),
            Medium::Directory(store) => Medium::Directory(store.below(prefix)),
        })
    }

    /// Where this store is, for messages: address, bucket and key prefix, no credentials.
    pub fn describe(&self) -> String {
        match &self.0 {
            Medium::S3(store) => store.describe(),
            Medium::Directory(store) => store.describe(),
        }
    }

    /// The size of everything in the bucket, also outside the key prefix, in bytes: that is what is billed.
    pub async fn used_bytes(&self) -> Result<u64> {
        let bucket = self.clone().below("");
        Ok(bucket.list("").await?.iter().map(|object| object.bytes).sum())
    }

    /// How much more the store can hold, in bytes, where it has an end that can be told.
    pub async fn free_bytes(&self) -> Result<Option<u64>> {
        match &self.0 {
            Medium::S3(_) => Ok(None),
            Medium::Directory(store) => store.free_bytes().await.map(Some),
        }
    }

    /// Whether there is a key prefix.
    pub fn has_prefix(&self) -> bool {
        match &self.0 {
            Medium::S3(store) => !store.prefix.is_empty(),
            Medium::Directory(store) => !store.prefix.is_empty(),
        }
    }

    /// How often something had to be tried again until now.
    pub fn retries(&self) -> u64 {
        match &self.0 {
            Medium::S3(store) => store.retries(),
            Medium::Directory(_) => 0,
        }
    }

    /// Makes the bucket. One that is there and ours is no error.
    #[cfg(feature = "drill")]
    pub async fn create_bucket(&self) -> Result<()> {
        match &self.0 {
            Medium::S3(store) => store.create_bucket().await,
            Medium::Directory(store) => store.create().await,
        }
    }

    /// Everything under `prefix`, sorted by key. A listing that cannot be relied on is an error.
    pub async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>> {
        match &self.0 {
            Medium::S3(store) => store.list(prefix).await,
            Medium::Directory(store) => store.list(prefix).await,
        }
    }

    /// What is known of `key`, or `None` where there is nothing.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectFacts>> {
        match &self.0 {
            Medium::S3(store) => store.head(key).await,
            Medium::Directory(store) => store.head(key).await,
        }
    }

    /// What the store's clock says, where it has one and answers at all; also where it refuses because clocks differ.
    pub async fn server_time(&self) -> Result<Option<Timestamp>> {
        match &self.0 {
            Medium::S3(store) => store.server_time().await,
            // Files are dated by this machine's clock.
            Medium::Directory(store) => store.check().await.map(|()| None),
        }
    }

    /// The whole of a small object; one larger than `limit_bytes` is refused before it is read.
    pub async fn get(&self, key: &str, limit_bytes: u64) -> Result<Bytes> {
        match &self.0 {
            Medium::S3(store) => store.get(key, limit_bytes).await,
            Medium::Directory(store) => store.get(key, limit_bytes).await,
        }
    }

    /// The bytes of `key` in `range`. Fewer arrive where the object is shorter.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        match &self.0 {
            Medium::S3(store) => store.get_range(key, range).await,
            Medium::Directory(store) => store.get_range(key, range).await,
        }
    }

    /// Puts `bytes` at `key` unless something is there.
    pub async fn publish(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<Published> {
        match &self.0 {
            Medium::S3(store) => store.publish(key, bytes, content_type).await,
            Medium::Directory(store) => store.publish(key, bytes).await,
        }
    }

    /// Removes the object at `key`. Nothing there is no error.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match &self.0 {
            Medium::S3(store) => store.delete(key).await,
            Medium::Directory(store) => store.delete(key).await,
        }
    }

    /// An error unless one may write, asked without writing.
    pub async fn check_may_write(&self) -> Result<()> {
        match &self.0 {
            Medium::S3(store) => store.check_may_write().await,
            Medium::Directory(store) => store.check_may_write().await,
        }
    }

    /// Writes a tiny object and removes it.
    pub async fn probe_write(&self) -> Result<()> {
        self.publish(PROBE_KEY, b"paycraft-dr doctor\n".to_vec(), "text/plain")
            .await?;
        self.delete(PROBE_KEY).await
    }

    /// Begins an upload of `key` in parts. It must be completed or aborted.
    pub async fn begin_upload(&self, key: &str) -> Result<Upload> {
        Ok(Upload(match &self.0 {
            Medium::S3(store) => UploadMedium::S3(store.begin_upload(key).await?),
            Medium::Directory(store) => UploadMedium::Directory(store.begin_upload(key).await?),
        }))
    }

    /// Every unfinished upload whose key begins with `prefix`. What the store does not date is left out. A listing that cannot be
    /// relied on is an error.
    pub async fn unfinished_uploads(&self, prefix: &str) -> Result<Vec<UnfinishedUpload>> {
        match &self.0 {
            Medium::S3(store) => store.unfinished_uploads(prefix).await,
            Medium::Directory(store) => store.unfinished_uploads(prefix).await,
        }
    }

    /// Lets go of an upload that will not be finished. One that is gone is no error.
    pub async fn abort_unfinished(&self, upload: &UnfinishedUpload) -> Result<()> {
        self.abort(&upload.key, &upload.id).await
    }

    /// Aborts every upload begun through this handle that was neither completed nor aborted, also one whose beginning was not
    /// confirmed. For the end of a run that was interrupted.
    pub async fn abort_open_uploads(&self) -> Result<()> {
        match &self.0 {
            Medium::S3(store) => store.abort_open_uploads().await,
            Medium::Directory(store) => store.abort_open_uploads().await,
        }
    }

    /// Writes the open uploads begun through this handle down in `file`, for a run that comes after this one was killed.
    pub fn record_open_uploads(&self, file: &Path) {
        self.open().record(file, self.describe());
    }

    /// Whether the upload is one to this store.
    pub fn holds(&self, upload: &RecordedUpload) -> bool {
        upload.store == self.describe()
    }

    /// Aborts an upload of a run that was killed. One that is gone is no error.
    pub async fn abort_recorded(&self, upload: &RecordedUpload) -> Result<()> {
        self.abort(&upload.key, &upload.id).await
    }

    async fn abort(&self, key: &str, id: &str) -> Result<()> {
        match &self.0 {
            Medium::S3(store) => store.abort(key, id).await,
            Medium::Directory(store) => store.abort(key, id).await,
        }
    }

    fn open(&self) -> &OpenUploads {
        match &self.0 {
            Medium::S3(store) => &store.open,
            Medium::Directory(store) => &store.open,
        }
    }
}

impl Upload {
    /// The largest part number S3 allows.
    pub const MAX_PARTS: u64 = 10_000;

    /// Sends part `number` (from 1). All parts but the last must have one size, and that at least 5 MiB.
    pub async fn put_part(&self, number: i32, bytes: Bytes) -> Result<StoredPart> {
        match &self.0 {
            UploadMedium::S3(upload) => upload.put_part(number, bytes).await,
            UploadMedium::Directory(upload) => upload.put_part(number, bytes).await,
        }
    }

    /// Whether the store names it so.
    pub fn is(&self, id: &str) -> bool {
        self.id() == id
    }

    /// Whether it comes after the upload of that name, in an order that all who list uploads agree on.
    pub fn is_after(&self, id: &str) -> bool {
        self.id() > id
    }

    fn id(&self) -> &str {
        match &self.0 {
            UploadMedium::S3(upload) => upload.id(),
            UploadMedium::Directory(upload) => upload.id(),
        }
    }

    /// Lets go of everything that was sent.
    pub async fn abort(&self) -> Result<()> {
        match &self.0 {
            UploadMedium::S3(upload) => upload.abort().await,
            UploadMedium::Directory(upload) => upload.abort().await,
        }
    }

    /// Makes the object of `parts`, which may come in any order, unless something is at the key.
    pub async fn complete(self, parts: Vec<StoredPart>) -> Result<()> {
        match self.0 {
            UploadMedium::S3(upload) => upload.complete(parts).await,
            UploadMedium::Directory(upload) => upload.complete(parts).await,
        }
    }
}
