//! An object's bytes, checked block by block as they arrive.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::archive::gzip::GzipStream;
use crate::archive::{ArchiveError, Contents, Event, Reader, gzip};
use crate::error::{Error, Kind, Result};
use crate::model::manifest::{Block, Framing, Manifest, hex};
use crate::store::Store;

/// How much of the archive one request brings, inflated.
const SPAN_RAW_BYTES: u64 = 4 << 20;
/// How many requests are under way at once. With what waits to be used this bounds the memory of a download.
const SPANS_AHEAD: usize = 4;
/// A piece of an inflated stream is handed on when it is at least this long.
const PIECE_BYTES: usize = 1 << 20;

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
        let (store, key) = (store.clone(), manifest.key.clone());
        let (framing, blocks) = (manifest.framing, manifest.blocks.clone());
        let mut download = JoinSet::new();
        download.spawn(async move {
            let ended = match framing {
                Framing::Members => send_members(&store, &key, &blocks, &sender).await,
                Framing::Stream => send_stream(&store, &key, blocks, &sender).await,
            };
            if let Err(error) = ended {
                let _ = sender.send(Err(error)).await;
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

/// Header and table of contents of the archive inside an object. No more of it is fetched than that takes.
pub async fn contents(store: &Store, manifest: &Manifest) -> Result<Arc<Contents>> {
    let unreadable = |cause| unreadable(&manifest.key, cause);
    let mut archive = CheckedArchive::open(store, manifest);
    let mut reader = Reader::new();
    while let Some(piece) = archive.next().await? {
        let mut rest = &piece[..];
        loop {
            let step = reader.step(rest).map_err(unreadable)?;
            rest = &rest[step.consumed..];
            match step.event {
                None => break,
                Some(Event::Contents(contents)) => return Ok(contents),
                Some(_) => {}
            }
        }
    }
    Err(corrupt(&manifest.key, "its archive has no table of contents"))
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

/// Makes sure that the object's first block is what was stored, and where it inflates by itself, that it does.
pub async fn check_first_block(store: &Store, manifest: &Manifest) -> Result<()> {
    let key = &manifest.key;
    let Some(first) = manifest.blocks.first() else {
        return Err(corrupt(key, "its manifest knows no block of it"));
    };
    let check = match manifest.framing {
        Framing::Members => |key: &str, span: &[Block], stored: &Bytes| inflate_span(key, span, stored).map(drop),
        Framing::Stream => |key: &str, span: &[Block], stored: &Bytes| check_block(key, &span[0], stored),
    };
    fetch_checked(store, key, vec![first.clone()], check).await
}

/// The bytes of an object of `length` bytes, in order, `span_bytes` at a time. What comes next is fetched meanwhile.
pub fn spans_of(store: &Store, key: &str, length: u64, span_bytes: u64) -> impl Stream<Item = Result<Bytes>> {
    let (store, key) = (store.clone(), key.to_owned());
    let starts = (0..length).step_by(usize::try_from(span_bytes).unwrap_or(usize::MAX));
    let ranges = starts.map(move |start| start..length.min(start + span_bytes));
    stream::iter(ranges)
        .map(move |range| {
            let (store, key) = (store.clone(), key.clone());
            async move { store.get_range(&key, range).await }
        })
        .buffered(SPANS_AHEAD)
}

/// Each run of members inflates by itself, so several are inflated at once.
async fn send_members(
    store: &Store,
    key: &str,
    blocks: &[Block],
    pieces: &mpsc::Sender<Result<Vec<u8>>>,
) -> Result<()> {
    let fetch = |span| fetch_checked(store, key, span, inflate_span);
    let mut inflated = stream::iter(spans(blocks)).map(fetch).buffered(SPANS_AHEAD);
    while let Some(piece) = inflated.next().await {
        if pieces.send(Ok(piece?)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// One stream inflates in order; its blocks are fetched and checked ahead.
async fn send_stream(
    store: &Store,
    key: &str,
    blocks: Vec<Block>,
    pieces: &mpsc::Sender<Result<Vec<u8>>>,
) -> Result<()> {
    let fetch = |block: Block| {
        fetch_checked(store, key, vec![block], |key, span, stored| {
            check_block(key, &span[0], stored).map(|()| stored.clone())
        })
    };
    let mut fetched = stream::iter(blocks).map(fetch).buffered(SPANS_AHEAD);
    let mut inflater = GzipStream::new();
    let damaged = |cause| corrupt(key, "gzip disagrees").caused_by(cause);
    while let Some(stored) = fetched.next().await {
        let (stored, pieces) = (stored?, pieces.clone());
        let (returned, fed) = in_the_background(move || {
            let fed = feed(&mut inflater, &stored, |piece| {
                pieces.blocking_send(Ok(piece)).is_ok()
            });
            Ok((inflater, fed))
        })
        .await?;
        inflater = returned;
        if !fed.map_err(damaged)? {
            return Ok(());
        }
    }
    let mut rest = Vec::new();
    inflater.finish(&mut rest).map_err(damaged)?;
    let _ = pieces.send(Ok(rest)).await;
    Ok(())
}

/// Inflates the next bytes of a stream and hands on what comes out, until `hand_on` says that nobody wants more.
pub fn feed(
    inflater: &mut GzipStream,
    stored: &[u8],
    mut hand_on: impl FnMut(Vec<u8>) -> bool,
) -> Result<bool, gzip::GzipError> {
    let mut piece = Vec::new();
    for bytes in stored.chunks(GzipStream::FEED_BYTES) {
        inflater.feed(bytes, &mut piece)?;
        if piece.len() >= PIECE_BYTES && !hand_on(std::mem::take(&mut piece)) {
            return Ok(false);
        }
    }
    Ok(piece.is_empty() || hand_on(piece))
}

/// Runs what keeps a core busy where it holds up nothing else.
pub async fn in_the_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|cause| Error::new(Kind::Internal, "a block could not be inflated").caused_by(cause))?
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

async fn fetch(store: &Store, key: &str, span: &[Block]) -> Result<Bytes> {
    let (Some(first), Some(last)) = (span.first(), span.last()) else {
        return Ok(Bytes::new());
    };
    let range: Range<u64> = first.offset..last.offset + last.stored_bytes;
    store.get_range(key, range).await
}

/// Fetches a run of blocks and makes of them what `check` makes. Bytes that are not what was stored may have become so on their
/// way: they are fetched once more before the object is called corrupt.
async fn fetch_checked<T: Send + 'static>(
    store: &Store,
    key: &str,
    span: Vec<Block>,
    check: fn(&str, &[Block], &Bytes) -> Result<T>,
) -> Result<T> {
    let span: Arc<[Block]> = span.into();
    let checked = async || {
        let stored = fetch(store, key, &span).await?;
        let (key, span) = (key.to_owned(), Arc::clone(&span));
        in_the_background(move || check(&key, &span, &stored)).await
    };
    match checked().await {
        Err(error) if error.kind() == Kind::Corrupt => checked().await,
        checked => checked,
    }
}

fn inflate_span(key: &str, span: &[Block], stored: &Bytes) -> Result<Vec<u8>> {
    let start = span.first().map_or(0, |block| block.offset);
    let mut raw = Vec::with_capacity(span.iter().map(|block| length(block.raw_bytes)).sum());
    for block in span {
        let from = length(block.offset - start);
        let member = stored.get(from..from + length(block.stored_bytes));
        let member = member.ok_or_else(|| damaged(key, block, "bytes are missing"))?;
        check_block(key, block, member)?;
        let inflated = gzip::inflate(member, length(block.raw_bytes));
        raw.extend(inflated.map_err(|cause| damaged(key, block, "gzip disagrees").caused_by(cause))?);
    }
    Ok(raw)
}

/// Makes sure that these are the bytes that were stored.
fn check_block(key: &str, block: &Block, stored: &[u8]) -> Result<()> {
    if stored.len() as u64 != block.stored_bytes {
        return Err(damaged(key, block, "bytes are missing"));
    }
    if hex(&Sha256::digest(stored)) != block.sha256 {
        return Err(damaged(key, block, "bytes differ from those that were stored"));
    }
    Ok(())
}

fn damaged(key: &str, block: &Block, what: &str) -> Error {
    let (offset, bytes) = (block.offset, block.stored_bytes);
    corrupt(key, &format!("{what} in the block at byte {offset} of {bytes}"))
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
