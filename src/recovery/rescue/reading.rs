//! The rows of a table, from checked blocks to a sink.
//!
//! Where the manifest records ranges, only the blocks that hold the table are fetched. Otherwise the archive is read from its beginning
//! until all rows of the table came. Rows are handed on whole, and only once all their blocks were checked.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::sink::RowSink;
use super::table::BackedUpTable;
use crate::archive::{ArchiveError, ArchiveEvent as Found, ArchiveReader, Contents, DumpId};
use crate::error::{Error, Kind, Result};
use crate::model::data_ranges::{DataRange, runs};
use crate::model::fingerprint::{Fingerprint, TableHasher};
use crate::model::manifest::{Framing, Manifest};
use crate::model::rescue::name::shown_relation;
use crate::model::timeline::{Event, Observer};
use crate::model::units::size;
use crate::recovery::object::{CheckedArchive, corrupt, unreadable};
use crate::store::Store;

/// So many pieces wait for the sink at most.
const PIECES_WAITING: usize = 2;

/// A piece of the archive: of the data of one part, or of everything.
type ArchivePiece = (Option<usize>, Bytes);

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowsRead {
    /// Stored bytes that were wanted for the rows, the head not counted.
    pub(super) fetched_bytes: u64,
    /// Whether the sink took all rows.
    pub(super) is_whole: bool,
}

/// Hands all rows of `table` to `sink`, and returns it.
pub(super) async fn read_rows<S: RowSink>(
    store: &Store,
    manifest: &Manifest,
    contents: Arc<Contents>,
    table: &BackedUpTable,
    sink: S,
    observer: &dyn Observer,
) -> Result<(S, RowsRead)> {
    let plan = Plan::of(manifest, table)?;
    observer.observe(Event::Noted(plan.told(manifest, &table.shown())));
    observer.observe(Event::Expected(plan.raw_bytes));
    let (sender, pieces) = mpsc::channel(PIECES_WAITING);
    let work = RowReader {
        key: manifest.key.clone(),
        parts: table
            .parts
            .iter()
            .map(|part| {
                let table = &manifest.tables[part.place];
                let name = shown_relation(&table.schema, &table.name);
                (part.id, table.content, name)
            })
            .collect(),
        contents,
        sink,
        began: None,
        begun: Vec::new(),
        hasher: TableHasher::new(),
        done: 0,
    };
    let working = tokio::task::spawn_blocking(move || work.run(pieces));
    let fed = plan.feed(store, manifest, sender, observer).await;
    let worked = working
        .await
        .map_err(|cause| Error::new(Kind::Internal, "the rows' reader broke down").caused_by(cause))?;
    // A block that is damaged explains why rows are missing.
    fed?;
    let (sink, flow) = worked?;
    Ok((
        sink,
        RowsRead {
            fetched_bytes: plan.stored_bytes,
            is_whole: flow.is_continue(),
        },
    ))
}

/// What is to be fetched.
struct Plan {
    /// Where each part is, with its number, in the archive's order; nothing where the archive is read from its beginning.
    ranges: Option<Vec<(usize, DataRange)>>,
    stored_bytes: u64,
    raw_bytes: u64,
}

impl Plan {
    fn of(manifest: &Manifest, table: &BackedUpTable) -> Result<Self> {
        let mut ranges = Vec::new();
        if let Some(recorded) = &manifest.data_ranges {
            for (number, part) in table.parts.iter().enumerate() {
                let range = recorded.tables.get(part.place);
                let range = range.filter(|range| {
                    range.bytes > 0
                        && range.offset >= manifest.head_bytes
                        && range.end() <= manifest.raw_bytes
                });
                let outside = || corrupt(&manifest.key, "its manifest has a range outside the archive");
                ranges.push((number, *range.ok_or_else(outside)?));
            }
            ranges.sort_by_key(|(_, range)| range.offset);
        }
        let is_known = manifest.data_ranges.is_some();
        if is_known && manifest.framing == Framing::Members {
            let only: Vec<DataRange> = ranges.iter().map(|(_, range)| *range).collect();
            let places = runs(&manifest.blocks, &only).into_iter().flat_map(|(run, _)| run);
            let blocks = places.map(|place| manifest.blocks[place]);
            let sum = |(stored, raw), block: crate::model::blocks::Block| {
                (stored + block.stored_bytes, raw + block.raw_bytes)
            };
            let (stored_bytes, raw_bytes) = blocks.fold((0, 0), sum);
            return Ok(Self {
                ranges: Some(ranges),
                stored_bytes,
                raw_bytes,
            });
        }
        let end = ranges.last().map(|(_, range)| range.end()).filter(|_| is_known);
        let (mut stored_bytes, mut raw_bytes) = (0, 0);
        for block in manifest.blocks.iter() {
            if end.is_some_and(|end| raw_bytes >= end) {
                break;
            }
            stored_bytes += block.stored_bytes;
            raw_bytes += block.raw_bytes;
        }
        Ok(Self {
            ranges: None,
            stored_bytes,
            raw_bytes,
        })
    }

    /// What is fetched, and why.
    fn told(&self, manifest: &Manifest, table: &str) -> String {
        let (wanted, all) = (size(self.stored_bytes), size(manifest.stored_bytes));
        let key = &manifest.key;
        match (&self.ranges, manifest.framing, &manifest.data_ranges) {
            (Some(_), ..) => format!("{table} of {key}: {wanted} of {all} are fetched"),
            (None, Framing::Stream, _) => {
                format!(
                    "{key} is one stream, and is read from its beginning to the end of {table}: {wanted} of {all}"
                )
            }
            (None, Framing::Members, None) => format!(
                "{key} was made before backups recorded where tables are: it is read from its beginning to the end of {table}, at most {all}"
            ),
            (None, Framing::Members, Some(_)) => format!("{key} is read from its beginning: {wanted}"),
        }
    }

    /// Sends what is to be read. Ends early, and well, where no more is wanted.
    async fn feed(
        &self,
        store: &Store,
        manifest: &Manifest,
        sender: mpsc::Sender<ArchivePiece>,
        observer: &dyn Observer,
    ) -> Result<()> {
        if let Some(ranges) = &self.ranges {
            return feed_ranges(store, manifest, ranges, sender, observer).await;
        }
        let mut archive = CheckedArchive::open(store, manifest);
        while let Some(piece) = archive.next().await? {
            observer.observe(Event::Bytes(piece.len() as u64));
            if sender.send((None, piece.into())).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Sends each part of the blocks that belongs to one of `ranges`, which are in order.
async fn feed_ranges(
    store: &Store,
    manifest: &Manifest,
    ranges: &[(usize, DataRange)],
    sender: mpsc::Sender<ArchivePiece>,
    observer: &dyn Observer,
) -> Result<()> {
    let only: Vec<DataRange> = ranges.iter().map(|(_, range)| *range).collect();
    let runs = runs(&manifest.blocks, &only);
    let places = runs.iter().map(|(run, _)| run.clone()).collect();
    let mut archive = CheckedArchive::open_runs(store, manifest, places);
    let mut left = ranges;
    for (run, start) in runs {
        let mut start = start;
        for _ in run {
            let Some(piece) = archive.next().await? else {
                return Err(corrupt(&manifest.key, "it has fewer blocks than its manifest"));
            };
            observer.observe(Event::Bytes(piece.len() as u64));
            let piece = Bytes::from(piece);
            let end = start + piece.len() as u64;
            for (number, range) in left.iter().take_while(|(_, range)| range.offset < end) {
                let within = |place: u64| usize::try_from(place.clamp(start, end) - start).unwrap_or(0);
                let slice = piece.slice(within(range.offset)..within(range.end()));
                if !slice.is_empty() && sender.send((Some(*number), slice)).await.is_err() {
                    return Ok(());
                }
            }
            let ended = left.iter().take_while(|(_, range)| range.end() <= end).count();
            left = &left[ended..];
            start = end;
        }
    }
    Ok(())
}

/// Reads pieces on a thread of its own, and hands rows on.
struct RowReader<S> {
    key: String,
    contents: Arc<Contents>,
    /// Each part's entry, what its rows were when they were backed up, and its name.
    parts: Vec<(DumpId, Fingerprint, String)>,
    sink: S,
    /// The part whose rows come.
    began: Option<usize>,
    /// The beginning of a row whose end has not come.
    begun: Vec<u8>,
    hasher: TableHasher,
    /// How many parts came to their end.
    done: usize,
}

impl<S: RowSink> RowReader<S> {
    fn run(mut self, mut pieces: mpsc::Receiver<ArchivePiece>) -> Result<(S, ControlFlow<()>)> {
        let mut readers: (Option<usize>, ArchiveReader) = (None, ArchiveReader::new());
        while self.done < self.parts.len() {
            let Some((part, piece)) = pieces.blocking_recv() else {
                return Err(unreadable(&self.key, ArchiveError::Incomplete));
            };
            if let Some(number) = part.filter(|_| part != readers.0) {
                readers = (
                    part,
                    ArchiveReader::at_data(Arc::clone(&self.contents), self.parts[number].0),
                );
            }
            if self.take(&mut readers.1, &piece)?.is_break() {
                return Ok((self.sink, ControlFlow::Break(())));
            }
        }
        let flow = self.sink.end()?;
        Ok((self.sink, flow))
    }

    fn take(&mut self, reader: &mut ArchiveReader, mut piece: &[u8]) -> Result<ControlFlow<()>> {
        while self.done < self.parts.len() {
            let step = reader.step(piece).map_err(|cause| unreadable(&self.key, cause))?;
            piece = &piece[step.consumed..];
            match step.event {
                None => break,
                Some(Found::TableBegan(id)) => {
                    self.began = self.parts.iter().position(|(part, ..)| *part == id);
                    self.hasher = TableHasher::new();
                }
                Some(Found::Rows(rows)) => {
                    if let Some(part) = self.began
                        && self.take_rows(part, rows)?.is_break()
                    {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Some(Found::TableEnded(_)) => self.end_part()?,
                Some(_) => {}
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn take_rows(&mut self, part: usize, mut rows: &[u8]) -> Result<ControlFlow<()>> {
        self.hasher.update(rows);
        while let Some(end) = memchr::memchr(b'\n', rows) {
            let flow = if self.begun.is_empty() {
                self.sink.row(part, &rows[..end])?
            } else {
                self.begun.extend_from_slice(&rows[..end]);
                let row = std::mem::take(&mut self.begun);
                self.sink.row(part, &row)?
            };
            if flow.is_break() {
                return Ok(flow);
            }
            rows = &rows[end + 1..];
        }
        self.begun.extend_from_slice(rows);
        Ok(ControlFlow::Continue(()))
    }

    /// The blocks were those that were stored, so another content is an error of the manifest.
    fn end_part(&mut self) -> Result<()> {
        let Some(part) = self.began.take() else {
            return Ok(());
        };
        let (_, expected, name) = &self.parts[part];
        if std::mem::take(&mut self.hasher).finish() != *expected {
            let what = format!("{name} holds other rows than its manifest says");
            return Err(corrupt(&self.key, &what));
        }
        self.done += 1;
        Ok(())
    }
}
