//! Raw archive → gzip members → equal parts of one upload.
//!
//! Blocks are compressed on all cores and parts sent side by side, each kind in bounded number: the slowest holds up
//! the one who pushes.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, JoinSet};

use crate::archive::gzip;
use crate::error::{Error, Kind, Result};
use crate::model::hex::hex;
use crate::model::manifest::Block;
use crate::model::sha256_sum::Sha256Sum;
use crate::store::{StoredPart, Upload};

/// How much of the archive becomes one gzip member.
pub const BLOCK_RAW_BYTES: usize = 1 << 20;
/// Of libdeflate's levels the fastest whose objects are no larger than those of `gzip -6`.
const LEVEL: i32 = 5;
const SMALLEST_PART_BYTES: u64 = 8 << 20;
/// Parts being sent take no more memory than this together, save where a single one is larger.
const SENDING_BYTES: u64 = 24 << 20;

/// Compresses and uploads what is pushed into it.
#[derive(Debug)]
pub struct Packer {
    upload: Upload,
    part_bytes: usize,
    blocks_at_once: usize,
    parts_at_once: usize,
    compressing: VecDeque<JoinHandle<Member>>,
    filling: BytesMut,
    sending: JoinSet<Result<StoredPart>>,
    sent: Vec<StoredPart>,
    parts_begun: i32,
    blocks: Vec<Block>,
    stored_bytes: u64,
    digest: Sha256,
}

/// What became of the archive.
#[derive(Debug)]
pub struct PackedArchive {
    /// The object's gzip members.
    pub blocks: Vec<Block>,
    /// The object's size in bytes.
    pub stored_bytes: u64,
    /// SHA-256 of the object, as lowercase hex.
    pub sha256: String,
}

#[derive(Debug)]
struct Member {
    stored: Vec<u8>,
    raw_bytes: u64,
    sha256: Sha256Sum,
}

impl Packer {
    /// A packer into `upload`. `expected_bytes` is about the size of what will come; it sizes the parts so that their number
    /// stays within S3's limit.
    pub fn new(upload: Upload, expected_bytes: u64) -> Self {
        let needed = (expected_bytes / (Upload::MAX_PARTS * 9 / 10)).next_multiple_of(1 << 20);
        let part_bytes = needed.max(SMALLEST_PART_BYTES);
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            upload,
            part_bytes: usize::try_from(part_bytes).unwrap_or(usize::MAX),
            blocks_at_once: cores + 2,
            parts_at_once: usize::try_from(SENDING_BYTES / part_bytes).unwrap_or(1).max(1),
            compressing: VecDeque::new(),
            filling: BytesMut::new(),
            sending: JoinSet::new(),
            sent: Vec::new(),
            parts_begun: 0,
            blocks: Vec::new(),
            stored_bytes: 0,
            digest: Sha256::new(),
        }
    }

    /// Takes the next block of at most [`BLOCK_RAW_BYTES`]. Waits while too much is under way.
    pub async fn push(&mut self, raw: Bytes) -> Result<()> {
        self.compressing.push_back(tokio::task::spawn_blocking(move || {
            let stored = gzip::deflate(&raw, LEVEL);
            Member {
                sha256: Sha256Sum::of(&stored),
                stored,
                raw_bytes: raw.len() as u64,
            }
        }));
        while self.compressing.len() > self.blocks_at_once {
            self.take_member().await?;
        }
        Ok(())
    }

    /// Sends what is left and makes the object.
    pub async fn finish(mut self) -> Result<PackedArchive> {
        while !self.compressing.is_empty() {
            self.take_member().await?;
        }
        if !self.filling.is_empty() {
            let last = self.filling.split().freeze();
            self.send(last).await?;
        }
        while !self.sending.is_empty() {
            self.await_part().await?;
        }
        self.upload.complete(self.sent).await?;
        Ok(PackedArchive {
            blocks: self.blocks,
            stored_bytes: self.stored_bytes,
            sha256: hex(&self.digest.finalize()),
        })
    }

    /// Appends the oldest member, in order, and sends each part that it fills.
    async fn take_member(&mut self) -> Result<()> {
        let Some(oldest) = self.compressing.pop_front() else {
            return Ok(());
        };
        let member = oldest.await.map_err(|cause| {
            Error::new(Kind::Internal, "a block could not be compressed").caused_by(cause)
        })?;
        self.digest.update(&member.stored);
        let stored_bytes = member.stored.len() as u64;
        self.blocks.push(Block {
            offset: self.stored_bytes,
            stored_bytes,
            raw_bytes: member.raw_bytes,
            sha256: member.sha256,
        });
        self.stored_bytes += stored_bytes;
        let mut rest = &member.stored[..];
        while !rest.is_empty() {
            let room = self.part_bytes - self.filling.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.filling.extend_from_slice(now);
            rest = later;
            if self.filling.len() == self.part_bytes {
                let full = std::mem::replace(&mut self.filling, BytesMut::with_capacity(self.part_bytes));
                self.send(full.freeze()).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, part: Bytes) -> Result<()> {
        while self.sending.len() >= self.parts_at_once {
            self.await_part().await?;
        }
        self.parts_begun += 1;
        let (upload, number) = (self.upload.clone(), self.parts_begun);
        self.sending
            .spawn(async move { upload.put_part(number, part).await });
        // A part that failed is better known now than at the end of a long dump.
        while let Some(done) = self.sending.try_join_next() {
            self.keep(done)?;
        }
        Ok(())
    }

    async fn await_part(&mut self) -> Result<()> {
        match self.sending.join_next().await {
            Some(done) => self.keep(done),
            None => Ok(()),
        }
    }

    fn keep(&mut self, done: Result<Result<StoredPart>, tokio::task::JoinError>) -> Result<()> {
        let part =
            done.map_err(|cause| Error::new(Kind::Internal, "a part could not be sent").caused_by(cause))??;
        self.sent.push(part);
        Ok(())
    }
}
