//! The manifest of a large backup: a short document at the manifest's key, and an index beside it.
//!
//! A plain manifest (version 1) takes about 140 bytes for each block of 1 MiB, and every `list` and `status` reads it. One that
//! would be larger than 8 MiB is stored as two objects instead. The head is one sealed JSON object of version 2, which
//! an older program refuses as one that it cannot read. It names the index, the size and the digest of each of its parts.
//!
//! The index is gzip, and inflates to lines of JSON. Its first part is one line: the manifest as version 1 has it, sealed by nothing,
//! with an empty list of `blocks`. Its second part has one line for each block, in order: `[stored_bytes,raw_bytes,"sha256"]`. A block
//! begins where the one before it ends. The parts follow each other without a gap, and each inflates by itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::blocks::{Block, Blocks};
use super::manifest::{Manifest, Source};
use super::seal::{corrupt, seal};
use super::sha256_sum::Sha256Sum;
use super::suspicion::Suspicion;
use crate::error::{Error, Kind, Result};

/// The version of a manifest that has its index beside it.
pub const HEAD_VERSION: u32 = 2;

/// A manifest is stored in one piece up to this size. Programs that know version 1 alone read it; it holds the blocks of about 55 GiB.
pub const PLAIN_LIMIT_BYTES: usize = 8 << 20;

/// No backup has more blocks: 16 TiB of blocks of 1 MiB. They take 56 bytes of memory each.
pub const MAX_BLOCKS: u64 = 16 << 20;

/// What a manifest says of tables, definitions and rights inflates to no more.
pub const MAX_LISTS_BYTES: u64 = 512 << 20;

/// What is stored of that takes no more.
pub const MAX_STORED_LISTS_BYTES: u64 = 256 << 20;

/// A line of a block is never longer. Its numbers take 20 digits each at most.
const MAX_LINE_BYTES: usize = 128;

/// A part of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPart {
    /// Its size in the index, in bytes.
    pub stored_bytes: u64,
    /// SHA-256 of what is stored of it.
    pub sha256: Sha256Sum,
}

/// Where the rest of a manifest is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestIndex {
    pub key: String,
    /// How many blocks it tells of.
    pub blocks: u64,
    /// Its first part: everything but the blocks.
    pub lists: IndexPart,
    /// Its second part: the blocks.
    pub block_lines: IndexPart,
}

impl ManifestIndex {
    /// The index's size in bytes.
    pub fn stored_bytes(&self) -> u64 {
        self.lists
            .stored_bytes
            .saturating_add(self.block_lines.stored_bytes)
    }
}

/// The document at the key of a large backup's manifest. What it repeats of the manifest is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestHead {
    /// Major version of the document.
    pub manifest_version: u32,
    /// The object this manifest belongs to.
    pub key: String,
    /// When the backup began (UTC).
    pub started_at: Timestamp,
    /// When the last byte of the object was stored (UTC).
    pub finished_at: Timestamp,
    /// Version of the program that wrote this.
    pub tool_version: String,
    /// What `pg_dump --version` said of itself.
    pub pg_dump_version: String,
    /// Where the data came from.
    pub source: Source,
    /// Size of the archive, uncompressed, in bytes.
    pub raw_bytes: u64,
    /// Size of the object, in bytes.
    pub stored_bytes: u64,
    /// SHA-256 of the object, as lowercase hex.
    pub sha256: String,
    /// Rows in all tables.
    pub rows: u64,
    /// How it compares with the backup before it, where that was looked at when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspicion: Option<Suspicion>,
    /// Where the rest is.
    pub index: ManifestIndex,
}

impl ManifestHead {
    /// The head of `manifest`.
    pub fn of(manifest: &Manifest, index: ManifestIndex) -> Self {
        Self {
            manifest_version: HEAD_VERSION,
            key: manifest.key.clone(),
            started_at: manifest.started_at,
            finished_at: manifest.finished_at,
            tool_version: manifest.tool_version.clone(),
            pg_dump_version: manifest.pg_dump_version.clone(),
            source: manifest.source.clone(),
            raw_bytes: manifest.raw_bytes,
            stored_bytes: manifest.stored_bytes,
            sha256: manifest.sha256.clone(),
            rows: manifest.rows(),
            suspicion: manifest.suspicion.clone(),
            index,
        }
    }

    /// The document as it is stored, sealed by its own digest.
    pub fn encode(&self) -> Result<Vec<u8>> {
        seal(self)
    }

    /// What is wrong with an index of this size, before any of it is read.
    pub fn check_limits(&self) -> Result<()> {
        let index = &self.index;
        // No compression stores a line in more than twice its length.
        let longest = index.blocks.saturating_mul(2 * MAX_LINE_BYTES as u64);
        let problem = if index.blocks > MAX_BLOCKS {
            format!(
                "has {} blocks, more than the {MAX_BLOCKS} it may have",
                index.blocks
            )
        } else if index.lists.stored_bytes > MAX_STORED_LISTS_BYTES {
            format!(
                "has an index of which the first part takes {} bytes, more than the {MAX_STORED_LISTS_BYTES} it may take",
                index.lists.stored_bytes
            )
        } else if index.block_lines.stored_bytes > longest {
            format!(
                "has an index of {} bytes for {} blocks",
                index.block_lines.stored_bytes, index.blocks
            )
        } else {
            return Ok(());
        };
        Err(corrupt(&self.key, &problem))
    }

    /// The error of an index that is not what was written.
    pub fn corrupt(&self, what: &str) -> Error {
        corrupt(&self.key, &format!("has an index that {what}"))
    }
}

/// The line of a block, with its end.
pub fn write_line(block: &Block, lines: &mut Vec<u8>) -> Result<()> {
    let line = (block.stored_bytes, block.raw_bytes, block.sha256);
    serde_json::to_writer(&mut *lines, &line)
        .map_err(|cause| Error::new(Kind::Internal, "cannot write the manifest's index").caused_by(cause))?;
    lines.push(b'\n');
    Ok(())
}

/// Reads the lines of blocks, of which any piece may come at a time.
#[derive(Debug)]
pub struct BlockLines {
    expected: u64,
    blocks: Vec<Block>,
    offset: u64,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
}

impl BlockLines {
    pub fn new(expected: u64) -> Self {
        Self {
            expected,
            blocks: Vec::new(),
            offset: 0,
            begun: Vec::new(),
        }
    }

    /// Takes the next piece; what is wrong with it, where it is no such line or one too many.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), String> {
        let mut lines = piece.split_inclusive(|byte| *byte == b'\n');
        if !self.begun.is_empty()
            && let Some(rest) = lines.next()
        {
            self.begun.extend_from_slice(rest);
            let line = std::mem::take(&mut self.begun);
            self.take(&line)?;
        }
        lines.try_for_each(|line| self.take(line))
    }

    fn take(&mut self, line: &[u8]) -> Result<(), String> {
        if line.len() > MAX_LINE_BYTES {
            return Err(format!("has a line longer than {MAX_LINE_BYTES} bytes"));
        }
        if !line.ends_with(b"\n") {
            self.begun = line.to_vec();
            return Ok(());
        }
        let number = self.blocks.len();
        if number as u64 >= self.expected {
            return Err(format!("has more than {} blocks", self.expected));
        }
        let (stored_bytes, raw_bytes, sha256) = serde_json::from_slice(line)
            .map_err(|cause| format!("cannot be read at block {number}: {cause}"))?;
        self.blocks.push(Block {
            offset: self.offset,
            stored_bytes,
            raw_bytes,
            sha256,
        });
        self.offset = self.offset.saturating_add(stored_bytes);
        Ok(())
    }

    /// The blocks, if all of them came.
    pub fn finish(self) -> Result<Blocks, String> {
        if !self.begun.is_empty() || self.blocks.len() as u64 != self.expected {
            return Err(format!(
                "ends after {} of {} blocks",
                self.blocks.len(),
                self.expected
            ));
        }
        Ok(self.blocks.into())
    }
}
