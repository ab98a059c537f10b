//! The store's refusals in the words of the person who has to act on them.

use std::error::Error as StdError;
use std::io;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use jiff::SignedDuration;

use super::clock::Clocks;
use super::credentials;
use super::paging::Unreliable;
use super::store::S3Store;
use crate::error::{Error, Kind, chain};

/// How far clocks may be apart before a store refuses what was signed.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// What the token must allow for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequiredPermission {
    Read,
    Write,
}

/// The HTTP status the server answered with, if it answered.
pub(super) fn status_of<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

impl S3Store {
    /// A store error that says what failed, why in the server's words, and what to do.
    pub(super) fn failed<E>(&self, access: RequiredPermission, what: &str, cause: &SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        if let Some(unreliable) = unreliable_in(cause) {
            return self.unreliable(what, unreliable);
        }
        let error = Error::new(Kind::Store, format!("{what} at {}", self.describe()));
        if let Some((why, hint)) = credentials::trouble_in(cause) {
            return error.caused_by(format!("no credentials: {why}")).hint(hint);
        }
        if let Some(ahead) = self.skew(cause) {
            return error
                .caused_by(format!("this machine's clock is {} the store's", distance(ahead)))
                .hint("set this machine's clock (timedatectl set-ntp true), and run the command again");
        }
        let (cause, hint) = match ConnectionTrouble::of(cause) {
            Some(trouble) => (trouble.cause(cause), trouble.hint()),
            None => (answer(cause), refusal_hint(access, cause)),
        };
        error.caused_by(cause).hint(hint)
    }

    /// By how much this machine's clock is ahead, where that is why a request was refused. An answer without a body does not
    /// say why; then the clocks themselves do.
    fn skew<E: ProvideErrorMetadata>(&self, cause: &SdkError<E>) -> Option<SignedDuration> {
        let ahead = self.clock.last().map(Clocks::ahead)?;
        match (cause.code(), status_of(cause)) {
            (Some("RequestTimeTooSkewed"), _) => Some(ahead),
            (_, Some(403)) if ahead.abs() > MAX_SKEW => Some(ahead),
            _ => None,
        }
    }
}

/// What was found wrong with the answer, where that is the error.
fn unreliable_in(error: &(dyn StdError + 'static)) -> Option<Unreliable> {
    chain(error).find_map(|cause| cause.downcast_ref::<Unreliable>().copied())
}

/// In whole minutes, which is what a clock is off by when it matters.
fn distance(ahead: SignedDuration) -> String {
    let minutes = ahead.abs().as_mins();
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let apart = match hours {
        0 => format!("{minutes} min"),
        _ => format!("{hours} h {minutes} min"),
    };
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    format!("{apart} {side}")
}

/// What the server said.
fn answer<E: ProvideErrorMetadata + StdError + 'static>(cause: &SdkError<E>) -> String {
    let request = cause.as_service_error().and(cause.request_id());
    let request = request.map_or_else(String::new, |request| format!(" (request {request})"));
    let message = cause.message().map(|message| message.trim_end_matches('.'));
    match (cause.code(), message, status_of(cause)) {
        (Some(code), Some(message), _) => format!("{code}: {message}{request}"),
        (Some(words), None, _) | (None, Some(words), _) => format!("{words}{request}"),
        (None, None, Some(status)) => format!("the store answered with HTTP status {status}{request}"),
        (None, None, None) => root_of(cause),
    }
}

/// What to do about an answer that says no.
fn refusal_hint<E: ProvideErrorMetadata>(access: RequiredPermission, cause: &SdkError<E>) -> &'static str {
    let code = cause.code().unwrap_or_default();
    // R2's own words for a key id that cannot be one.
    let is_about_key =
        code == "InvalidArgument" && cause.message().is_some_and(|words| words.contains("access key"));
    match (code, status_of(cause)) {
        ("NoSuchBucket", _) => "create the bucket, or set R2_BUCKET to the right name",
        (
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException"
            | "InvalidRegionName",
            _,
        )
        | ("", Some(301 | 307)) => {
            "the bucket is in another region: set R2_REGION (or --region) to the one that the store names, and R2_ENDPOINT_URL to its address"
        }
        ("ExpiredToken" | "TokenRefreshRequired", _) => {
            "the credentials have expired: get new ones, and run the command again"
        }
        ("InvalidToken", _) => "the session token does not belong to the access key: get new credentials",
        ("NoSuchKey", _) => "`paycraft-dr list` shows what is there",
        ("SignatureDoesNotMatch", _) => {
            "the secret does not belong to the access key id: check R2_SECRET_ACCESS_KEY"
        }
        ("InvalidAccessKeyId" | "Unauthorized", _) => {
            "the store does not know this key: check R2_ACCESS_KEY_ID, and that the token was not revoked"
        }
        _ if is_about_key => "the store takes no key of this form: check R2_ACCESS_KEY_ID",
        (_, Some(429)) => "another process writes the same key: run one backup at a time",
        // The answer to a HEAD has no words.
        ("", Some(401 | 403)) => {
            "check R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY, and that the API token may do this in this bucket"
        }
        (_, Some(401 | 403)) if access == RequiredPermission::Write => {
            "the API token may not write here: it needs the permission Object Read & Write for this bucket"
        }
        (_, Some(401 | 403)) => {
            "the API token may not read here: it needs at least the permission Object Read for this bucket"
        }
        (_, Some(404)) => "check the bucket's name, and `paycraft-dr list`",
        _ => "try again; if it persists, look at the store's status page",
    }
}

/// What kept a request from being answered by an S3 service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionTrouble {
    UnknownHost,
    NobodyListens,
    /// The two sides found no way to trust each other.
    Untrusted,
    Silence,
    /// Something answered that is no store.
    NotS3,
    /// All else that may happen to a connection.
    Broken,
}

impl ConnectionTrouble {
    fn of<E: ProvideErrorMetadata + StdError + 'static>(cause: &SdkError<E>) -> Option<Self> {
        match cause {
            SdkError::TimeoutError(_) => Some(Self::Silence),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Some(Self::Silence),
            SdkError::DispatchFailure(_) => Some(Self::on_the_way(cause)),
            SdkError::ResponseError(_) => Some(Self::NotS3),
            SdkError::ServiceError(refusal) => is_page(refusal.raw()).then_some(Self::NotS3),
            _ => None,
        }
    }

    fn on_the_way(error: &(dyn StdError + 'static)) -> Self {
        for cause in chain(error) {
            // The client's own name for it; the system's differs between systems.
            if cause.to_string().contains("dns error") {
                return Self::UnknownHost;
            }
            match cause.downcast_ref::<io::Error>().map(kind_of) {
                Some(io::ErrorKind::ConnectionRefused) => return Self::NobodyListens,
                Some(io::ErrorKind::InvalidData) => return Self::Untrusted,
                _ => {}
            }
        }
        Self::Broken
    }

    fn cause<E: StdError + 'static>(self, cause: &SdkError<E>) -> String {
        match self {
            Self::NotS3 => match status_of(cause) {
                Some(status) => format!("the answer is not one of an S3 service (HTTP status {status})"),
                None => root_of(cause),
            },
            Self::Silence => "no answer came in time".to_owned(),
            _ => root_of(cause),
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::UnknownHost => "no host has this name: check R2_ENDPOINT_URL, and this machine's DNS",
            Self::NobodyListens => {
                "nothing listens there: check the host and port in R2_ENDPOINT_URL, and in HTTPS_PROXY where that is set"
            }
            Self::Untrusted => {
                "check R2_ENDPOINT_URL (https or http, the host), this machine's clock and its root certificates"
            }
            Self::NotS3 => "write R2_ENDPOINT_URL as https://ACCOUNT.r2.cloudflarestorage.com",
            Self::Silence | Self::Broken => "check R2_ENDPOINT_URL and the network between here and it",
        }
    }
}

/// The kind of the innermost error: what wraps another one is of no kind, and hides it from `source`.
fn kind_of(error: &io::Error) -> io::ErrorKind {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.map_or_else(|| error.kind(), kind_of)
}

/// Whether this is a page for people: a store answers in XML, or says nothing.
fn is_page(answer: &aws_sdk_s3::config::http::HttpResponse) -> bool {
    answer
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind.starts_with("text/html"))
}

/// The innermost cause, where the outer ones only say that something was dispatched.
fn root_of<E: StdError + 'static>(cause: &SdkError<E>) -> String {
    chain(cause).last().map(ToString::to_string).unwrap_or_default()
}
