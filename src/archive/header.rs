//! The archive's header.

use super::cursor::{Cursor, Short};
use super::error::ArchiveError;
use super::version::Version;

const MAGIC: &[u8] = b"PGDMP";
const CUSTOM_FORMAT: u8 = 1;

/// How the data blocks are compressed inside the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    /// Each block is one zlib stream.
    Zlib,
}

/// When the dump began, by the clock and time zone of the machine that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    pub year: i32,
    pub month: i32,
    pub day: i32,
    pub hour: i32,
    pub minute: i32,
    pub second: i32,
    pub is_summer_time: bool,
}

/// What comes before the table of contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub version: Version,
    /// Size of an integer in the archive, without its sign byte.
    pub int_bytes: u8,
    /// Size of a file offset in the archive.
    pub offset_bytes: u8,
    /// How data is compressed.
    pub compression: Compression,
    /// When the dump began.
    pub created: Created,
    pub database: String,
    /// The server's version, as it words it.
    pub server_version: String,
    /// pg_dump's version, as it words it.
    pub dump_version: String,
}

impl Header {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        for expected in MAGIC {
            if cursor.byte()? != *expected {
                return Err(ArchiveError::NotAnArchive.into());
            }
        }
        let version = Version {
            major: cursor.byte()?,
            minor: cursor.byte()?,
            revision: cursor.byte()?,
        };
        if !version.is_readable() {
            return Err(ArchiveError::UnknownVersion(version).into());
        }
        let int_bytes = cursor.byte()?;
        let offset_bytes = cursor.byte()?;
        // Smaller integers than any machine's would let a small head claim many entries.
        if !(4..=8).contains(&int_bytes) || !(4..=8).contains(&offset_bytes) {
            return Err(ArchiveError::Malformed("an impossible size of integers").into());
        }
        cursor.set_int_bytes(int_bytes);
        let format = cursor.byte()?;
        if format != CUSTOM_FORMAT {
            return Err(ArchiveError::OtherFormat(format).into());
        }
        let compression = read_compression(cursor, version)?;
        let [second, minute, hour, day, month, year, summer] = read_ints(cursor)?;
        Ok(Self {
            version,
            int_bytes,
            offset_bytes,
            compression,
            created: Created {
                year: year.saturating_add(1900),
                month: month.saturating_add(1),
                day,
                hour,
                minute,
                second,
                is_summer_time: summer > 0,
            },
            database: cursor.text()?.into_owned(),
            server_version: cursor.text()?.into_owned(),
            dump_version: cursor.text()?.into_owned(),
        })
    }
}

/// Until 1.14 the compression is zlib's level, with 0 for none; since 1.15 it is an algorithm's number.
fn read_compression(cursor: &mut Cursor<'_>, version: Version) -> Result<Compression, Short> {
    if !version.is_at_least(15) {
        let level = cursor.int()?;
        return Ok(if level == 0 {
            Compression::None
        } else {
            Compression::Zlib
        });
    }
    match cursor.byte()? {
        0 => Ok(Compression::None),
        1 => Ok(Compression::Zlib),
        2 => Err(ArchiveError::UnknownCompression("lz4").into()),
        3 => Err(ArchiveError::UnknownCompression("zstd").into()),
        _ => Err(ArchiveError::Malformed("an unknown compression").into()),
    }
}

fn read_ints<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[i32; N], Short> {
    let mut ints = [0; N];
    for int in &mut ints {
        *int = cursor.int()?;
    }
    Ok(ints)
}
