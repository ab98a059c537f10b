//! Gzip: each block of an object of ours is one member, and `gunzip` reads their concatenation. Other tools write one member
//! for the whole object, which can only be read from its beginning.

use std::fmt;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor, crc32};
use memchr::memmem;

/// A member ends with the checksum of what it holds and the length of that.
const TRAILER_BYTES: usize = 8;

/// How a block failed to inflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GzipError {
    /// It is no gzip member, or its own checksum differs.
    Damaged,
    /// It inflates to another length than it should, or something follows the member.
    Length,
}

impl fmt::Display for GzipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "this is not whole gzip data",
            Self::Length => "the block inflates to another length than recorded",
        })
    }
}

impl std::error::Error for GzipError {}

/// `raw` as one gzip member. `level` goes from 1 (fast) to 12 (small). The same input gives the same bytes.
pub fn deflate(raw: &[u8], level: i32) -> Vec<u8> {
    let level = CompressionLvl::new(level).unwrap_or_default();
    let mut compressor = Compressor::new(level);
    let mut stored = vec![0; compressor.gzip_compress_bound(raw.len())];
    let length = compressor
        .gzip_compress(raw, &mut stored)
        .expect("the bound is what a member needs at most");
    stored.truncate(length);
    stored
}

/// The `raw_bytes` bytes that the one gzip member `stored` holds. No more than that is ever allocated.
pub fn inflate(stored: &[u8], raw_bytes: usize) -> Result<Vec<u8>, GzipError> {
    let mut raw = vec![0; raw_bytes];
    match Decompressor::new().gzip_decompress(stored, &mut raw) {
        // The member's trailer was found behind its data. Where it is nowhere but at the end, nothing follows the member.
        Ok(length) if length == raw_bytes && stands_first_at_end(&trailer(&raw), stored) => Ok(raw),
        Ok(_) | Err(DecompressionError::InsufficientSpace) => Err(GzipError::Length),
        Err(DecompressionError::BadData) => Err(GzipError::Damaged),
    }
}

fn stands_first_at_end(trailer: &[u8], stored: &[u8]) -> bool {
    memmem::find(stored, trailer).is_some_and(|at| at + trailer.len() == stored.len())
}

fn trailer(raw: &[u8]) -> [u8; TRAILER_BYTES] {
    let length = u32::try_from(raw.len() & 0xffff_ffff).unwrap_or_default();
    (u64::from(length) << 32 | u64::from(crc32(raw))).to_le_bytes()
}

/// Compresses what is written, as one member into `into`.
pub fn deflating<W: Write>(into: W) -> GzEncoder<W> {
    GzEncoder::new(into, Compression::default())
}

/// Inflates what is read of `stored`, and no more at a time than is asked for.
pub fn inflating(stored: &[u8]) -> impl Read + use<'_> {
    flate2::read::MultiGzDecoder::new(stored)
}

/// Inflates a whole gzip file as it flows: any number of members, each of any size.
#[derive(Debug)]
pub struct GzipStream(MultiGzDecoder<Vec<u8>>);

impl GzipStream {
    /// How much should be fed at once: a byte inflates to at most 1032, so this bounds what comes back.
    pub const FEED_BYTES: usize = 16 << 10;

    /// A stream at its beginning.
    pub fn new() -> Self {
        Self(MultiGzDecoder::new(Vec::new()))
    }

    /// Takes the next bytes, and moves what they inflate to behind `raw`.
    pub fn feed(&mut self, stored: &[u8], raw: &mut Vec<u8>) -> Result<(), GzipError> {
        let fed = self.0.write_all(stored).and_then(|()| self.0.flush());
        fed.map_err(|_| GzipError::Damaged)?;
        raw.append(self.0.get_mut());
        Ok(())
    }

    /// Makes sure that the last member was whole, and moves what is left behind `raw`.
    pub fn finish(self, raw: &mut Vec<u8>) -> Result<(), GzipError> {
        let mut rest = self.0.finish().map_err(|_| GzipError::Damaged)?;
        raw.append(&mut rest);
        Ok(())
    }
}

impl Default for GzipStream {
    fn default() -> Self {
        Self::new()
    }
}
