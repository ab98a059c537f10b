//! How an archive can fail to be one.

use std::fmt;

use super::limits::{HEAD_LIMIT_BYTES, MAX_ENTRIES};
use super::version::Version;
use crate::error::{Error, Kind};

/// How an archive can fail to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    /// It ends before its contents say it does.
    Incomplete,
    /// It does not begin like any pg_dump archive.
    NotAnArchive,
    /// It is one of pg_dump's other formats; the number is the format's.
    OtherFormat(u8),
    /// It is of a version this reader does not know.
    UnknownVersion(Version),
    /// Its data is compressed in a way this reader does not inflate.
    UnknownCompression(&'static str),
    /// Its rows are INSERT statements, or its data is of a kind this reader does not know.
    UnknownData(String),
    /// Its table of contents is larger than 256 MiB.
    TooLarge,
    /// Its table of contents has more than a million entries.
    TooManyEntries(usize),
    /// It contradicts itself; the text says where.
    Malformed(&'static str),
    /// The compressed data of a block does not inflate.
    Damaged,
    /// Something follows its end.
    Trailing,
}

impl ArchiveError {
    /// Whether more bytes might have made it whole.
    pub fn is_incomplete(&self) -> bool {
        *self == Self::Incomplete
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("the archive ends before its table of contents says it does"),
            Self::NotAnArchive => f.write_str("this is not a pg_dump archive"),
            Self::OtherFormat(number) => write!(
                f,
                "the archive is in pg_dump's format {number}, not in custom format"
            ),
            Self::UnknownVersion(version) => {
                write!(f, "the archive is of version {version}, this reads 1.12 to 1.16")
            }
            Self::UnknownCompression(name) => write!(f, "the archive's data is compressed with {name}"),
            Self::UnknownData(what) => write!(f, "the archive holds data that is not COPY text: {what}"),
            Self::TooLarge => write!(
                f,
                "the archive's table of contents is larger than {} MiB, the most that is read",
                HEAD_LIMIT_BYTES >> 20
            ),
            Self::TooManyEntries(count) => write!(
                f,
                "the archive's table of contents has {count} entries, and {MAX_ENTRIES} at most are read"
            ),
            Self::Malformed(place) => write!(f, "the archive contradicts itself: {place}"),
            Self::Damaged => f.write_str("the archive's compressed data does not inflate"),
            Self::Trailing => f.write_str("something follows the archive's end"),
        }
    }
}

impl std::error::Error for ArchiveError {}

impl From<ArchiveError> for Error {
    fn from(cause: ArchiveError) -> Self {
        let hint = match cause {
            ArchiveError::UnknownCompression(_) => {
                "dump with `pg_dump -Fc --compress=0`, or restore this one with pg_restore"
            }
            ArchiveError::UnknownData(_) => "dump without --inserts, or restore this one with pg_restore",
            ArchiveError::OtherFormat(_) => "dump with `pg_dump -Fc`, or restore this one with pg_restore",
            ArchiveError::NotAnArchive => {
                "run a plain SQL dump with psql; for anything else use another backup"
            }
            ArchiveError::TooLarge | ArchiveError::TooManyEntries(_) => {
                "dump fewer schemas at once (pg_dump --schema), or restore this one with pg_restore"
            }
            ArchiveError::UnknownVersion(_) => "restore it with the pg_restore of the version that wrote it",
            _ => "use another backup",
        };
        Self::new(Kind::Corrupt, "the archive cannot be read")
            .caused_by(cause)
            .hint(hint)
    }
}
