//! What an archive holds, found by reading it as it flows.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::archive::{ArchiveError, ArchiveEvent, ArchiveReader, Contents, DumpId, EntryKind};
use crate::error::{Error, Kind, Result};
use crate::model::data_ranges::{DataRange, DataRanges};
use crate::model::fingerprint::{Fingerprint, LargeObjectHasher, TableHasher};
use crate::model::manifest::Table;

/// Reads an archive piece by piece and keeps what a manifest says of it.
#[derive(Debug, Default)]
pub struct Survey {
    reader: ArchiveReader,
    table: TableHasher,
    tables: Vec<Table>,
    large_objects: LargeObjectHasher,
    raw_bytes: u64,
}

/// What a whole archive held.
#[derive(Debug)]
pub struct Surveyed {
    pub contents: Arc<Contents>,
    /// Every table's rows, in the archive's order.
    pub tables: Vec<Table>,
    pub large_objects: Fingerprint,
    /// Where both are in the archive.
    pub data_ranges: DataRanges,
    /// The archive's length in bytes.
    pub raw_bytes: u64,
}

impl Survey {
    /// Reads the next piece, of any length.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<(), ArchiveError> {
        self.raw_bytes += piece.len() as u64;
        loop {
            let step = self.reader.step(piece)?;
            piece = &piece[step.consumed..];
            match step.event {
                Some(ArchiveEvent::Rows(rows)) => self.table.update(rows),
                Some(ArchiveEvent::TableEnded(id)) => {
                    let content = std::mem::take(&mut self.table).finish();
                    self.tables.extend(table_of(self.reader.contents(), id, content));
                }
                Some(ArchiveEvent::LargeObjectBegan(oid)) => self.large_objects.began(oid),
                Some(ArchiveEvent::LargeObjectData(data)) => self.large_objects.data(data),
                Some(ArchiveEvent::LargeObjectEnded(_)) => self.large_objects.ended(),
                Some(ArchiveEvent::Contents(_) | ArchiveEvent::TableBegan(_)) => {}
                None => return Ok(()),
            }
        }
    }

    /// What was found, if the archive ended where its contents say.
    pub fn finish(self) -> Result<Surveyed, ArchiveError> {
        let data_ranges = data_ranges(&self.reader);
        Ok(Surveyed {
            contents: self.reader.finish()?,
            data_ranges,
            tables: self.tables,
            large_objects: self.large_objects.finish(),
            raw_bytes: self.raw_bytes,
        })
    }
}

/// A survey on a thread of its own, beside the reader of the archive.
#[derive(Debug)]
pub struct Surveying {
    pieces: mpsc::Sender<Bytes>,
    survey: JoinHandle<Result<Surveyed, ArchiveError>>,
}

impl Surveying {
    /// A survey that waits for the first piece.
    pub fn begin() -> Self {
        let (pieces, mut waiting) = mpsc::channel::<Bytes>(1);
        let survey = tokio::task::spawn_blocking(move || {
            let mut survey = Survey::default();
            while let Some(piece) = waiting.blocking_recv() {
                survey.feed(&piece)?;
            }
            survey.finish()
        });
        Self { pieces, survey }
    }

    /// Hands in the next piece. False where none is wanted, as an earlier one could not be read.
    pub async fn feed(&mut self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// What was found, if the archive could be read and ended where its contents say.
    pub async fn finish(self) -> Result<Result<Surveyed, ArchiveError>> {
        drop(self.pieces);
        let surveyed = self.survey.await;
        surveyed.map_err(|cause| Error::new(Kind::Internal, "the survey broke down").caused_by(cause))
    }
}

fn data_ranges(reader: &ArchiveReader) -> DataRanges {
    let mut ranges = DataRanges::default();
    for block in reader.data_blocks() {
        let entry = reader.contents().and_then(|contents| contents.entry(block.id));
        let range = DataRange {
            offset: block.range.start,
            bytes: block.range.end - block.range.start,
        };
        match entry.is_some_and(|entry| entry.kind == EntryKind::TableData) {
            true => ranges.tables.push(range),
            false => ranges.add_large_objects(range),
        }
    }
    ranges
}

fn table_of(contents: Option<&Arc<Contents>>, id: DumpId, content: Fingerprint) -> Option<Table> {
    let entry = contents?.entry(id)?;
    Some(Table {
        schema: entry.schema.clone().unwrap_or_default(),
        name: entry.tag.clone(),
        columns: entry.copied_columns().to_owned(),
        content,
    })
}
