//! A manifest as bytes: in one piece, or as a head and an index.

use std::io::{BufWriter, Read, Write};

use crate::archive::gzip;
use crate::error::{Error, Kind, Result};
use crate::model::manifest::Manifest;
use crate::model::manifest_head::{
    IndexPart, MAX_BLOCKS, MAX_LISTS_BYTES, MAX_STORED_LISTS_BYTES, ManifestHead, ManifestIndex,
    PLAIN_LIMIT_BYTES, write_line,
};
use crate::model::sha256_sum::Sha256Sum;

/// How many blocks become one gzip member.
const BLOCKS_TOGETHER: usize = 16 << 10;
/// Most of it is digests, which no level makes smaller.
const LEVEL: i32 = 3;
/// Small writes are gathered before they are compressed.
const BUFFER_BYTES: usize = 64 << 10;
/// No block takes less in a plain manifest, and no entry and no table does.
const SMALLEST_BYTES: (usize, usize, usize) = (120, 100, 60);

/// What is stored of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedManifest {
    /// The document at the manifest's key.
    pub document: Vec<u8>,
    /// The index beside it, where the document is a head.
    pub index: Option<Vec<u8>>,
}

/// The manifest as it is stored: in one piece where that is small enough. The manifest is the same afterwards.
pub fn encode(manifest: &mut Manifest, index_key: String) -> Result<PackedManifest> {
    if smallest_plain_bytes(manifest) <= PLAIN_LIMIT_BYTES {
        let document = manifest.encode()?;
        if document.len() <= PLAIN_LIMIT_BYTES {
            return Ok(PackedManifest {
                document,
                index: None,
            });
        }
    }
    pack(manifest, index_key)
}

/// What the manifest takes in one piece at least, without writing it.
fn smallest_plain_bytes(manifest: &Manifest) -> usize {
    let (block, entry, table) = SMALLEST_BYTES;
    manifest.blocks.len() * block + manifest.entries.len() * entry + manifest.tables.len() * table
}

/// The manifest as a head and an index, also where it is small. The manifest is the same afterwards.
pub fn pack(manifest: &mut Manifest, index_key: String) -> Result<PackedManifest> {
    if manifest.blocks.len() as u64 > MAX_BLOCKS {
        return Err(too_large(&format!("it has more than {MAX_BLOCKS} blocks")));
    }
    // The blocks are not written with the rest, and nothing is copied to leave them out.
    let blocks = std::mem::take(&mut manifest.blocks);
    let lists = lists_of(manifest);
    manifest.blocks = blocks;
    let mut index = lists?;
    let lists = part(&index);
    if manifest.blocks.is_empty() {
        // Nothing at all would be no gzip.
        index.extend(gzip::deflate(&[], LEVEL));
    }
    for blocks in manifest.blocks.chunks(BLOCKS_TOGETHER) {
        let mut lines = Vec::new();
        for block in blocks {
            write_line(block, &mut lines)?;
        }
        index.extend(gzip::deflate(&lines, LEVEL));
    }
    let start = usize::try_from(lists.stored_bytes).unwrap_or(usize::MAX);
    let head = ManifestHead::of(
        manifest,
        ManifestIndex {
            key: index_key,
            blocks: manifest.blocks.len() as u64,
            lists,
            block_lines: part(&index[start..]),
        },
    );
    Ok(PackedManifest {
        document: head.encode()?,
        index: Some(index),
    })
}

fn part(stored: &[u8]) -> IndexPart {
    IndexPart {
        stored_bytes: stored.len() as u64,
        sha256: Sha256Sum::of(stored),
    }
}

/// The manifest as one compressed line.
fn lists_of(manifest: &Manifest) -> Result<Vec<u8>> {
    let unwritable = |cause| Error::new(Kind::Internal, "cannot write the manifest's index").caused_by(cause);
    let counted = Counted {
        into: gzip::deflating(Vec::new()),
        bytes: 0,
    };
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, counted);
    serde_json::to_writer(&mut writer, manifest)
        .map_err(std::io::Error::from)
        .map_err(unwritable)?;
    writer.write_all(b"\n").map_err(unwritable)?;
    let counted = writer
        .into_inner()
        .map_err(|failure| unwritable(failure.into_error()))?;
    let raw_bytes = counted.bytes;
    let stored = counted.into.finish().map_err(unwritable)?;
    if raw_bytes > MAX_LISTS_BYTES || stored.len() as u64 > MAX_STORED_LISTS_BYTES {
        return Err(too_large(&format!(
            "its tables, definitions and rights take {raw_bytes} bytes there"
        )));
    }
    Ok(stored)
}

fn too_large(why: &str) -> Error {
    Error::new(Kind::Refused, "this backup is too large for a manifest")
        .caused_by(why)
        .hint("no backup was made; what was stored of it goes with the next prune. Make one with pg_dump by hand meanwhile")
}

/// Counts what is written.
struct Counted<W> {
    into: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.into.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.into.flush()
    }
}

/// The manifest in the first part of the index of `head`, with no blocks. No more than `limit_bytes` is inflated, and what is inflated
/// is not kept.
pub fn decode_lists(head: &ManifestHead, stored: &[u8], limit_bytes: u64) -> Result<Manifest> {
    if part(stored) != head.index.lists {
        return Err(head.corrupt("is not the one that was stored: its digest differs"));
    }
    let mut reader = gzip::inflating(stored).take(limit_bytes);
    let read: Result<Manifest, serde_json::Error> =
        serde_json::from_reader(std::io::BufReader::with_capacity(BUFFER_BYTES, &mut reader));
    let manifest = match read {
        Ok(manifest) => manifest,
        Err(_) if reader.limit() == 0 => {
            return Err(head.corrupt(&format!("inflates to more than {limit_bytes} bytes")));
        }
        Err(cause) => return Err(head.corrupt("cannot be read").caused_by(cause)),
    };
    match manifest.key == head.key {
        true => Ok(manifest),
        false => Err(head.corrupt(&format!("belongs to {}", manifest.key))),
    }
}
