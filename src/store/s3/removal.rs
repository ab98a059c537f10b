//! Removing what is there: objects, and uploads that will not be finished.

use aws_sdk_s3::types::EncodingType;
use jiff::Timestamp;

use super::failure::RequiredPermission;
use super::paging::{PageEnd, Paging, Unreliable};
use super::store::{S3Store, decoded};
use crate::error::Result;
use crate::store::object::UnfinishedUpload;

impl S3Store {
    /// Removes the object at `key`. Nothing there is no error.
    pub(in crate::store) async fn delete(&self, key: &str) -> Result<()> {
        let answer = self
            .client
            .delete_object()
            .bucket(&*self.bucket)
            .key(self.full(key))
            .send()
            .await;
        answer
            .map(drop)
            .map_err(|cause| self.failed(RequiredPermission::Write, &format!("cannot remove {key}"), &cause))
    }

    /// Every unfinished upload whose key begins with `prefix`, over all pages. What the store does not date is left out. A listing that
    /// cannot be relied on is an error.
    pub(in crate::store) async fn unfinished_uploads(&self, prefix: &str) -> Result<Vec<UnfinishedUpload>> {
        const WHAT: &str = "cannot list open uploads";
        let (mut uploads, mut paging, mut place) = (Vec::new(), Paging::default(), (None, None));
        loop {
            let (key_marker, id_marker) = place;
            let answer = self
                .client
                .list_multipart_uploads()
                .bucket(&*self.bucket)
                .prefix(self.full(prefix))
                .encoding_type(EncodingType::Url)
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker)
                .send()
                .await;
            let page = answer.map_err(|cause| self.failed(RequiredPermission::Read, WHAT, &cause))?;
            let read = |key: &str| match page.encoding_type() {
                Some(EncodingType::Url) => decoded(key),
                _ => key.to_owned(),
            };
            let named = page
                .uploads()
                .iter()
                .map(|upload| (upload.key(), upload.upload_id()));
            let next = page
                .next_key_marker()
                .map(|key| (Some(read(key)), page.next_upload_id_marker().map(str::to_owned)));
            let end = PageEnd {
                // Without a next page's beginning it is the last one, also where a store does not say so.
                is_truncated: page.is_truncated().or(Some(next.is_some())),
                next,
            };
            let followed = match named.clone().any(|(key, id)| key.is_none() || id.is_none()) {
                true => Err(Unreliable::Unnamed),
                false => paging.follow(named, end),
            };
            let next = followed.map_err(|cause| self.unreliable(WHAT, cause))?;
            uploads.extend(page.uploads().iter().filter_map(|upload| {
                Some(UnfinishedUpload {
                    key: self.relative(read(upload.key()?)),
                    id: upload.upload_id()?.to_owned(),
                    begun_at: Timestamp::from_second(upload.initiated()?.secs()).ok()?,
                })
            }));
            match next {
                Some(next) => place = next,
                None => return Ok(uploads),
            }
        }
    }
}
