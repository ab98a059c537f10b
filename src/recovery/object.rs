//! An object's bytes, checked block by block as they arrive.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::thread::available_parallelism;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::background::{Task, in_the_background};
use crate::archive::gzip::GzipStream;
use crate::archive::{ArchiveError, ArchiveEvent, ArchiveReader, Contents, gzip};
use crate::error::{Error, Kind, Result};
use crate::model::blocks::{Block, Blocks};
use crate::model::manifest::{Framing, Manifest};
use crate::model::sha256_sum::Sha256Sum;
use crate::store::Store;

/// How much of an object one request brings, where its blocks are not larger.
const SPAN_BYTES: u64 = 1 << 20;
/// How many requests are under way at once: a store gives each connection a share of the line, and the first byte takes its time.
const REQUESTS_AT_ONCE: usize = 8;
/// What these may bring together, which bounds the memory of a download where blocks are large.
const WINDOW_BYTES: u64 = 16 << 20;
/// A piece of an inflated stream is handed on when it is at least this long.
const PIECE_BYTES: usize = 1 << 20;

/// The archive inside an object, in order, as pieces whose blocks were checked against the manifest.
///
/// Fetching and inflating go on while a piece is used. Dropped, the download ends.
#[derive(Debug)]
pub struct CheckedArchive {
    pieces: mpsc::Receiver<Result<Vec<u8>>>,
    _download: Task<()>,
}

impl CheckedArchive {
    /// Begins to download the object of `manifest`.
    pub fn open(store: &Store, manifest: &Manifest) -> Self {
        Self::open_blocks(store, manifest, manifest.blocks.len())
    }

    /// Begins to download no more of it than its archive's head takes, where that can be told.
    fn open_head(store: &Store, manifest: &Manifest) -> Self {
        let mut raw_bytes = 0;
        let is_of_head = |block: &&Block| {
            let begins_within = raw_bytes < manifest.head_bytes || manifest.framing == Framing::Stream;
            raw_bytes += block.raw_bytes;
            begins_within
        };
        Self::open_blocks(
            store,
            manifest,
            manifest.blocks.iter().take_while(is_of_head).count(),
        )
    }

    /// Begins to download the first `count` blocks.
    fn open_blocks(store: &Store, manifest: &Manifest, count: usize) -> Self {
        Self::open_runs(store, manifest, std::iter::once(0..count).collect())
    }

    /// Begins to download runs of blocks, in their order. Where blocks do not inflate by themselves, these are the first ones.
    pub(super) fn open_runs(store: &Store, manifest: &Manifest, runs: VecDeque<Range<usize>>) -> Self {
        let blocks = manifest.blocks.clone();
        let blocks = Left { blocks, runs };
        let (sender, pieces) = mpsc::channel(1);
        let (store, key) = (store.clone(), manifest.key.clone());
        let framing = manifest.framing;
        let download = Task::spawn(async move {
            let ended = match framing {
                Framing::Members => send_members(&store, &key, blocks, &sender).await,
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
    let mut archive = CheckedArchive::open_head(store, manifest);
    let mut reader = ArchiveReader::new();
    while let Some(piece) = archive.next().await? {
        let mut rest = &piece[..];
        loop {
            let step = reader.step(rest).map_err(unreadable)?;
            rest = &rest[step.consumed..];
            match step.event {
                None => break,
                Some(ArchiveEvent::Contents(contents)) => return Ok(contents),
                Some(_) => {}
            }
        }
    }
    Err(corrupt(&manifest.key, "its archive has no table of contents"))
}

/// Makes sure that the object is there and as long as its manifest says.
pub(super) async fn check_length(store: &Store, manifest: &Manifest) -> Result<()> {
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
pub(super) async fn check_first_block(store: &Store, manifest: &Manifest) -> Result<()> {
    let key = &manifest.key;
    let Some(first) = manifest.blocks.first() else {
        return Err(corrupt(key, "its manifest knows no block of it"));
    };
    let stored = fetch(store, key, extent(std::slice::from_ref(first))).await?;
    match manifest.framing {
        Framing::Members => checked(store, key, first, stored, inflate_member).await.map(drop),
        Framing::Stream => checked(store, key, first, stored, check_block).await.map(drop),
    }
}

/// The bytes of an object of `length` bytes, in order, `span_bytes` at a time. What comes next is fetched meanwhile.
pub(super) fn spans_of(
    store: &Store,
    key: &str,
    length: u64,
    span_bytes: u64,
) -> impl Stream<Item = Result<Bytes>> {
    let (store, key) = (store.clone(), key.to_owned());
    let starts = (0..length).step_by(usize::try_from(span_bytes).unwrap_or(usize::MAX));
    let ranges = starts.map(move |start| start..length.min(start + span_bytes));
    stream::iter(ranges)
        .map(move |range| fetch(&store, &key, range))
        .buffered(requests_at_once(span_bytes))
}

/// Each block is a member and inflates by itself, several at once.
async fn send_members(
    store: &Store,
    key: &str,
    blocks: Left,
    pieces: &mpsc::Sender<Result<Vec<u8>>>,
) -> Result<()> {
    let mut inflated = checked_blocks(store, key, blocks, inflate_member);
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
    blocks: Left,
    pieces: &mpsc::Sender<Result<Vec<u8>>>,
) -> Result<()> {
    let mut checked = checked_blocks(store, key, blocks, check_block);
    let mut inflater = GzipStream::new();
    let damaged = |cause| corrupt(key, "gzip disagrees").caused_by(cause);
    while let Some(stored) = checked.next().await {
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

/// What `check` makes of the bytes of a block.
type BlockCheck<T> = fn(&str, &Block, &Bytes) -> Result<T>;

/// The blocks in order, each as `check` makes it of its bytes. Spans of them are fetched, and blocks are checked on all cores.
fn checked_blocks<'a, T: Send + 'static>(
    store: &'a Store,
    key: &'a str,
    blocks: Left,
    check: BlockCheck<T>,
) -> impl Stream<Item = Result<T>> + Unpin + 'a {
    let cores = available_parallelism().map_or(2, usize::from);
    let blocks = fetched(store, key, blocks).flat_map(|fetched| {
        stream::iter(match fetched {
            Ok((span, stored)) => cut(span, &stored).map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    });
    let checked = blocks.map(move |block| async move {
        let (block, stored) = block?;
        checked(store, key, &block, stored, check).await
    });
    Box::pin(checked.buffered(cores + 1))
}

/// Checks a block. Bytes that are not what was stored may have become so on their way: they are fetched once more before the
/// object is called corrupt.
async fn checked<T: Send + 'static>(
    store: &Store,
    key: &str,
    block: &Block,
    stored: Bytes,
    check: BlockCheck<T>,
) -> Result<T> {
    let checked = async |stored: Bytes| {
        let (key, block) = (key.to_owned(), *block);
        in_the_background(move || check(&key, &block, &stored)).await
    };
    match checked(stored).await {
        Err(error) if error.kind() == Kind::Corrupt => {
            checked(fetch(store, key, extent(std::slice::from_ref(block))).await?).await
        }
        checked => checked,
    }
}

/// The blocks in spans as they were fetched, in order. What comes next is fetched meanwhile.
fn fetched(
    store: &Store,
    key: &str,
    blocks: Left,
) -> impl Stream<Item = Result<(Vec<Block>, Bytes)>> + Unpin {
    let (store, key) = (store.clone(), key.to_owned());
    let largest = blocks.clone().map(|span| extent(&span));
    let largest = largest.map(|extent| extent.end - extent.start).max();
    let fetch_span = move |span: Vec<Block>| {
        let fetched = fetch(&store, &key, extent(&span));
        async move { Ok((span, fetched.await?)) }
    };
    let fetched = stream::iter(blocks).map(fetch_span);
    Box::pin(fetched.buffered(requests_at_once(largest.unwrap_or(1))))
}

fn requests_at_once(span_bytes: u64) -> usize {
    length(WINDOW_BYTES / span_bytes.max(1)).clamp(1, REQUESTS_AT_ONCE)
}

/// Inflates the next bytes of a stream and hands on what comes out, until `hand_on` says that no more is wanted.
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

/// Blocks that are yet to be fetched, cut into runs that are fetched with one request each. Only a run is copied at a time.
#[derive(Clone)]
struct Left {
    blocks: Blocks,
    runs: VecDeque<Range<usize>>,
}

impl Iterator for Left {
    type Item = Vec<Block>;

    fn next(&mut self) -> Option<Vec<Block>> {
        while self.runs.front().is_some_and(Range::is_empty) {
            self.runs.pop_front();
        }
        let places = self.runs.front_mut()?;
        let left = self.blocks.get(places.clone())?;
        let mut span_bytes = 0_u64;
        let fits = |block: &&Block| {
            span_bytes = span_bytes.saturating_add(block.stored_bytes);
            span_bytes <= SPAN_BYTES
        };
        let together = left.iter().take_while(fits).count();
        let span = left.get(..together.max(1))?.to_vec();
        places.start += span.len();
        Some(span)
    }
}

/// Where a run of blocks lies in its object.
fn extent(span: &[Block]) -> Range<u64> {
    let start = span.first().map_or(0, |block| block.offset);
    start
        ..span
            .last()
            .map_or(start, |block| block.offset + block.stored_bytes)
}

/// Once begun, it also fetches while its caller does something else.
fn fetch(store: &Store, key: &str, range: Range<u64>) -> impl Future<Output = Result<Bytes>> + use<> {
    let (store, key) = (store.clone(), key.to_owned());
    async move { Task::spawn(async move { store.get_range(&key, range).await }).await? }
}

/// Each block of a span with its bytes, as far as they came.
fn cut(span: Vec<Block>, stored: &Bytes) -> impl Iterator<Item = (Block, Bytes)> + use<> {
    let (start, stored) = (extent(&span).start, stored.clone());
    span.into_iter().map(move |block| {
        let from = length(block.offset - start).min(stored.len());
        let end = from.saturating_add(length(block.stored_bytes)).min(stored.len());
        let bytes = stored.slice(from..end);
        (block, bytes)
    })
}

fn inflate_member(key: &str, block: &Block, stored: &Bytes) -> Result<Vec<u8>> {
    check_block(key, block, stored)?;
    let inflated = gzip::inflate(stored, length(block.raw_bytes));
    inflated.map_err(|cause| damaged(key, block, "gzip disagrees").caused_by(cause))
}

/// The bytes, if they are those that were stored.
fn check_block(key: &str, block: &Block, stored: &Bytes) -> Result<Bytes> {
    if stored.len() as u64 != block.stored_bytes {
        return Err(damaged(key, block, "bytes are missing"));
    }
    if Sha256Sum::of(stored) != block.sha256 {
        return Err(damaged(key, block, "bytes differ from those that were stored"));
    }
    Ok(stored.clone())
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
