//! Which indexes and constraints are built over our own connections, and what each waits for.
//!
//! `pg_restore` begins none before all rows are there, and checks each foreign key while it holds both tables. What is simple
//! enough is done here instead: an index or key begins when the rows of its table are in and a connection has nothing to load,
//! and foreign keys are attached unchecked and then checked side by side. All else is left to `pg_restore`.

use std::collections::{HashMap, HashSet};

use crate::archive::{Contents, DumpId, Entry};
use crate::recovery::plan::{self, Turn};
use crate::recovery::platform::Selection;

/// An index or constraint to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) id: DumpId,
    /// What it is, for messages.
    pub(super) what: String,
    pub(super) statement: String,
    /// The relations it works on.
    pub(super) relations: Vec<DumpId>,
    /// Whether it works alone on them.
    pub(super) is_alone: bool,
    /// The rows that must be there.
    pub(super) rows: Vec<DumpId>,
    /// What must be built before.
    pub(super) builds: Vec<DumpId>,
}

/// A foreign key, which is checked in a step of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignKey {
    /// Makes it for rows to come.
    pub(super) attach: Build,
    /// Checks the rows that are there.
    pub(super) check: Build,
}

/// All that is built here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Builds {
    pub(super) builds: Vec<Build>,
    pub(super) foreign_keys: Vec<ForeignKey>,
}

impl Builds {
    /// What of the archive's selected entries is built here.
    pub fn of(contents: &Contents, selection: &Selection) -> Self {
        let mut found = Self::default();
        let rows_of = rows_of(contents);
        // The archive's order is one in which everything comes behind what it needs.
        let mut available: HashSet<DumpId> = HashSet::new();
        let mut ours: HashSet<DumpId> = HashSet::new();
        for (entry, turn) in plan::turns(contents) {
            if turn != Turn::After {
                available.insert(entry.id);
                continue;
            }
            let knows = |id: &DumpId| available.contains(id) || contents.entry(*id).is_none();
            if !selection.keeps(entry.id)
                || entry.tablespace.is_some()
                || !entry.dependencies.iter().all(knows)
            {
                continue;
            }
            let build = build(contents, entry, &rows_of, &ours);
            match entry.kind.as_str() {
                "INDEX" | "CONSTRAINT" => {
                    available.insert(entry.id);
                    ours.insert(entry.id);
                    found.builds.push(build);
                }
                "FK CONSTRAINT" => found.foreign_keys.extend(foreign_key(build)),
                _ => {}
            }
        }
        found
    }

    /// Whether the entry is built here.
    pub fn contain(&self, id: DumpId) -> bool {
        self.builds.iter().any(|build| build.id == id)
            || self.foreign_keys.iter().any(|key| key.attach.id == id)
    }
}

/// The rows of each table that has any in the archive, by the table.
fn rows_of(contents: &Contents) -> HashMap<DumpId, DumpId> {
    let data = contents
        .entries
        .iter()
        .filter(|entry| entry.kind == "TABLE DATA" && entry.has_data);
    data.flat_map(|data| data.dependencies.iter().map(|table| (*table, data.id)))
        .collect()
}

fn build(
    contents: &Contents,
    entry: &Entry,
    rows_of: &HashMap<DumpId, DumpId>,
    ours: &HashSet<DumpId>,
) -> Build {
    let is_relation = |id: &&DumpId| {
        let kind = contents.entry(**id).map(|entry| entry.kind.as_str());
        matches!(kind, Some("TABLE" | "MATERIALIZED VIEW"))
    };
    let relations: Vec<DumpId> = entry.dependencies.iter().filter(is_relation).copied().collect();
    Build {
        id: entry.id,
        what: format!("{} {}", entry.kind.to_lowercase(), entry.tag),
        statement: entry.definition.clone(),
        rows: relations
            .iter()
            .filter_map(|table| rows_of.get(table))
            .copied()
            .collect(),
        is_alone: entry.kind != "INDEX",
        builds: entry
            .dependencies
            .iter()
            .filter(|id| ours.contains(id))
            .copied()
            .collect(),
        relations,
    }
}

/// The two steps of `ALTER TABLE ONLY t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u(b);`, or nothing where it takes one: keys of
/// partitioned tables cannot be attached unchecked, and they are written without ONLY.
fn foreign_key(key: Build) -> Option<ForeignKey> {
    let definition = key.statement.trim_end().strip_suffix(';')?;
    let (table, constraint) = definition.split_once("ADD CONSTRAINT ")?;
    let (name, _) = constraint.split_once(" FOREIGN KEY ")?;
    if !table.starts_with("ALTER TABLE ONLY ")
        || definition.ends_with(" NOT VALID")
        || definition.contains(';')
    {
        return None;
    }
    let check = Build {
        statement: format!("{table}VALIDATE CONSTRAINT {name}"),
        builds: vec![key.id],
        ..key.clone()
    };
    let attach = Build {
        statement: format!("{definition} NOT VALID"),
        ..key
    };
    Some(ForeignKey { attach, check })
}
