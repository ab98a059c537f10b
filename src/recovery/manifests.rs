//! Manifests in the store: one document, or a head with its index beside it.

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::background::in_the_background;
use super::manifest_index::{self, PackedManifest};
use crate::archive::gzip::GzipStream;
use crate::error::{Error, Kind, Result};
use crate::model::blocks::Blocks;
use crate::model::key::BackupKey;
use crate::model::manifest::{Manifest, corrupt};
use crate::model::manifest_document::Document;
use crate::model::manifest_head::{BlockLines, MAX_LISTS_BYTES, ManifestHead};
use crate::model::sha256_sum::Sha256Sum;
use crate::store::{Published, Store};

/// A document that is larger is no manifest of ours: older programs wrote all of it in one piece, and read no more.
const DOCUMENT_LIMIT_BYTES: u64 = 64 << 20;
/// How much of an index is fetched and read at once.
const PIECE_BYTES: u64 = 8 << 20;

/// A backup that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    pub key: BackupKey,
    pub manifest_key: String,
    /// What the manifest says.
    #[serde(skip)]
    pub manifest: Manifest,
}

/// Publishes the manifest, which makes the object a backup. An index beside it comes first. Returns the same manifest.
pub(super) async fn publish(store: &Store, key: BackupKey, manifest: Manifest) -> Result<Manifest> {
    let (manifest, packed) = in_the_background(move || {
        let mut manifest = manifest;
        let packed = manifest_index::encode(&mut manifest, key.index_key())?;
        Ok((manifest, packed))
    })
    .await?;
    let PackedManifest { document, index } = packed;
    if let Some(index) = index {
        publish_index(store, key, index).await?;
    }
    match store
        .publish(&key.manifest_key(), document, "application/json")
        .await?
    {
        Published::Now => Ok(manifest),
        // An answer that was lost is asked for again: what is there may be our own.
        Published::Before if read(store, key).await.is_ok_and(|found| found == manifest) => Ok(manifest),
        Published::Before => Err(published_first(&key.to_string())),
    }
}

async fn publish_index(store: &Store, key: BackupKey, index: Vec<u8>) -> Result<()> {
    let (name, bytes, sum) = (key.index_key(), index.len() as u64, Sha256Sum::of(&index));
    match store.publish(&name, index, "application/gzip").await? {
        Published::Now => Ok(()),
        Published::Before if sum_of(store, &name, bytes).await? == sum => Ok(()),
        Published::Before => Err(published_first(&name)),
    }
}

fn published_first(name: &str) -> Error {
    Error::new(Kind::Store, format!("another backup published {name} first"))
        .hint("two backups began in the same second: run one at a time")
}

/// The digest of the first `bytes` of the object at `name`.
async fn sum_of(store: &Store, name: &str, bytes: u64) -> Result<Sha256Sum> {
    let mut sum = Sha256::new();
    for start in (0..bytes).step_by(usize::try_from(PIECE_BYTES).unwrap_or(usize::MAX)) {
        sum.update(
            store
                .get_range(name, start..bytes.min(start + PIECE_BYTES))
                .await?,
        );
    }
    Ok(Sha256Sum::finish(sum))
}

/// The manifest of the backup `key`, with its blocks.
pub(super) async fn read(store: &Store, key: BackupKey) -> Result<Manifest> {
    match document(store, key).await? {
        Document::Whole(manifest) => Ok(*manifest),
        Document::Head(head) => {
            let mut manifest = lists(store, key, &head).await?;
            manifest.blocks = blocks(store, key, &head).await?;
            manifest
                .check_blocks()
                .map_err(|what| corrupt(&head.key, &what))?;
            Ok(manifest)
        }
    }
}

/// The manifest of the backup `key`; without its blocks where these are in an index. Only one of several readers that share `large`
/// reads an index at a time, which bounds the memory that they take together.
pub(super) async fn read_for_catalog(store: &Store, key: BackupKey, large: &Semaphore) -> Result<Manifest> {
    match document(store, key).await? {
        Document::Whole(manifest) => Ok(*manifest),
        Document::Head(head) => {
            let _turn = large.acquire().await;
            lists(store, key, &head).await
        }
    }
}

async fn document(store: &Store, key: BackupKey) -> Result<Document> {
    let document = store.get(&key.manifest_key(), DOCUMENT_LIMIT_BYTES).await?;
    let name = key.to_string();
    let document = in_the_background(move || Document::decode(&name, &document)).await?;
    if let Document::Head(head) = &document {
        if head.index.key != key.index_key() {
            return Err(corrupt(&head.key, &format!("names the index {}", head.index.key)));
        }
        head.check_limits()?;
    }
    Ok(document)
}

/// Everything of the manifest but its blocks.
async fn lists(store: &Store, key: BackupKey, head: &ManifestHead) -> Result<Manifest> {
    let wanted = 0..head.index.lists.stored_bytes;
    let stored = match store.get_range(&head.index.key, wanted).await {
        Ok(stored) => stored,
        Err(error) => return Err(missing(store, key, head, error).await),
    };
    let head = head.clone();
    in_the_background(move || manifest_index::decode_lists(&head, &stored, MAX_LISTS_BYTES)).await
}

/// The blocks, read piece by piece: an index of many is not kept beside them.
async fn blocks(store: &Store, key: BackupKey, head: &ManifestHead) -> Result<Blocks> {
    let (start, end) = (head.index.lists.stored_bytes, head.index.stored_bytes());
    let mut reading = IndexReader {
        inflater: GzipStream::new(),
        lines: BlockLines::new(head.index.blocks),
        sum: Sha256::new(),
    };
    let mut at = start;
    while at < end {
        let wanted = at..end.min(at + PIECE_BYTES);
        let piece = match store.get_range(&head.index.key, wanted.clone()).await {
            Ok(piece) => piece,
            Err(error) => return Err(missing(store, key, head, error).await),
        };
        if piece.len() as u64 != wanted.end - wanted.start {
            return Err(head.corrupt("is cut short"));
        }
        at = wanted.end;
        let fed = in_the_background(move || {
            let fed = reading.feed(&piece);
            Ok((reading, fed))
        });
        let (returned, fed) = fed.await?;
        reading = returned;
        fed.map_err(|what| head.corrupt(&what))?;
    }
    reading.finish(head)
}

/// An index's second part as far as it was read.
struct IndexReader {
    inflater: GzipStream,
    lines: BlockLines,
    sum: Sha256,
}

impl IndexReader {
    fn feed(&mut self, stored: &[u8]) -> Result<(), String> {
        self.sum.update(stored);
        let mut lines = Vec::new();
        for piece in stored.chunks(GzipStream::FEED_BYTES) {
            self.inflater
                .feed(piece, &mut lines)
                .map_err(|cause| format!("cannot be read: {cause}"))?;
            self.lines.feed(&lines)?;
            lines.clear();
        }
        Ok(())
    }

    fn finish(mut self, head: &ManifestHead) -> Result<Blocks> {
        if Sha256Sum::finish(self.sum) != head.index.block_lines.sha256 {
            return Err(head.corrupt("is not the one that was stored: its digest differs"));
        }
        let mut rest = Vec::new();
        self.inflater
            .finish(&mut rest)
            .map_err(|cause| head.corrupt("cannot be read").caused_by(cause))?;
        self.lines
            .feed(&rest)
            .and_then(|()| self.lines.finish())
            .map_err(|what| head.corrupt(&what))
    }
}

/// The same error, unless the store says that the manifest is there and its index is not. Where both vanished meanwhile, as a prune
/// has it, the error is the store's.
async fn missing(store: &Store, key: BackupKey, head: &ManifestHead, error: Error) -> Error {
    let is_gone = error.kind() == Kind::Store
        && matches!(store.head(&head.index.key).await, Ok(None))
        && matches!(store.head(&key.manifest_key()).await, Ok(Some(_)));
    match is_gone {
        true => head.corrupt(&format!("is gone: there is no {}", head.index.key)),
        false => error,
    }
}
