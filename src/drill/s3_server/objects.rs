//! What is stored: buckets and the objects in them, in byte order, under one lock. Bodies are on disk; only their
//! descriptions are here.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use s3s::dto::{Checksum, ETag, Timestamp};
use s3s::{S3Result, s3_error};

use super::body::ObjectContent;
use super::conditions::WriteConditions;
use super::listing::{Page, Query};
use super::rules::Rules;
use super::uploads::PendingUpload;

/// The whole state of a server.
pub(super) struct ObjectMap {
    /// Where bodies are written.
    pub(super) directory: PathBuf,
    pub(super) rules: Rules,
    state: Mutex<ServerState>,
}

#[derive(Default)]
struct ServerState {
    buckets: BTreeMap<String, Bucket>,
    uploads_begun: u64,
}

/// One bucket: its objects by key, and its unfinished uploads by key and id.
pub(super) struct Bucket {
    created: Timestamp,
    pub(super) objects: BTreeMap<String, StoredObject>,
    pub(super) uploads: BTreeMap<(String, String), PendingUpload>,
}

/// An object. Cloning it copies no bytes.
#[derive(Clone)]
pub(super) struct StoredObject {
    pub(super) content: ObjectContent,
    pub(super) etag: ETag,
    pub(super) modified: Timestamp,
    pub(super) attributes: Arc<ObjectAttributes>,
    /// The checksums it was uploaded with, for clients that want to check a download.
    pub(super) checksum: Checksum,
}

/// What a client said about an object, to be told to others.
#[derive(Clone, Default)]
pub(super) struct ObjectAttributes {
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) expires: Option<Timestamp>,
    pub(super) metadata: Option<HashMap<String, String>>,
}

impl ObjectMap {
    pub(super) fn new(directory: PathBuf, rules: Rules) -> Self {
        Self {
            directory,
            rules,
            state: Mutex::default(),
        }
    }

    /// Runs `act` under the lock. Nothing in here blocks or awaits, so no request waits long; what falls out of the maps
    /// is returned, for its files to be removed elsewhere.
    fn locked<T>(&self, act: impl FnOnce(&mut ServerState) -> T) -> T {
        act(&mut self.state.lock())
    }

    /// Runs `act` on a bucket that exists, under the lock.
    pub(super) fn bucket<T>(&self, name: &str, act: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        self.locked(|state| {
            let bucket = state.buckets.get_mut(name);
            act(bucket.ok_or_else(|| s3_error!(NoSuchBucket, "there is no bucket {name}"))?)
        })
    }

    pub(super) fn buckets(&self) -> Vec<(String, Timestamp)> {
        self.locked(|state| {
            let buckets = state.buckets.iter();
            buckets
                .map(|(name, bucket)| (name.clone(), bucket.created.clone()))
                .collect()
        })
    }

    pub(super) fn create_bucket(&self, name: &str) -> S3Result<()> {
        self.locked(|state| {
            if state.buckets.contains_key(name) {
                return Err(s3_error!(BucketAlreadyOwnedByYou));
            }
            let bucket = Bucket {
                created: now(),
                objects: BTreeMap::new(),
                uploads: BTreeMap::new(),
            };
            state.buckets.insert(name.to_owned(), bucket);
            Ok(())
        })
    }

    /// Removes an empty bucket; its unfinished uploads are returned.
    pub(super) fn delete_bucket(&self, name: &str) -> S3Result<Option<Bucket>> {
        self.locked(|state| match state.buckets.get(name) {
            None => Err(s3_error!(NoSuchBucket)),
            Some(bucket) if !bucket.objects.is_empty() => Err(s3_error!(BucketNotEmpty)),
            Some(_) => Ok(state.buckets.remove(name)),
        })
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> S3Result<StoredObject> {
        self.bucket(bucket, |bucket| {
            let object = bucket.objects.get(key).cloned();
            object.ok_or_else(|| s3_error!(NoSuchKey, "there is no object {key}"))
        })
    }

    /// Publishes an object where the conditions hold, and returns the one it replaced.
    pub(super) fn put(
        &self,
        bucket: &str,
        key: &str,
        object: &StoredObject,
        conditions: &WriteConditions,
    ) -> S3Result<Option<StoredObject>> {
        self.bucket(bucket, |bucket| bucket.publish(key, object.clone(), conditions))
    }

    /// Removes an object where the conditions hold, and returns it. Nothing to remove is no error.
    pub(super) fn delete(
        &self,
        bucket: &str,
        key: &str,
        conditions: &WriteConditions,
    ) -> S3Result<Option<StoredObject>> {
        self.bucket(bucket, |bucket| {
            conditions.check(bucket.objects.get(key).map(|object| &object.etag))?;
            Ok(bucket.objects.remove(key))
        })
    }

    /// Shows `view` a page of the objects.
    pub(super) fn list<T>(
        &self,
        bucket: &str,
        query: &Query<'_>,
        view: impl FnOnce(Page<'_, &StoredObject>) -> T,
    ) -> S3Result<T> {
        self.bucket(bucket, |bucket| {
            let objects = bucket.objects.range::<str, _>((query.start(), Bound::Unbounded));
            Ok(view(
                query.page(objects.map(|(key, object)| (key.as_str(), object))),
            ))
        })
    }

    /// The next upload id. Ids sort in the order the uploads were begun.
    pub(super) fn next_upload_id(&self) -> String {
        self.locked(|state| {
            state.uploads_begun += 1;
            format!("{:016x}", state.uploads_begun)
        })
    }

    /// The keys of all unfinished uploads.
    pub(super) fn open_uploads(&self) -> Vec<String> {
        self.locked(|state| {
            let uploads = state.buckets.values().flat_map(|bucket| bucket.uploads.keys());
            uploads.map(|(key, _)| key.clone()).collect()
        })
    }
}

impl Bucket {
    pub(super) fn publish(
        &mut self,
        key: &str,
        object: StoredObject,
        conditions: &WriteConditions,
    ) -> S3Result<Option<StoredObject>> {
        conditions.check(self.objects.get(key).map(|object| &object.etag))?;
        Ok(self.objects.insert(key.to_owned(), object))
    }
}

/// The time to the second, as HTTP dates tell it: a client that sends back what it was told must find it equal.
pub(super) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs())).into()
}
