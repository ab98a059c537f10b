//! Entries that could not be made at first: tried once more in the archive's order, and told where they still cannot be.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::archive::{Contents, DumpId, Entry, EntryKind};
use crate::error::Result;
use crate::model::missing::Missing;
use crate::postgres::queries;
use crate::postgres::refusal::Refusal;
use crate::postgres::session::Session;

/// The entries that could not be made so far.
#[derive(Debug)]
pub(super) struct RefusedEntries {
    contents: Arc<Contents>,
    places: HashMap<DumpId, usize>,
    keeps_tablespaces: bool,
    /// By their place in the archive.
    entries: BTreeMap<usize, RefusedEntry>,
    /// What a person should know of entries that are not missed.
    notes: Vec<String>,
}

#[derive(Debug)]
struct RefusedEntry {
    statement: String,
    /// Nothing where only `pg_restore` has tried, or what it needs is missing.
    refusal: Option<Refusal>,
}

/// What became of something that was handed to a connection of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefusedStep {
    pub(super) id: DumpId,
    pub(super) statement: String,
    pub(super) refusal: Refusal,
}

impl RefusedEntries {
    pub(super) fn new(contents: &Arc<Contents>, keeps_tablespaces: bool) -> Self {
        let places = contents.entries.iter().enumerate();
        Self {
            places: places.map(|(place, entry)| (entry.id, place)).collect(),
            contents: Arc::clone(contents),
            keeps_tablespaces,
            entries: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn contents(&self) -> &Arc<Contents> {
        &self.contents
    }

    /// Entries that `pg_restore` could not make.
    pub(super) fn add_rejected(&mut self, rejected: impl IntoIterator<Item = DumpId>) {
        for id in rejected {
            if let Some(entry) = self.contents.entry(id) {
                let statement = entry.definition.clone();
                self.insert(id, statement, None);
            }
        }
    }

    /// Steps that our connections could not make.
    pub(super) fn add_steps(&mut self, steps: impl IntoIterator<Item = RefusedStep>) {
        for step in steps {
            self.insert(step.id, step.statement, Some(step.refusal));
        }
    }

    fn insert(&mut self, id: DumpId, statement: String, refusal: Option<Refusal>) {
        if let Some(place) = self.places.get(&id) {
            self.entries
                .entry(*place)
                .or_insert(RefusedEntry { statement, refusal });
        }
    }

    /// The entries of rows that go nowhere, as their tables could not be made.
    pub(super) fn rows_without_table(&mut self) -> HashSet<DumpId> {
        let tables: HashSet<DumpId> = self.ids();
        let rows = self.contents.entries.iter().filter(|entry| {
            entry.kind == EntryKind::TableData && entry.dependencies.iter().any(|id| tables.contains(id))
        });
        let rows: HashSet<DumpId> = rows.map(|entry| entry.id).collect();
        for id in &rows {
            self.insert(*id, String::new(), None);
        }
        rows
    }

    /// What these entries of rows belong to.
    fn tables_of(&self, rows: &HashSet<DumpId>) -> HashSet<DumpId> {
        let rows = rows.iter().filter_map(|id| self.contents.entry(*id));
        let rows = rows.filter(|entry| entry.kind == EntryKind::TableData);
        rows.flat_map(|entry| entry.dependencies.iter().copied())
            .collect()
    }

    /// Tries everything once more over one connection, in the archive's order. What the rows themselves break is not tried, nor are
    /// tables whose rows have gone by.
    pub(super) async fn try_again(&mut self, session: &Session) -> Result<()> {
        let lost_rows = self.ids();
        let without_rows = self.tables_of(&lost_rows);
        let mut left = BTreeMap::new();
        for (place, attempt) in std::mem::take(&mut self.entries) {
            let contents = Arc::clone(&self.contents);
            let Some(entry) = contents.entries.get(place) else {
                continue;
            };
            let is_over = match entry.kind {
                EntryKind::TableData => true,
                EntryKind::Table => without_rows.contains(&entry.id),
                _ => attempt.refusal.as_ref().is_some_and(Refusal::is_of_rows),
            };
            if is_over {
                left.insert(place, attempt);
            } else if let Some(refusal) = self.attempt(session, entry, &attempt.statement).await? {
                let refusal = Some(refusal);
                left.insert(place, RefusedEntry { refusal, ..attempt });
            }
        }
        self.entries = left;
        Ok(())
    }

    /// Why the entry still cannot be made, where it is missed.
    async fn attempt(
        &mut self,
        session: &Session,
        entry: &Entry,
        statement: &str,
    ) -> Result<Option<Refusal>> {
        let what = worded(entry);
        let tablespace = entry.tablespace.as_deref().filter(|_| self.keeps_tablespaces);
        queries::loading::place_tables(session, entry.access_method.as_deref(), tablespace).await?;
        let Err(refusal) = queries::loading::attempt(session, &what, statement).await? else {
            return Ok(None);
        };
        if refusal.is_present() && entry.kind != EntryKind::Table {
            self.notes.push(format!(
                "{what} is there already and is taken as it is; the verification compares it"
            ));
            return Ok(None);
        }
        if refusal.is_forbidden() && entry.kind == EntryKind::Comment && entry.tag.starts_with("EXTENSION ") {
            self.notes.push(format!(
                "{what} is left out: only the extension's owner may comment on it; the verification compares the comment"
            ));
            return Ok(None);
        }
        Ok(Some(refusal))
    }

    /// What a person should know of entries that are not missed, once.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// What is missing, in the archive's order.
    pub(super) fn missing(&self) -> Vec<Missing> {
        let missing = self.ids();
        let told = self.entries.iter().filter_map(|(place, attempt)| {
            let entry = self.contents.entries.get(*place)?;
            let mut needed = entry.dependencies.iter().filter(|id| missing.contains(id));
            let needed = needed.next().and_then(|id| self.contents.entry(*id));
            let refusal = attempt.refusal.as_ref().map(|refusal| refusal.message.as_str());
            let reason = match (needed, refusal) {
                (Some(needed), Some(refusal)) => {
                    format!("it needs {}, which is missing ({refusal})", worded(needed))
                }
                (Some(needed), None) => format!("it needs {}, which is missing", worded(needed)),
                (None, refusal) => refusal.unwrap_or("pg_restore could not make it").to_owned(),
            };
            Some(Missing::new(
                entry.kind.as_str(),
                worded(entry),
                &reason,
                attempt.statement.clone(),
            ))
        });
        told.collect()
    }

    fn ids(&self) -> HashSet<DumpId> {
        let entries = self
            .entries
            .keys()
            .filter_map(|place| self.contents.entries.get(*place));
        entries.map(|entry| entry.id).collect()
    }
}

/// What an entry is and its name, for a person.
fn worded(entry: &Entry) -> String {
    match &entry.schema {
        Some(schema) => format!("{} {schema}.{}", entry.kind, entry.tag),
        None => format!("{} {}", entry.kind, entry.tag),
    }
}
