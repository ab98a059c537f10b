//! Gzip members: each block of an object is one, and `gunzip` reads their concatenation.

use std::fmt;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

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
            Self::Damaged => "the block is not a whole gzip member",
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
