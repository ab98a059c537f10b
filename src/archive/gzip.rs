//! Gzip: each block of an object of ours is one member, and `gunzip` reads their concatenation. Other tools write one member
//! for the whole object, which can only be read from its beginning.

use std::fmt;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::{GzEncoder, MultiGzDecoder};

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

/// `raw` as one gzip member. `level` goes from 1 (fast) to 9 (small). The same input gives the same bytes.
pub fn deflate(raw: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(raw.len() / 2), Compression::new(level));
    encoder
        .write_all(raw)
        .and_then(|()| encoder.finish())
        .expect("writing into memory does not fail")
}

/// The `raw_bytes` bytes that the one gzip member `stored` holds. No more than that is ever allocated.
pub fn inflate(stored: &[u8], raw_bytes: usize) -> Result<Vec<u8>, GzipError> {
    let mut decoder = GzDecoder::new(stored);
    let mut raw = vec![0; raw_bytes];
    decoder.read_exact(&mut raw).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::UnexpectedEof => GzipError::Length,
        _ => GzipError::Damaged,
    })?;
    // Reading on to the end is what checks the member's checksum.
    match decoder.read(&mut [0]) {
        Ok(0) if decoder.into_inner().is_empty() => Ok(raw),
        Ok(_) => Err(GzipError::Length),
        Err(_) => Err(GzipError::Damaged),
    }
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
