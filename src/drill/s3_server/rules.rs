//! The rules of Cloudflare R2 that can be told from a request's head, and the clock they go by.
//!
//! They are those of R2's documentation and of what its users report, with R2's own codes and words: region `auto`, none of the
//! checksum headers that newer SDKs add unasked, at most one write per second to a key. R2 also takes `us-east-1` and an empty
//! region for `auto`; a program that relies on that is told so here. The rules about parts are where parts are joined.

use std::collections::HashMap;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use crate::drill::s3_faults::{Operation, RefusedRequest};

/// How far apart client and server may be.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);
/// How long a key rests after a write.
const REST: SignedDuration = SignedDuration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Those of S3 alone: for what S3 has and R2 has not.
    S3,
    /// Those of Cloudflare R2 besides.
    R2,
}

/// The rules, the server's clock, and what was written lately.
#[derive(Debug)]
pub(super) struct Book {
    rules: Rules,
    written: Mutex<HashMap<String, Timestamp>>,
    clock_offset: Mutex<SignedDuration>,
}

impl Book {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            written: Mutex::default(),
            clock_offset: Mutex::default(),
        }
    }

    /// Sets the server's clock ahead of this machine's, or behind it.
    pub(super) fn set_clock(&self, offset: SignedDuration) {
        *lock(&self.clock_offset) = offset;
    }

    /// What the server's clock says.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now() + *lock(&self.clock_offset)
    }

    /// Why this request is turned away, where it is. A write that is not is noted.
    pub(super) fn refusal(&self, request: &Parts) -> Option<RefusedRequest> {
        let (now, headers) = (self.now(), &request.headers);
        let refuse = |status, code, message| {
            Some(RefusedRequest {
                status,
                code,
                message,
            })
        };
        if signed_at(headers).is_some_and(|signed| now.duration_since(signed).abs() > MAX_SKEW) {
            let message = "The difference between the request time and the server's time is too large.";
            return refuse(StatusCode::FORBIDDEN, "RequestTimeTooSkewed", message.to_owned());
        }
        if self.rules == Rules::S3 {
            return None;
        }
        if let Some(region) = region(headers, &request.uri).filter(|region| region != "auto") {
            let message = format!(
                "The region name '{region}' is not valid. Must be one of: wnam, enam, weur, eeur, apac, oc, auto"
            );
            return refuse(StatusCode::BAD_REQUEST, "InvalidRegionName", message);
        }
        if let Some((name, value)) = unasked_checksum(headers) {
            let message = format!("Header '{name}' with value '{value}' not implemented");
            return refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message);
        }
        let makes_an_object = Operation::of(&request.method, &request.uri).makes_an_object();
        if makes_an_object && !self.takes_write(request.uri.path(), now) {
            let message = "Reduce your concurrent request rate for the same object.".to_owned();
            return refuse(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        }
        None
    }

    /// Notes a write, unless the key was written less than a second ago.
    fn takes_write(&self, key: &str, now: Timestamp) -> bool {
        let mut written = lock(&self.written);
        // A clock that was set back must not make a key rest for hours.
        written.retain(|_, at| now.duration_since(*at).abs() < REST);
        if written.contains_key(key) {
            return false;
        }
        written.insert(key.to_owned(), now);
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

fn signed_at(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get("x-amz-date")?.to_str().ok()?;
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// The region in `KEY/20261123/auto/s3/aws4_request`, which is in a header, or in the query of a presigned request.
fn region(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (_, scope) = header
        .and_then(|value| value.split_once("Credential="))
        .or_else(|| uri.query()?.split_once("X-Amz-Credential="))?;
    let scope = scope.split([',', '&']).next()?.replace("%2F", "/");
    scope.split('/').nth(2).map(str::to_owned)
}

/// A header about checksums beyond those that S3's first version knew, and what it says.
fn unasked_checksum(headers: &HeaderMap) -> Option<(String, String)> {
    let is_checksum = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-amz-checksum-")
            || matches!(name, "x-amz-sdk-checksum-algorithm" | "x-amz-trailer")
    };
    let (name, value) = headers.iter().find(|(name, _)| is_checksum(name))?;
    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
    Some((name.to_string(), value))
}
