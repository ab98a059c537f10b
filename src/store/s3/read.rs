//! Reading objects. A body that breaks off is resumed where it stopped, if the object is still the same.

use std::error::Error as StdError;
use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::failure::{RequiredPermission, status_of};
use super::requests::Body;
use super::store::S3Store;
use crate::error::{Error, Kind, Result};
use crate::store::retry;

/// A try that brought this much is not held against the store: over a bad line an object still arrives.
const FAIR_BYTES: usize = 64 << 10;

/// What is asked for.
struct RangeRequest<'a> {
    key: &'a str,
    /// What is being done, for messages.
    what: String,
    start: u64,
    /// Up to the object's end where there is none.
    end: Option<u64>,
    limit_bytes: Option<u64>,
}

impl S3Store {
    /// The whole of a small object; one larger than `limit_bytes` is refused before it is read.
    pub(in crate::store) async fn get(&self, key: &str, limit_bytes: u64) -> Result<Bytes> {
        self.read(&RangeRequest {
            key,
            what: format!("cannot read {key}"),
            start: 0,
            end: None,
            limit_bytes: Some(limit_bytes),
        })
        .await
    }

    /// The bytes of `key` in `range`. Fewer arrive where the object is shorter.
    pub(in crate::store) async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.read(&RangeRequest {
            key,
            what: format!("cannot read bytes {} to {} of {key}", range.start, range.end),
            start: range.start,
            end: Some(range.end),
            limit_bytes: None,
        })
        .await
    }

    async fn read(&self, wanted: &RangeRequest<'_>) -> Result<Bytes> {
        let mut read = BytesMut::new();
        let mut tag = None;
        let mut tries = 0;
        let mut progressed = Instant::now();
        loop {
            let before = read.len();
            // Boxed: what the SDK keeps for a request is large, and many reads are under way in one task.
            let left = self.patience.total.saturating_sub(progressed.elapsed());
            let opening = Box::pin(self.open_body(wanted, before as u64, tag.clone(), left));
            let Some(object) = opening.await? else {
                return Ok(read.freeze());
            };
            let length = wanted.check(&object, before as u64)?;
            tag = object.e_tag().map(str::to_owned);
            read.reserve(length.unwrap_or(0));
            let silence = wanted.is_small().then_some(self.patience.answer);
            let body = Body::of(wanted.key);
            let arrived = append(object, length, silence, &mut read).await;
            body.ended(read.len() - before, arrived.is_ok());
            let Err(cause) = arrived else {
                return Ok(read.freeze());
            };
            if read.len() > before {
                progressed = Instant::now();
            }
            let is_over = wanted.is_small() && progressed.elapsed() >= self.patience.total;
            tries = if read.len() - before < FAIR_BYTES {
                tries + 1
            } else {
                1
            };
            if is_over || tries >= self.patience.transfer_attempts {
                let message = format!("{} at {}", wanted.what, self.describe());
                return Err(Error::new(Kind::Store, message)
                    .caused_by(cause)
                    .hint("check the network between here and the store, and try again"));
            }
            self.retries.note();
            tokio::time::sleep(self.patience.pause(tries, retry::random())).await;
        }
    }

    /// Begins to read what is wanted behind the first `read` bytes of it; with a tag only if the object is still the same.
    /// Nothing where the object ends before.
    async fn open_body(
        &self,
        wanted: &RangeRequest<'_>,
        read: u64,
        tag: Option<String>,
        left: Duration,
    ) -> Result<Option<GetObjectOutput>> {
        let waiting = match wanted.is_small() {
            true => self.patience.reading(left),
            false => self.patience.transfer(0),
        };
        let answer = self
            .client
            .get_object()
            .bucket(&*self.bucket)
            .key(self.full(wanted.key))
            .set_range(wanted.range_behind(read))
            .set_if_match(tag)
            .customize()
            .config_override(waiting)
            .send()
            .await;
        match answer {
            Ok(object) => Ok(Some(object)),
            Err(cause) => match status_of(&cause) {
                Some(412) => {
                    let message = format!("{} was replaced while it was read", wanted.key);
                    Err(Error::new(Kind::Corrupt, message)
                        .hint("nothing may write over a backup: find out what did, and use another one"))
                }
                Some(416) => Ok(None),
                _ => Err(self.failed(RequiredPermission::Read, &wanted.what, &cause)),
            },
        }
    }
}

impl RangeRequest<'_> {
    /// Whether it is the whole of a small object.
    fn is_small(&self) -> bool {
        self.limit_bytes.is_some()
    }

    fn range_behind(&self, read: u64) -> Option<String> {
        match (self.start + read, self.end) {
            (0, None) => None,
            (from, None) => Some(format!("bytes={from}-")),
            (from, Some(end)) => Some(format!("bytes={from}-{}", end.saturating_sub(1))),
        }
    }

    /// How long the body is, if this answer begins where it was asked to and brings no more than it may.
    fn check(&self, object: &GetObjectOutput, read: u64) -> Result<Option<usize>> {
        let from = self.start + read;
        let length = object
            .content_length()
            .and_then(|bytes| u64::try_from(bytes).ok());
        if let Some(limit) = self.limit_bytes
            && length.is_none_or(|bytes| read + bytes > limit)
        {
            let key = self.key;
            let message = format!("{key} is larger than the {limit} bytes such an object may have");
            return Err(
                Error::new(Kind::Corrupt, message).hint("use another backup: `paycraft-dr list` shows them")
            );
        }
        let begins_at = object.content_range().map_or(Some(0), first_byte);
        let is_too_long = self
            .end
            .is_some_and(|end| length.is_none_or(|bytes| from + bytes > end));
        if begins_at != Some(from) || is_too_long {
            return Err(Error::new(Kind::Store, self.what.clone())
                .caused_by("the store sent other bytes than it was asked for")
                .hint("look at what is between here and the store: ranges of objects do not come through"));
        }
        Ok(length.and_then(|bytes| usize::try_from(bytes).ok()))
    }
}

/// The first position in `bytes 7-898/900`.
fn first_byte(content_range: &str) -> Option<u64> {
    let (first, _) = content_range.strip_prefix("bytes ")?.split_once('-')?;
    first.parse().ok()
}

/// Appends the body to `read`, as much of it as comes. Succeeds only where that is all of it. With a limit for `silence`, no piece is
/// waited for longer; without one the SDK ends a body that stops.
async fn append(
    object: GetObjectOutput,
    length: Option<usize>,
    silence: Option<Duration>,
    read: &mut BytesMut,
) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let before = read.len();
    let mut body = object.body;
    loop {
        let piece = match silence {
            Some(limit) => tokio::time::timeout(limit, body.next()).await?,
            None => body.next().await,
        };
        match piece {
            Some(piece) => read.extend_from_slice(&piece?),
            None => break,
        }
    }
    match length {
        Some(length) if read.len() - before != length => Err("the answer ended before its length".into()),
        _ => Ok(()),
    }
}
