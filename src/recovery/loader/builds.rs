//! Which indexes, constraints and materialized views are built over our own connections, and what each waits for.
//!
//! `pg_restore` begins none before all rows are there, checks each foreign key while it holds both tables, and fills views when
//! all else is done. What is simple enough is done here instead: an index or key begins when the rows of its table are in and a
//! connection has nothing to load; foreign keys are attached unchecked, and then checked side by side while views are filled. All
//! else is left to `pg_restore`.

use std::collections::{HashMap, HashSet};

use crate::archive::{Contents, DumpId, Entry};
use crate::recovery::plan::{self, Turn};
use crate::recovery::platform::Selection;

/// What comes after the rows and changes nothing about what a query of them gives.
const INDIFFERENT_TO_QUERIES: [&str; 16] = [
    "CHECK CONSTRAINT",
    "COMMENT",
    "CONSTRAINT",
    "EVENT TRIGGER",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "MATERIALIZED VIEW DATA",
    "POLICY",
    "PUBLICATION",
    "PUBLICATION TABLE",
    "ROW SECURITY",
    "SECURITY LABEL",
    "SEQUENCE SET",
    "STATISTICS",
    "TRIGGER",
];

/// An index or constraint to be built, or a view to be filled.
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
    /// Indexes and keys, which wait for rows.
    pub(super) indexes: Vec<Build>,
    /// Materialized views, which are filled once all of those are there: what they read may have any of them.
    pub(super) refreshes: Vec<Build>,
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
            let list = match entry.kind.as_str() {
                "INDEX" | "CONSTRAINT" => &mut found.indexes,
                "MATERIALIZED VIEW DATA" => &mut found.refreshes,
                "FK CONSTRAINT" => {
                    found.foreign_keys.extend(foreign_key(build));
                    continue;
                }
                _ => continue,
            };
            list.push(build);
            available.insert(entry.id);
            ours.insert(entry.id);
        }
        if changes_queries(contents, selection) {
            found.refreshes.clear();
        }
        found
    }

    /// Whether the entry is built here.
    pub fn contain(&self, id: DumpId) -> bool {
        let built = self.indexes.iter().chain(&self.refreshes);
        built.map(|build| build.id).any(|built| built == id)
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

/// Whether something made after the rows may change what a view is filled with: a view that is only made in earnest when a key is
/// there, for one, of which the view's entry says nothing.
fn changes_queries(contents: &Contents, selection: &Selection) -> bool {
    plan::turns(contents).any(|(entry, turn)| {
        turn == Turn::After
            && selection.keeps(entry.id)
            && !INDIFFERENT_TO_QUERIES.contains(&entry.kind.as_str())
    })
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
        what: format!(
            "{} {}",
            entry.kind.trim_end_matches(" DATA").to_lowercase(),
            entry.tag
        ),
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
