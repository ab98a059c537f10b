//! The rows of one backup for which conditions hold.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::facts::TableFacts;
use crate::error::{Error, Kind, Result};
use crate::model::key::BackupKey;
use crate::model::rescue::condition::{Bound, RowCondition};
use crate::model::rescue::copy_text::value;
use crate::model::rescue::name::shown_relation;
use crate::model::rescue::row_changes::NamedRow;
use crate::model::timeline::{Event, Observer};
use crate::recovery::rescue::fields::RowFields;
use crate::recovery::rescue::reading::read_rows;
use crate::recovery::rescue::sink::RowSink;
use crate::recovery::rescue::table::BackedUpTable;
use crate::recovery::{manifests, object};
use crate::store::Store;

/// All rows of one backup that are meant take no more memory than this, save a single one that does.
const MATCHED_BYTES: usize = 1 << 20;
/// Nor are they more.
const MATCHED_ROWS: usize = 1000;

/// The rows that are meant, and the columns of the table's primary key.
#[derive(Clone, Debug)]
pub(super) struct Matches {
    pub(super) rows: Arc<[NamedRow]>,
    pub(super) key: Arc<[String]>,
}

impl Default for Matches {
    fn default() -> Self {
        Self {
            rows: Arc::new([]),
            key: Arc::new([]),
        }
    }
}

/// The rows of the backup `key` for which all `conditions` hold, and how many stored bytes were fetched for them. Inside, the error
/// of a column that the table does not have. How values are compared is told to `told`.
pub(super) async fn matching_rows(
    store: &Store,
    key: BackupKey,
    table: &TableFacts,
    conditions: &[RowCondition],
    told: Option<&dyn Observer>,
) -> Result<Result<(Matches, u64)>> {
    let manifest = manifests::read(store, key).await?;
    let contents = object::contents(store, &manifest).await?;
    let table = BackedUpTable::of(&manifest, &contents, &table.schema, &table.name)?;
    let mut bound: Vec<Bound> = Vec::new();
    for condition in conditions {
        match condition.on(&table.shown(), &table.columns) {
            Ok(condition) => bound.push(condition),
            Err(unknown) => return Ok(Err(unknown)),
        }
    }
    for (condition, observer) in bound.iter().zip(std::iter::repeat(told)) {
        if let Some(observer) = observer {
            observer.observe(Event::Noted(format!("where {condition}")));
        }
    }
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let key_columns = table.key.iter().map(|place| names[*place].clone()).collect();
    let sink = Matching {
        table: shown_relation(&table.schema, &table.name),
        fields: RowFields::new(&manifest.key, &table, &bound, &all),
        names,
        rows: Vec::new(),
        bytes: 0,
    };
    let (sink, read) = read_rows(store, &manifest, contents, &table, sink, &WithoutProgress).await?;
    let matches = Matches {
        rows: sink.rows.into(),
        key: key_columns,
    };
    Ok(Ok((matches, read.fetched_bytes)))
}

/// The progress of one of many backups is not told.
struct WithoutProgress;

impl Observer for WithoutProgress {
    fn observe(&self, _: Event) {}
}

/// Keeps the rows that are meant.
struct Matching {
    table: String,
    fields: RowFields,
    names: Vec<String>,
    rows: Vec<NamedRow>,
    bytes: usize,
}

impl RowSink for Matching {
    fn row(&mut self, part: usize, row: &[u8]) -> Result<ControlFlow<()>> {
        let Some(fields) = self.fields.of(part, row)? else {
            return Ok(ControlFlow::Continue(()));
        };
        let text = |field| value(field).map(|value| String::from_utf8_lossy(&value).into_owned());
        let row_bytes = row.len();
        let named = self.names.iter().cloned().zip(fields.map(text)).collect();
        self.rows.push(NamedRow(named));
        self.bytes += row_bytes;
        let is_large = self.bytes > MATCHED_BYTES && self.rows.len() > 1;
        if self.rows.len() > MATCHED_ROWS || is_large {
            let message = format!(
                "more than {} rows of {} are meant",
                self.rows.len() - 1,
                self.table
            );
            return Err(Error::new(Kind::Usage, message).hint(
                "name fewer with another --where; `paycraft-dr extract` writes as many as there are of one day",
            ));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn end(&mut self) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
}
