//! pg_dump's custom format and gzip members: pure streaming codecs.
//!
//! The format has no specification but its source, PostgreSQL's `src/bin/pg_dump/pg_backup_archiver.c` (header and table of
//! contents) and `pg_backup_custom.c` (data blocks). Versions 1.12 (PostgreSQL 9.0) to 1.16 (17 and 18) are read.

mod contents;
mod cursor;
mod data_blocks;
mod error;
pub mod gzip;
mod header;
mod inflate;
mod kind;
mod limits;
mod reader;
mod rows;
mod version;

pub use contents::{Contents, DumpId, Entry, Section};
pub use data_blocks::DataBlock;
pub use error::ArchiveError;
pub use header::{Compression, Created, Header};
pub use kind::EntryKind;
pub use limits::MAX_ENTRIES;
pub use reader::{ArchiveEvent, ArchiveReader, ReaderStep};
pub use version::Version;
