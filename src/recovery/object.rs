//! An object's bytes, checked block by block as they arrive.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::archive::{ArchiveError, gzip};
use crate::error::{Error, Kind, Result};
use crate::model::manifest::{Block, Manifest, hex};
use crate::store::Store;

/// How much of the archive one request brings, inflated.
const SPAN_RAW_BYTES: u64 = 4 << 20;
/// How many requests are under way at once. With what waits to be used this bounds the memory of a download.
const SPANS_AHEAD: usize = 4;

/// The archive inside an object, in order, as pieces whose blocks were checked against the manifest.
///
/// Fetching and inflating go on while a piece is used. Dropped, the download ends.
#[derive(Debug)]
pub struct CheckedArchive {
    pieces: mpsc::Receiver<Result<Vec<u8>>>,
    _download: JoinSet<()>,
}

impl CheckedArchive {
    /// Begins to download the object of `manifest`.
    pub fn open(store: &Store, manifest: &Manifest) -> Self {
        let (sender, pieces) = mpsc::channel(1);
        let spans = spans(&manifest.blocks);
        let (store, key) = (store.clone(), manifest.key.clone());
        let mut download = JoinSet::new();
        download.spawn(async move {
            let mut inflated = stream::iter(spans)
                .map(|span| fetch(&store, &key, span))
                .buffered(SPANS_AHEAD);
            while let Some(piece) = inflated.next().await {
                let failed = piece.is_err();
                if sender.send(piece).await.is_err() || failed {
                    return;
                }
            }
        });
        Self {
            pieces,
            _download: download,
        }
    }

    /// The next piece, or `None` behind the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        self.pieces.recv().await.transpose()
    }
}

/// Makes sure that the object is there and as long as its manifest says.
pub async fn check_length(store: &Store, manifest: &Manifest) -> Result<()> {
    let key = &manifest.key;
    let Some(facts) = store.head(key).await? else {
        return Err(corrupt(key, "its manifest is there and the object is not"));
    };
    if facts.bytes != manifest.stored_bytes {
        let what = format!(
            "it has {} bytes and was made with {}",
            facts.bytes, manifest.stored_bytes
        );
        return Err(corrupt(key, &what));
    }
    Ok(())
}

/// Cuts the index into runs of blocks that are fetched with one request each.
fn spans(blocks: &[Block]) -> Vec<Vec<Block>> {
    let mut spans: Vec<Vec<Block>> = Vec::new();
    let mut raw_bytes = 0;
    for block in blocks {
        raw_bytes += block.raw_bytes;
        match spans.last_mut() {
            Some(span) if raw_bytes <= SPAN_RAW_BYTES => span.push(block.clone()),
            _ => {
                raw_bytes = block.raw_bytes;
                spans.push(vec![block.clone()]);
            }
        }
    }
    spans
}

async fn fetch(store: &Store, key: &str, span: Vec<Block>) -> Result<Vec<u8>> {
    let (Some(first), Some(last)) = (span.first(), span.last()) else {
        return Ok(Vec::new());
    };
    let range: Range<u64> = first.offset..last.offset + last.stored_bytes;
    let stored = store.get_range(key, range.clone()).await?;
    let key = key.to_owned();
    let inflated = tokio::task::spawn_blocking(move || inflate_span(&key, &span, range.start, &stored));
    inflated
        .await
        .map_err(|cause| Error::new(Kind::Internal, "a block could not be inflated").caused_by(cause))?
}

fn inflate_span(key: &str, span: &[Block], start: u64, stored: &Bytes) -> Result<Vec<u8>> {
    let mut raw = Vec::with_capacity(span.iter().map(|block| length(block.raw_bytes)).sum());
    for block in span {
        let from = length(block.offset - start);
        let damaged = |what: &str| {
            let place = format!(
                "{what} in the block at byte {} of {}",
                block.offset, block.stored_bytes
            );
            corrupt(key, &place)
        };
        let member = stored
            .get(from..from + length(block.stored_bytes))
            .ok_or_else(|| damaged("bytes are missing"))?;
        if hex(&Sha256::digest(member)) != block.sha256 {
            return Err(damaged("bytes differ from those that were stored"));
        }
        let inflated = gzip::inflate(member, length(block.raw_bytes));
        raw.extend(inflated.map_err(|cause| damaged("gzip disagrees").caused_by(cause))?);
    }
    Ok(raw)
}

/// Lengths inside a span are bounded by the manifest's largest block.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The error of an object that is not what was backed up.
pub fn corrupt(key: &str, what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("{key} is corrupt: {what}"))
        .hint("use another backup: `paycraft-dr list` shows them")
}

/// The error of an object whose blocks are intact and whose archive is not.
pub fn unreadable(key: &str, cause: ArchiveError) -> Error {
    corrupt(key, "its archive cannot be read").caused_by(cause)
}
