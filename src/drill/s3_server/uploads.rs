//! Unfinished multipart uploads and how they end.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use s3s::dto::{Checksum, CompletedPart, ETag, Timestamp};
use s3s::{S3Result, s3_error};

use super::body::{Blob, ObjectContent};
use super::checksums;
use super::conditions::WriteConditions;
use super::fields::checksum_of;
use super::listing::{Page, Query};
use super::multipart;
use super::objects::{Bucket, ObjectAttributes, ObjectMap, StoredObject, now};
use super::rules::Rules;

/// An upload that was neither completed nor aborted.
pub(super) struct PendingUpload {
    pub(super) initiated: Timestamp,
    attributes: Arc<ObjectAttributes>,
    parts: BTreeMap<i32, UploadedPart>,
}

#[derive(Clone)]
pub(super) struct UploadedPart {
    pub(super) blob: Arc<Blob>,
    pub(super) md5: [u8; 16],
    pub(super) modified: Timestamp,
    pub(super) checksum: Checksum,
}

/// What an upload would become.
pub(super) struct Assembled {
    pub(super) content: ObjectContent,
    pub(super) etag: ETag,
    pub(super) checksum: Checksum,
}

/// Names one upload: the key alone does not, a key can be uploaded to several times at once.
#[derive(Clone)]
pub(super) struct UploadName {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) id: String,
}

impl ObjectMap {
    pub(super) fn begin_upload(
        &self,
        bucket: &str,
        key: &str,
        attributes: ObjectAttributes,
    ) -> S3Result<String> {
        let id = self.next_upload_id();
        self.bucket(bucket, |bucket| {
            let upload = PendingUpload {
                initiated: now(),
                attributes: Arc::new(attributes),
                parts: BTreeMap::new(),
            };
            bucket.uploads.insert((key.to_owned(), id.clone()), upload);
            Ok(id)
        })
    }

    fn upload<T>(
        &self,
        name: &UploadName,
        act: impl FnOnce(&mut PendingUpload) -> S3Result<T>,
    ) -> S3Result<T> {
        self.bucket(&name.bucket, |bucket| act(bucket.upload(name)?))
    }

    /// Publishes a part and returns the one it replaced.
    pub(super) fn put_part(
        &self,
        name: &UploadName,
        number: i32,
        part: &UploadedPart,
    ) -> S3Result<Option<UploadedPart>> {
        self.upload(name, |upload| Ok(upload.parts.insert(number, part.clone())))
    }

    /// The parts behind number `after`, at most `limit`, and whether there are more.
    pub(super) fn list_parts(
        &self,
        name: &UploadName,
        after: i32,
        limit: usize,
    ) -> S3Result<(Vec<(i32, UploadedPart)>, bool)> {
        self.upload(name, |upload| {
            let mut rest = upload.parts.range((Bound::Excluded(after), Bound::Unbounded));
            let parts = rest.by_ref().take(limit);
            let parts = parts.map(|(number, part)| (*number, part.clone())).collect();
            Ok((parts, rest.next().is_some()))
        })
    }

    /// What the listed parts would become; changes nothing.
    pub(super) fn assemble(&self, name: &UploadName, listed: &[CompletedPart]) -> S3Result<Assembled> {
        self.upload(name, |upload| upload.assemble(listed, self.rules))
    }

    /// Publishes the listed parts as an object where the conditions hold, and ends the upload. Returned is what this
    /// made useless: the object that was replaced, the parts that were not listed. Where it fails, the upload goes on.
    ///
    /// The parts are checked again, as [`assemble`](Self::assemble) did: tags name bytes, so the parts that pass now are
    /// the parts that passed then.
    pub(super) fn complete(
        &self,
        name: &UploadName,
        listed: &[CompletedPart],
        checksum: Checksum,
        conditions: &WriteConditions,
    ) -> S3Result<(Option<StoredObject>, Option<PendingUpload>)> {
        self.bucket(&name.bucket, |bucket| {
            let upload = bucket.upload(name)?;
            let assembled = upload.assemble(listed, self.rules)?;
            let object = StoredObject {
                content: assembled.content,
                etag: assembled.etag,
                modified: now(),
                attributes: Arc::clone(&upload.attributes),
                checksum,
            };
            let replaced = bucket.publish(&name.key, object, conditions)?;
            Ok((
                replaced,
                bucket.uploads.remove(&(name.key.clone(), name.id.clone())),
            ))
        })
    }

    /// Ends an upload and returns what it held.
    pub(super) fn abort(&self, name: &UploadName) -> S3Result<PendingUpload> {
        self.bucket(&name.bucket, |bucket| {
            let upload = bucket.uploads.remove(&(name.key.clone(), name.id.clone()));
            upload.ok_or_else(|| s3_error!(NoSuchUpload))
        })
    }

    /// Shows `view` a page of the unfinished uploads. Behind a marker key's own uploads where `after_id` is not given.
    pub(super) fn list_uploads<T>(
        &self,
        bucket: &str,
        query: &Query<'_>,
        after_id: Option<&str>,
        view: impl FnOnce(Page<'_, (&str, &PendingUpload)>) -> T,
    ) -> S3Result<T> {
        self.bucket(bucket, |bucket| {
            let begin = match (query.start(), after_id) {
                (Bound::Excluded(key), Some(id)) => Bound::Excluded((key.to_owned(), id.to_owned())),
                (Bound::Excluded(key), None) => Bound::Excluded((key.to_owned(), AFTER_ALL_IDS.to_owned())),
                (Bound::Included(key), _) => Bound::Included((key.to_owned(), String::new())),
                (Bound::Unbounded, _) => Bound::Unbounded,
            };
            let uploads = bucket.uploads.range((begin, Bound::Unbounded));
            Ok(view(query.page(uploads.map(|((key, id), upload)| {
                (key.as_str(), (id.as_str(), upload))
            }))))
        })
    }
}

/// Sorts behind every id, which are hexadecimal.
const AFTER_ALL_IDS: &str = "~";

impl Bucket {
    fn upload(&mut self, name: &UploadName) -> S3Result<&mut PendingUpload> {
        let upload = self.uploads.get_mut(&(name.key.clone(), name.id.clone()));
        upload.ok_or_else(|| s3_error!(NoSuchUpload))
    }
}

impl PendingUpload {
    fn assemble(&self, listed: &[CompletedPart], rules: Rules) -> S3Result<Assembled> {
        let parts = multipart::choose(
            listed,
            |number| self.parts.get(&number),
            |part| (part.blob.len, part.md5),
        )?;
        if rules == Rules::R2 {
            let sizes: Vec<u64> = parts.iter().map(|part| part.blob.len).collect();
            multipart::have_one_size(&sizes)?;
        }
        for (listed, part) in listed.iter().zip(&parts) {
            checksums::agree(&checksum_of!(listed), &part.checksum)?;
        }
        let md5s: Vec<[u8; 16]> = parts.iter().map(|part| part.md5).collect();
        let checksums: Vec<&Checksum> = parts.iter().map(|part| &part.checksum).collect();
        Ok(Assembled {
            etag: multipart::parts_tag(&md5s),
            checksum: checksums::composite(&checksums),
            content: ObjectContent::new(parts.into_iter().map(|part| Arc::clone(&part.blob))),
        })
    }
}
