//! Rows of one table of a backup, written out.

use std::io::{ErrorKind, Write};
use std::ops::ControlFlow;

use jiff::Timestamp;

use super::fields::RowFields;
use super::reading::{RowsRead, read_rows};
use super::sink::RowSink;
use super::table::BackedUpTable;
use crate::error::{Error, Kind, Result};
use crate::model::key::Selector;
use crate::model::manifest::Manifest;
use crate::model::rescue::column::Column;
use crate::model::rescue::condition::{Bound, RowCondition, place_of};
use crate::model::rescue::format::{Format, Insertion, RowWriter};
use crate::model::rescue::name::{Identifier, RelationName};
use crate::model::rescue::relation;
use crate::model::selection::Among;
use crate::model::source::SourceName;
use crate::model::timeline::{Event, Observer, Phase};
use crate::recovery::choosing::{self, Selected};
use crate::recovery::object;
use crate::store::Store;

/// Rows are written in pieces of about this size.
const WRITTEN_BYTES: usize = 256 << 10;

/// Which rows of which backup, and how they are written.
#[derive(Clone, Copy)]
pub struct ExtractRequest<'a> {
    /// Where backups are kept.
    pub store: &'a Store,
    /// Which backup.
    pub selector: Selector,
    /// Among which.
    pub among: &'a Among,
    /// Which table.
    pub table: &'a RelationName,
    /// Rows for which all of these hold.
    pub conditions: &'a [RowCondition],
    /// These columns of them; all where none are named.
    pub columns: &'a [Identifier],
    /// How they are written.
    pub format: Format,
    /// The time of the choice.
    pub now: Timestamp,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// The backup's key.
    pub key: String,
    /// Whether its manifest was written when it was made, or attested later.
    pub is_attested: bool,
    /// The source it is of.
    pub source: SourceName,
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub name: String,
    /// How many rows were read.
    pub rows_read: u64,
    /// How many of them were written.
    pub rows_written: u64,
    /// How many stored bytes were fetched for them, head and manifest not counted.
    pub fetched_bytes: u64,
    /// Whether the reader of the output took all of it.
    pub is_whole: bool,
}

/// Writes the rows to `output`. No row is written before all blocks that it is in were checked.
pub async fn extract(
    request: ExtractRequest<'_>,
    output: Box<dyn Write + Send>,
    observer: &dyn Observer,
) -> Result<Extracted> {
    let ExtractRequest { store, among, .. } = request;
    observer.observe(Event::Began(Phase::Transfer));
    let selected = choosing::select_among(store, request.selector, among, request.now, observer).await?;
    let key = selected.manifest.key.clone();
    match extract_from(request, selected, output, observer).await {
        Ok(extracted) => {
            observer.observe(Event::Ended(Phase::Transfer));
            Ok(extracted)
        }
        Err(error) => Err(choosing::name_older(store, &key, among, error).await),
    }
}

async fn extract_from(
    request: ExtractRequest<'_>,
    selected: Selected,
    output: Box<dyn Write + Send>,
    observer: &dyn Observer,
) -> Result<Extracted> {
    let (store, manifest) = (request.store, &selected.manifest);
    let (schema, name) = relation::find(manifest, request.table)?;
    refuse_encoding(request.format, manifest)?;
    object::check_length(store, manifest).await?;
    let contents = object::contents(store, manifest).await?;
    let table = BackedUpTable::of(manifest, &contents, &schema, &name)?;
    let conditions = bind(request.conditions, &table, observer)?;
    let columns = columns(request.columns, &table)?;
    let sink = Writing::new(&table, manifest, &conditions, &columns, request.format, output);
    let (sink, read) = read_rows(store, manifest, contents, &table, sink, observer).await?;
    let RowsRead {
        fetched_bytes,
        is_whole,
    } = read;
    Ok(Extracted {
        key: manifest.key.clone(),
        is_attested: selected.is_attested,
        source: (&manifest.source).into(),
        schema,
        name,
        rows_read: sink.read,
        rows_written: sink.written,
        fetched_bytes,
        is_whole,
    })
}

/// The conditions on the columns of `table`. How each is compared is told.
pub(super) fn bind(
    conditions: &[RowCondition],
    table: &BackedUpTable,
    observer: &dyn Observer,
) -> Result<Vec<Bound>> {
    let mut bound = Vec::new();
    for condition in conditions {
        let condition = condition.on(&table.shown(), &table.columns)?;
        observer.observe(Event::Noted(format!("where {condition}")));
        bound.push(condition);
    }
    Ok(bound)
}

/// The places of the columns that are named; of all where none are.
fn columns(named: &[Identifier], table: &BackedUpTable) -> Result<Vec<usize>> {
    if named.is_empty() {
        return Ok((0..table.columns.len()).collect());
    }
    let places = named
        .iter()
        .map(|column| place_of(column, &table.shown(), &table.columns));
    places.collect()
}

/// JSON is UTF-8. A database without an encoding may hold such text all the same.
fn refuse_encoding(format: Format, manifest: &Manifest) -> Result<()> {
    let encoding = manifest.encoding();
    if format != Format::Jsonl || matches!(encoding, "UTF8" | "SQL_ASCII") {
        return Ok(());
    }
    Err(Error::new(
        Kind::Usage,
        format!("the rows are in {encoding}, and JSON is UTF-8"),
    )
    .hint(format!(
        "take --format csv, and convert it: `iconv -f {encoding} -t UTF-8`"
    )))
}

fn not_utf8(column: &str) -> Error {
    let message = format!("a value of the column {column:?} is no UTF-8, which JSON is");
    Error::new(Kind::Usage, message).hint("take --format csv or copy, or leave the column out with --columns")
}

/// Writes the rows that are meant.
struct Writing {
    writer: RowWriter,
    output: Box<dyn Write + Send>,
    fields: RowFields,
    names: Vec<String>,
    out: Vec<u8>,
    format: Format,
    read: u64,
    written: u64,
}

impl Writing {
    fn new(
        table: &BackedUpTable,
        manifest: &Manifest,
        conditions: &[Bound],
        columns: &[usize],
        format: Format,
        output: Box<dyn Write + Send>,
    ) -> Self {
        let insertion = Insertion {
            schema: table.schema.clone(),
            table: table.name.clone(),
            encoding: manifest.encoding().to_owned(),
            overrides_identity: table.overrides_identity,
        };
        let written: Vec<Column> = columns
            .iter()
            .map(|place| table.columns[*place].clone())
            .collect();
        let writer = RowWriter::new(format, &written, &insertion);
        Self {
            fields: RowFields::new(&manifest.key, table, conditions, columns),
            names: written.into_iter().map(|column| column.name).collect(),
            out: writer.head().to_vec(),
            writer,
            output,
            format,
            read: 0,
            written: 0,
        }
    }

    /// Writes what was gathered. Break where the reader went away.
    fn flush(&mut self) -> Result<ControlFlow<()>> {
        let written = self
            .output
            .write_all(&self.out)
            .and_then(|()| self.output.flush());
        self.out.clear();
        match written {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(cause) if cause.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            Err(cause) => Err(Error::new(Kind::Usage, "the rows cannot be written")
                .caused_by(cause)
                .hint("free space where the output goes")),
        }
    }
}

impl RowSink for Writing {
    fn row(&mut self, part: usize, row: &[u8]) -> Result<ControlFlow<()>> {
        self.read += 1;
        if self.writer.is_plain() && self.fields.takes_all(part) {
            self.out.extend_from_slice(row);
            self.out.push(b'\n');
        } else {
            let Some(fields) = self.fields.of(part, row)? else {
                return Ok(ControlFlow::Continue(()));
            };
            let written = self.writer.write(fields, &mut self.out);
            written.map_err(|not| not_utf8(&self.names[not.column]))?;
        }
        self.written += 1;
        match self.out.len() >= WRITTEN_BYTES {
            true => self.flush(),
            false => Ok(ControlFlow::Continue(())),
        }
    }

    fn end(&mut self) -> Result<ControlFlow<()>> {
        if self.format == Format::Sql {
            // Who finds it knows that nothing was cut off.
            let end = format!("-- all {} rows\n", self.written);
            self.out.extend_from_slice(end.as_bytes());
        }
        self.flush()
    }
}
