//! The store's refusals in the words of the person who has to act on them.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;

use crate::error::{Error, Kind};

/// The HTTP status the server answered with, if it answered.
pub(super) fn status_of<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// A store error that says what failed, why in the server's words, and what to do.
pub(super) fn failed<E>(what: &str, place: &str, cause: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = cause.code().map(str::to_owned);
    let status = status_of(cause);
    let answer = match (cause, cause.message()) {
        (_, Some(message)) => Some(message.trim_end_matches('.').to_owned()),
        (SdkError::ServiceError(_), None) => {
            status.map(|status| format!("the store answered with HTTP status {status}"))
        }
        _ => None,
    };
    let request = cause
        .as_service_error()
        .and(cause.request_id())
        .map(str::to_owned);
    let error = Error::new(Kind::Store, format!("{what} at {place}"));
    let error = match (&code, answer) {
        (Some(code), Some(answer)) => error.caused_by(match request {
            Some(request) => format!("{code}: {answer} (request {request})"),
            None => format!("{code}: {answer}"),
        }),
        (None, Some(answer)) => error.caused_by(answer),
        _ => error.caused_by(root_of(cause)),
    };
    error.hint(hint(code.as_deref(), status, cause))
}

fn hint<E>(code: Option<&str>, status: Option<u16>, cause: &SdkError<E>) -> &'static str {
    match (code, status, cause) {
        (Some("NoSuchBucket"), ..) => "create the bucket, or set R2_BUCKET to the right name",
        (Some("NoSuchKey"), ..) => "`paycraft-dr list` shows what is there",
        (Some("RequestTimeTooSkewed"), ..) => {
            "set this machine's clock: the store refuses requests from another time"
        }
        (Some("SignatureDoesNotMatch" | "InvalidAccessKeyId"), ..) => {
            "the credentials are wrong: check R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY"
        }
        (_, Some(401 | 403), _) => {
            "the credentials lack the right to do this: check the API token's permissions"
        }
        (_, Some(404), _) => "check the bucket's name, and `paycraft-dr list`",
        (_, None, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)) => {
            "check R2_ENDPOINT_URL and the network between here and it"
        }
        _ => "try again; if it persists, look at the store's status page",
    }
}

/// The innermost cause, where the outer ones only say that something was dispatched.
fn root_of<E: std::error::Error + 'static>(cause: &SdkError<E>) -> String {
    let mut root: &dyn std::error::Error = cause;
    while let Some(next) = root.source() {
        root = next;
    }
    root.to_string()
}
