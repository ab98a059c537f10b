//! Buckets, objects and uploads: an index in memory under one lock, bytes in files.
//!
//! A file's name is a number, never a key, so any two keys can stand side by side. A file goes when nothing refers to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use s3s::dto::{ETag, ETagCondition, Metadata};
use s3s::{S3Result, s3_error};

use super::upload::Upload;

/// Everything the server holds.
#[derive(Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
    files_made: AtomicU64,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

/// One bucket. Keys are in the order of their bytes.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: BTreeMap<String, Upload>,
}

/// One object, or one part of an upload.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) file: Arc<StoredFile>,
    pub(super) bytes: u64,
    pub(super) etag: String,
    pub(super) modified: SystemTime,
    pub(super) content_type: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

/// A file of the server's, removed when nobody holds it any more.
#[derive(Debug)]
pub(super) struct StoredFile(PathBuf);

/// What must hold of a key for a write to happen.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl StoredFile {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for StoredFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Object {
    /// An object that no client described.
    pub(super) fn plain(file: Arc<StoredFile>) -> Self {
        Self {
            file,
            bytes: 0,
            etag: String::from("00000000000000000000000000000000"),
            modified: SystemTime::now(),
            content_type: None,
            metadata: None,
        }
    }
}

impl Condition {
    /// Whether the write may happen where `present` stands.
    pub(super) fn check(&self, present: Option<&Object>) -> S3Result<()> {
        let is = |condition: &ETagCondition| match (condition, present) {
            (_, None) => false,
            (ETagCondition::Any, Some(_)) => true,
            (ETagCondition::ETag(etag), Some(object)) => etag.strong_cmp(&ETag::Strong(object.etag.clone())),
        };
        if self.if_match.is_some() && present.is_none() {
            return Err(s3_error!(NoSuchKey));
        }
        let holds = self.if_match.as_ref().is_none_or(is) && !self.if_none_match.as_ref().is_some_and(is);
        if holds {
            Ok(())
        } else {
            Err(s3_error!(PreconditionFailed))
        }
    }
}

impl Shelf {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            files_made: AtomicU64::new(0),
            buckets: Mutex::default(),
        }
    }

    /// The name of a file that does not exist yet.
    pub(super) fn new_file(&self) -> Arc<StoredFile> {
        let number = self.files_made.fetch_add(1, Ordering::Relaxed);
        Arc::new(StoredFile(self.directory.join(number.to_string())))
    }

    /// Makes a bucket, or says that it is there.
    pub(super) fn create_bucket(&self, name: &str) -> bool {
        let mut buckets = self.lock();
        let is_new = !buckets.contains_key(name);
        buckets.entry(name.to_owned()).or_default();
        is_new
    }

    pub(super) fn delete_bucket(&self, name: &str) -> S3Result<()> {
        let mut buckets = self.lock();
        let bucket = buckets.get(name).ok_or_else(|| s3_error!(NoSuchBucket))?;
        if !bucket.objects.is_empty() || !bucket.uploads.is_empty() {
            return Err(s3_error!(BucketNotEmpty));
        }
        buckets.remove(name);
        Ok(())
    }

    pub(super) fn bucket_names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Does something with a bucket while nobody else can.
    pub(super) fn with<T>(&self, bucket: &str, act: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        let mut buckets = self.lock();
        act(buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?)
    }

    pub(super) fn find(&self, bucket: &str, key: &str) -> S3Result<Object> {
        self.with(bucket, |bucket| {
            bucket
                .objects
                .get(key)
                .cloned()
                .ok_or_else(|| s3_error!(NoSuchKey))
        })
    }

    /// Puts an object in place if the condition holds of what is there.
    pub(super) fn publish(
        &self,
        bucket: &str,
        key: &str,
        object: Object,
        condition: &Condition,
    ) -> S3Result<()> {
        self.with(bucket, |bucket| {
            condition.check(bucket.objects.get(key))?;
            bucket.objects.insert(key.to_owned(), object);
            Ok(())
        })
    }

    /// Puts an object in place whatever is there.
    pub(super) fn place(&self, bucket: &str, key: &str, object: Object) {
        let _ = self.publish(bucket, key, object, &Condition::default());
    }

    pub(super) fn remove(&self, bucket: &str, key: &str) {
        let _ = self.with(bucket, |bucket| {
            bucket.objects.remove(key);
            Ok(())
        });
    }

    pub(super) fn open_uploads(&self, bucket: &str) -> Vec<String> {
        let keys = self.with(bucket, |bucket| {
            Ok(bucket.uploads.values().map(|upload| upload.key.clone()).collect())
        });
        keys.unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
