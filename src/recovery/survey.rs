//! What an archive holds, found by reading it as it flows.

use std::sync::Arc;

use crate::archive::{ArchiveError, Contents, DumpId, Event, Reader};
use crate::error::Result;
use crate::model::fingerprint::{Fingerprint, LargeObjectHasher, TableHasher};
use crate::model::manifest::Table;

/// Reads an archive piece by piece and keeps what a manifest says of it.
#[derive(Debug, Default)]
pub struct Survey {
    reader: Reader,
    table: TableHasher,
    tables: Vec<Table>,
    large_objects: LargeObjectHasher,
    raw_bytes: u64,
}

/// What a whole archive held.
#[derive(Debug)]
pub struct Surveyed {
    /// Header and entries.
    pub contents: Arc<Contents>,
    /// Every table's rows, in the archive's order.
    pub tables: Vec<Table>,
    /// The large objects.
    pub large_objects: Fingerprint,
    /// The archive's length in bytes.
    pub raw_bytes: u64,
}

impl Survey {
    /// Reads the next piece, of whatever length.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<(), ArchiveError> {
        self.raw_bytes += piece.len() as u64;
        loop {
            let step = self.reader.step(piece)?;
            piece = &piece[step.consumed..];
            match step.event {
                Some(Event::Rows(rows)) => self.table.update(rows),
                Some(Event::TableEnded(id)) => {
                    let content = std::mem::take(&mut self.table).finish();
                    self.tables.extend(table_of(self.reader.contents(), id, content));
                }
                Some(Event::LargeObjectBegan(oid)) => self.large_objects.began(oid),
                Some(Event::LargeObjectData(data)) => self.large_objects.data(data),
                Some(Event::LargeObjectEnded(_)) => self.large_objects.ended(),
                Some(Event::Contents(_) | Event::TableBegan(_)) => {}
                None => return Ok(()),
            }
        }
    }

    /// What was found, if the archive ended where its contents say.
    pub fn finish(self) -> Result<Surveyed, ArchiveError> {
        Ok(Surveyed {
            contents: self.reader.finish()?,
            tables: self.tables,
            large_objects: self.large_objects.finish(),
            raw_bytes: self.raw_bytes,
        })
    }
}

fn table_of(contents: Option<&Arc<Contents>>, id: DumpId, content: Fingerprint) -> Option<Table> {
    let entry = contents?.entry(id)?;
    Some(Table {
        schema: entry.schema.clone().unwrap_or_default(),
        name: entry.tag.clone(),
        columns: copied_columns(&entry.copy_statement).to_owned(),
        content,
    })
}

/// The column list of `COPY public.users (id, "Full Name") FROM stdin;`, with its parentheses; empty where a table has none.
pub(super) fn copied_columns(statement: &str) -> &str {
    let Some(end) = statement.rfind(" FROM ") else {
        return "";
    };
    let head = &statement[..end];
    // Names may hold parentheses and blanks inside double quotes only.
    let mut is_quoted = false;
    for (at, mark) in head.char_indices() {
        match mark {
            '"' => is_quoted = !is_quoted,
            '(' if !is_quoted => return head[at..].trim_end(),
            _ => {}
        }
    }
    ""
}
