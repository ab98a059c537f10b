//! The primitive values of the format, read from the bytes there are so far.

use std::borrow::Cow;

use super::error::ArchiveError;
use super::limits::HEAD_LIMIT_BYTES;

/// The first of 256 characters of Unicode's last private plane.
const OTHER_BYTES: u32 = 0x0010_F700;

/// A place in bytes of which more may come.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    /// Where these bytes begin in the archive.
    start: usize,
    at: usize,
    int_bytes: usize,
}

/// Why a value could not be read.
#[derive(Debug)]
pub(super) enum Short {
    /// It needs the archive's bytes up to this length.
    Needs(usize),
    /// It can never be read.
    Error(ArchiveError),
}

impl From<ArchiveError> for Short {
    fn from(error: ArchiveError) -> Self {
        Self::Error(error)
    }
}

impl<'a> Cursor<'a> {
    /// A cursor at the place `at` of an archive, of which these are the bytes from `start` on.
    pub(super) fn new(bytes: &'a [u8], start: usize, at: usize, int_bytes: u8) -> Self {
        Self {
            bytes,
            start,
            at,
            int_bytes: usize::from(int_bytes),
        }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn set_int_bytes(&mut self, int_bytes: u8) {
        self.int_bytes = usize::from(int_bytes);
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Short> {
        let end = self.at.saturating_add(length);
        if end > HEAD_LIMIT_BYTES {
            return Err(ArchiveError::TooLarge.into());
        }
        let taken = self.bytes.get(self.at - self.start..end - self.start);
        let taken = taken.ok_or(Short::Needs(end))?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Short> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn int(&mut self) -> Result<i32, Short> {
        let bytes = self.take(1 + self.int_bytes)?;
        Ok(read_int(bytes)?)
    }

    /// A string, or `None` for the format's NULL.
    pub(super) fn string(&mut self) -> Result<Option<Cow<'a, str>>, Short> {
        let Ok(length) = usize::try_from(self.int()?) else {
            return Ok(None);
        };
        Ok(Some(text_of(self.take(length)?)))
    }

    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, Short> {
        Ok(self.string()?.unwrap_or_default())
    }
}

/// Text of any encoding. Definitions are compared with others later, so each byte that is no UTF-8 becomes a character of its own,
/// one that no text holds: different bytes stay different.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let others = chunk.invalid().iter();
        text.extend(others.filter_map(|byte| char::from_u32(OTHER_BYTES + u32::from(*byte))));
    }
    Cow::Owned(text)
}

/// A sign byte (0 is positive) and the magnitude, least significant byte first.
pub(super) fn read_int(bytes: &[u8]) -> Result<i32, ArchiveError> {
    let (sign, magnitude) = bytes
        .split_first()
        .ok_or(ArchiveError::Malformed("an integer of no bytes"))?;
    let magnitude = magnitude
        .iter()
        .rev()
        .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let value = i64::try_from(magnitude).unwrap_or(i64::MAX);
    let value = if *sign == 0 { value } else { -value };
    // An oid past 2^31 is written as if it were signed, and comes back the same way.
    i32::try_from(value).map_err(|_| ArchiveError::Malformed("an integer out of range"))
}
