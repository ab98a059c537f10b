//! Answers as a failure leaves them.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Collected};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue, TRANSFER_ENCODING};
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use s3s::dto::StreamingBlob;
use s3s::{Body, HttpError};

use super::failure::RefusedRequest;

/// What a failure asked for is told as, where an error must be.
pub(super) fn broken() -> std::io::Error {
    std::io::Error::other("broken as it was asked to")
}

/// The body's first bytes, and then an end that comes too early.
pub(super) fn cut(body: Body, bytes: usize) -> Body {
    let cut = stream::unfold((body, bytes), async |(mut body, left)| {
        if left == 0 {
            // What was given so far is sent before the error is seen.
            tokio::task::yield_now().await;
            return Some((Err(broken()), (body, 0)));
        }
        let piece: Bytes = body.next().await?.ok()?;
        let piece = piece.slice(..piece.len().min(left));
        let left = left - piece.len();
        Some((Ok(piece), (body, left)))
    });
    StreamingBlob::wrap(cut).into()
}

/// The body with one bit of the byte at `place` changed.
pub(super) fn flipped(body: Body, place: usize) -> Body {
    let flipped = stream::unfold((body, 0), move |(mut body, began)| async move {
        let mut piece: Bytes = body.next().await?.ok()?;
        let end = began + piece.len();
        if (began..end).contains(&place) {
            let mut bytes = piece.to_vec();
            bytes[place - began] ^= 1;
            piece = bytes.into();
        }
        Some((Ok::<_, std::io::Error>(piece), (body, end)))
    });
    StreamingBlob::wrap(flipped).into()
}

/// The answer to a listing without the entries whose key begins with `hidden`.
pub(super) async fn without(answer: Response<Body>, hidden: &str) -> Result<Response<Body>, HttpError> {
    let (mut head, body) = answer.into_parts();
    let bytes = whole(body).await?;
    let document = String::from_utf8_lossy(&bytes);
    let mut pieces = document.split("<Contents>");
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    let mut count = 0;
    for piece in pieces {
        let (entry, rest) = piece.split_once("</Contents>").unwrap_or((piece, ""));
        if !is_about(entry, hidden) {
            count += 1;
            shown.push_str("<Contents>");
            shown.push_str(entry);
            shown.push_str("</Contents>");
        }
        shown.push_str(rest);
    }
    let shown = with_count(&shown, count);
    head.headers.remove(TRANSFER_ENCODING);
    head.headers.insert(CONTENT_LENGTH, shown.len().into());
    Ok(Response::from_parts(head, Body::from(shown)))
}

/// The listing with this number of keys, where it tells one.
fn with_count(document: &str, count: usize) -> String {
    let parts = document.split_once("<KeyCount>").and_then(|(before, rest)| {
        let (_, after) = rest.split_once("</KeyCount>")?;
        Some((before, after))
    });
    match parts {
        Some((before, after)) => format!("{before}<KeyCount>{count}</KeyCount>{after}"),
        None => document.to_owned(),
    }
}

/// All of a body.
pub(super) async fn whole(body: Body) -> Result<Bytes, HttpError> {
    let collected = BodyExt::collect(body).await;
    collected
        .map(Collected::to_bytes)
        .map_err(|_| HttpError::new(Box::new(broken())))
}

/// Whether an entry's key begins with `hidden`, also where the listing writes it percent-encoded.
fn is_about(entry: &str, hidden: &str) -> bool {
    let key = entry.split_once("<Key>").map_or("", |(_, key)| key);
    key.replace("%2F", "/").starts_with(hidden)
}

/// The error document that says so.
pub(in crate::drill) fn refused(refusal: &RefusedRequest, now: Timestamp) -> Response<Body> {
    let RefusedRequest {
        status,
        code,
        message,
    } = refusal;
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    xml(document, *status, now)
}

/// The answer that a test wrote. `{n}` in it becomes another number each time.
pub(super) fn answered(document: &str, now: Timestamp) -> Response<Body> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    xml(document.replace("{n}", &number.to_string()), StatusCode::OK, now)
}

fn xml(document: String, status: StatusCode, now: Timestamp) -> Response<Body> {
    let mut answer = Response::new(Body::from(document));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/xml");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    stamp(&mut answer, now);
    answer
}

/// Dates an answer by the server's own clock.
pub(in crate::drill) fn stamp(answer: &mut Response<Body>, now: Timestamp) {
    if let Ok(date) = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().parse() {
        answer.headers_mut().insert(DATE, date);
    }
}
