//! One bucket, reached with the few calls a backup needs.
//!
//! R2 refuses the SDK's default checksum headers. Bodies are signed with their
//! SHA-256, so a server that checks signatures also checks the bytes.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, IdentityCache, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, SharedCredentialsProvider,
};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::clock::StoreClock;
use super::credentials::{LOAD_TIMEOUT, StandardChain};
use super::failure::{RequiredPermission, status_of};
use super::http_client::http_client;
use super::paging::{PageEnd, Paging, Unreliable};
use super::requests::RequestLog;
use super::whole::WholeDocuments;
use crate::error::Result;
use crate::model::catalog::ListedObject;
use crate::store::location::{Addressing, Location};
use crate::store::object::{ObjectFacts, Published};
use crate::store::open_uploads::OpenUploads;
use crate::store::retry::{Retries, RetryPolicy};

/// User metadata that tells an object of this program from one the shell workflow made.
pub(super) const MADE_BY: (&str, &str) = ("made-by", "paycraft-dr");

/// One bucket of an S3 service. Clones share the connections, the list of open uploads and the count of retries.
#[derive(Clone, Debug)]
pub(in crate::store) struct S3Store {
    pub(super) client: Client,
    pub(super) bucket: Arc<str>,
    endpoint: Arc<str>,
    /// What every key begins with: empty, or ending with a slash.
    pub(in crate::store) prefix: Arc<str>,
    pub(in crate::store) open: Arc<OpenUploads>,
    pub(super) clock: StoreClock,
    pub(super) patience: RetryPolicy,
    pub(super) retries: Retries,
}

impl S3Store {
    /// A handle on the bucket that waits as long as it is told.
    pub(in crate::store) fn new(location: &Location, patience: RetryPolicy) -> Self {
        let (clock, retries) = (StoreClock::default(), Retries::default());
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&location.endpoint)
            .region(Region::new(location.region.clone()))
            .force_path_style(location.addressing == Addressing::Path)
            .credentials_provider(credentials(location))
            .identity_cache(IdentityCache::lazy().load_timeout(LOAD_TIMEOUT).build())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // A machine whose clock is off dates its backups wrongly: the store's refusal is what tells.
            .disable_clock_skew_correction(true)
            .interceptor(clock.clone())
            .interceptor(WholeDocuments)
            .interceptor(RequestLog)
            .http_client(http_client(location));
        let config = patience.configure(config, &retries);
        Self {
            client: Client::from_conf(config.build()),
            bucket: location.bucket.as_str().into(),
            endpoint: location.endpoint.as_str().into(),
            prefix: "".into(),
            open: Arc::default(),
            clock,
            patience,
            retries,
        }
    }

    /// The same bucket with a prefix before every key, which [`parse_prefix`](crate::model::prefix::parse_prefix) read. Nothing
    /// outside it is seen or touched, and the keys that are given and told stay without it.
    #[must_use]
    pub(in crate::store) fn below(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Where this store is, for messages: address, bucket and key prefix, no credentials.
    pub(in crate::store) fn describe(&self) -> String {
        let prefix = self.prefix.trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("{}/{}{slash}{prefix}", self.endpoint, self.bucket)
    }

    /// The key as the bucket has it.
    pub(super) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The key as it is told: without the prefix that a listing by that prefix brings.
    pub(super) fn relative(&self, key: String) -> String {
        match key.strip_prefix(&*self.prefix) {
            Some(relative) => relative.to_owned(),
            None => key,
        }
    }

    /// How often something had to be tried again until now.
    pub(in crate::store) fn retries(&self) -> u64 {
        self.retries.count()
    }

    /// Everything under `prefix`, over all pages, sorted by key. A listing that cannot be relied on is an error.
    pub(in crate::store) async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>> {
        const WHAT: &str = "cannot list the bucket";
        let (mut listed, mut paging, mut token) = (Vec::new(), Paging::default(), None);
        loop {
            let answer = self
                .client
                .list_objects_v2()
                .bucket(&*self.bucket)
                .prefix(self.full(prefix))
                // A key may hold characters that XML cannot, and then a listing that names it could not be read at all.
                .encoding_type(EncodingType::Url)
                .set_continuation_token(token)
                .send()
                .await;
            let page = answer.map_err(|cause| self.failed(RequiredPermission::Read, WHAT, &cause))?;
            let followed = self
                .listed(&page)
                .and_then(|found| {
                    let end = PageEnd {
                        is_truncated: page.is_truncated(),
                        next: page.next_continuation_token().map(str::to_owned),
                    };
                    let next = paging.follow(found.iter().map(|object| &object.key), end)?;
                    listed.extend(found);
                    Ok(next)
                })
                .map_err(|cause| self.unreliable(WHAT, cause))?;
            match followed {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        listed.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        Ok(listed)
    }

    /// The objects of one page.
    fn listed(&self, page: &ListObjectsV2Output) -> Result<Vec<ListedObject>, Unreliable> {
        let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
        let expected = page.key_count().and_then(|count| usize::try_from(count).ok());
        if expected.is_some_and(|expected| page.contents().len() < expected) {
            return Err(Unreliable::Fewer);
        }
        let listed = page.contents().iter().map(|object| {
            let key = object.key()?;
            Some(ListedObject {
                key: self.relative(if is_encoded { decoded(key) } else { key.to_owned() }),
                bytes: u64::try_from(object.size()?).ok()?,
            })
        });
        listed.collect::<Option<_>>().ok_or(Unreliable::Unnamed)
    }

    /// What is known of `key`, or `None` where there is nothing.
    pub(in crate::store) async fn head(&self, key: &str) -> Result<Option<ObjectFacts>> {
        let answer = self
            .client
            .head_object()
            .bucket(&*self.bucket)
            .key(self.full(key))
            .send()
            .await;
        match answer {
            Ok(head) => Ok(Some(ObjectFacts {
                bytes: head
                    .content_length()
                    .and_then(|bytes| u64::try_from(bytes).ok())
                    .unwrap_or(0),
                is_ours: head
                    .metadata()
                    .and_then(|metadata| metadata.get(MADE_BY.0))
                    .is_some_and(|value| value == MADE_BY.1),
                stored_at: head
                    .last_modified()
                    .and_then(|stored| Timestamp::from_second(stored.secs()).ok()),
            })),
            Err(cause) if status_of(&cause) == Some(404) => Ok(None),
            Err(cause) => {
                Err(self.failed(RequiredPermission::Read, &format!("cannot look at {key}"), &cause))
            }
        }
    }

    /// What the store's clock says, where it answers at all; also where it refuses because clocks differ.
    pub(in crate::store) async fn server_time(&self) -> Result<Option<Timestamp>> {
        let answer = self.client.head_bucket().bucket(&*self.bucket).send().await;
        match (answer, self.clock.last()) {
            (_, Some(clocks)) => Ok(Some(clocks.theirs)),
            (Ok(_), None) => Ok(None),
            (Err(cause), None) => Err(self.failed(RequiredPermission::Read, "cannot ask the store", &cause)),
        }
    }

    /// Puts `bytes` at `key` unless something is there (`If-None-Match: *`).
    pub(in crate::store) async fn publish(
        &self,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
    ) -> Result<Published> {
        let writing = self.patience.writing(bytes.len());
        let answer = self
            .client
            .put_object()
            .bucket(&*self.bucket)
            .key(self.full(key))
            .if_none_match("*")
            .content_type(content_type)
            .body(ByteStream::from(bytes))
            .customize()
            .config_override(writing)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Published::Now),
            Err(cause) if status_of(&cause) == Some(412) => Ok(Published::Before),
            Err(cause) => Err(self.failed(RequiredPermission::Write, &format!("cannot write {key}"), &cause)),
        }
    }
}

/// The keys that are set, or the sources that are asked for some.
fn credentials(location: &Location) -> SharedCredentialsProvider {
    if let Some(chain) = location.chain {
        return SharedCredentialsProvider::new(StandardChain::new(location, chain));
    }
    let token = location.session_token.as_ref();
    SharedCredentialsProvider::new(Credentials::new(
        &location.access_key_id,
        location.secret_access_key.reveal(),
        token.map(|token| token.reveal().to_owned()),
        None,
        "settings",
    ))
}

/// A key as `encoding-type=url` words it: percent-encoded, and with a plus sign for a space.
pub(super) fn decoded(key: &str) -> String {
    let key = key.replace('+', " ");
    percent_decode_str(&key).decode_utf8_lossy().into_owned()
}
