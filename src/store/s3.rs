//! One bucket, reached with the few calls a backup needs.
//!
//! R2 refuses the SDK's default checksum headers, wants region `auto` and path-style addresses. Bodies are signed with their
//! SHA-256, so a server that checks signatures also checks the bytes.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls;
use bytes::Bytes;

use super::failure::{failed, status_of};
use super::open_uploads::OpenUploads;
use crate::error::{Error, Kind, Result};
use crate::model::catalog::Listed;
use crate::model::secret::Secret;

/// User metadata that tells an object of this program from one the shell workflow made.
pub(super) const MADE_BY: (&str, &str) = ("made-by", "paycraft-dr");

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_mins(1);
const ATTEMPTS: u32 = 4;

/// Where a bucket is and how to be let in.
#[derive(Clone, Debug)]
pub struct Location {
    /// The service's address, such as `https://ACCOUNT.r2.cloudflarestorage.com`.
    pub endpoint: String,
    /// The bucket's name.
    pub bucket: String,
    /// Who asks.
    pub access_key_id: String,
    /// The key that signs.
    pub secret_access_key: Secret,
}

/// One bucket. Clones share the connections and the list of open uploads.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) client: Client,
    pub(super) bucket: Arc<str>,
    endpoint: Arc<str>,
    pub(super) open: Arc<OpenUploads>,
}

/// What the store says of an object without sending it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether this program made it.
    pub is_ours: bool,
}

/// How an attempt to publish once ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The key was free and now holds the bytes.
    Now,
    /// Something was there already, and still is.
    Before,
}

impl Store {
    /// A handle on the bucket. Nothing is sent yet.
    pub fn new(location: &Location) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let credentials = Credentials::new(
            &location.access_key_id,
            location.secret_access_key.reveal(),
            None,
            None,
            "settings",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&location.endpoint)
            .region(Region::new("auto"))
            .force_path_style(true)
            .credentials_provider(credentials)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .http_client(http)
            .build();
        Self {
            client: Client::from_conf(config),
            bucket: location.bucket.as_str().into(),
            endpoint: location.endpoint.as_str().into(),
            open: Arc::default(),
        }
    }

    /// Where this store is, for messages: address and bucket, no credentials.
    pub fn describe(&self) -> String {
        format!("{}/{}", self.endpoint, self.bucket)
    }

    /// Everything under `prefix`, over all pages, sorted by key.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&*self.bucket)
            .prefix(prefix)
            .into_paginator()
            .send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|cause| failed("cannot list the bucket", &self.describe(), &cause))?;
            listed.extend(page.contents().iter().filter_map(|object| {
                Some(Listed {
                    key: object.key()?.to_owned(),
                    bytes: u64::try_from(object.size()?).ok()?,
                })
            }));
        }
        listed.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        Ok(listed)
    }

    /// What is known of `key`, or `None` where there is nothing.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectFacts>> {
        let answer = self
            .client
            .head_object()
            .bucket(&*self.bucket)
            .key(key)
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
            })),
            Err(cause) if status_of(&cause) == Some(404) => Ok(None),
            Err(cause) => Err(failed(&format!("cannot look at {key}"), &self.describe(), &cause)),
        }
    }

    /// The whole of a small object; one larger than `limit_bytes` is refused before it is read.
    pub async fn get(&self, key: &str, limit_bytes: u64) -> Result<Bytes> {
        let what = format!("cannot read {key}");
        let answer = self
            .client
            .get_object()
            .bucket(&*self.bucket)
            .key(key)
            .send()
            .await;
        let object = answer.map_err(|cause| failed(&what, &self.describe(), &cause))?;
        let length = object
            .content_length()
            .and_then(|bytes| u64::try_from(bytes).ok());
        if length.is_none_or(|bytes| bytes > limit_bytes) {
            let message = format!("{key} is larger than the {limit_bytes} bytes such an object may have");
            return Err(
                Error::new(Kind::Corrupt, message).hint("use another backup: `paycraft-dr list` shows them")
            );
        }
        let body = object.body.collect().await;
        Ok(body
            .map_err(|cause| Error::new(Kind::Store, what).caused_by(cause))?
            .into_bytes())
    }

    /// The bytes of `key` in `range`. Fewer arrive where the object is shorter.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let what = format!("cannot read bytes {} to {} of {key}", range.start, range.end);
        let answer = self
            .client
            .get_object()
            .bucket(&*self.bucket)
            .key(key)
            .range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))
            .send()
            .await;
        let object = answer.map_err(|cause| failed(&what, &self.describe(), &cause))?;
        let body = object.body.collect().await;
        Ok(body
            .map_err(|cause| Error::new(Kind::Store, what).caused_by(cause))?
            .into_bytes())
    }

    /// Puts `bytes` at `key` unless something is there (`If-None-Match: *`).
    pub async fn publish(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<Published> {
        let answer = self
            .client
            .put_object()
            .bucket(&*self.bucket)
            .key(key)
            .if_none_match("*")
            .content_type(content_type)
            .body(ByteStream::from(bytes))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Published::Now),
            Err(cause) if status_of(&cause) == Some(412) => Ok(Published::Before),
            Err(cause) => Err(failed(&format!("cannot write {key}"), &self.describe(), &cause)),
        }
    }
}
