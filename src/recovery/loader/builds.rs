//! What is built over our own connections, and what each step waits for: indexes, keys, attached indexes, materialized views.
//!
//! `pg_restore` on one connection promises: all rows before any index, and each thing in the archive's order. What calls only
//! functions that are known to compute from their arguments gives the same in any order: an index begins when the rows of its table
//! are in and a connection has nothing to load, keys are checked and views filled side by side. What calls another function waits
//! until all rows are in and keeps the archive's order.
//!
//! The locks that each statement takes decide what runs beside it; so no two of our connections wait for each other:
//! `CREATE INDEX` takes SHARE on its table; a key, or an index with a statement behind it, takes the table for itself; attaching an
//! index, and everything that makes a key over partitions, takes the whole tree. Foreign keys are attached by one connection alone.

use std::collections::{HashMap, HashSet};

use super::trees::Trees;
use crate::archive::{Contents, DumpId, Entry, EntryKind};
use crate::postgres::queries::unknown::{HARMLESS_EXTENSIONS, Unknown};
use crate::postgres::statement;
use crate::recovery::plan::{self, RestoreStage};
use crate::recovery::platform::Selection;

/// How much a step keeps from the steps beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exclusivity {
    /// Others may work on the table too.
    Shared,
    /// No other works on the table.
    Table,
    /// No other works on any table of its tree.
    Tree,
}

/// A table that a step works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claimed {
    pub(super) table: DumpId,
    pub(super) tree: DumpId,
    pub(super) claim: Exclusivity,
}

/// Which rows must be there before a step begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Start {
    /// Those of its own tables.
    OwnRows,
    AllRows,
    /// All, and everything before it in the archive's order must be done.
    InOrder,
}

/// An index or constraint to be built, or a view to be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) id: DumpId,
    /// Its place in the archive.
    pub(super) place: usize,
    /// What it is, for messages.
    pub(super) what: String,
    pub(super) statement: String,
    pub(super) claims: Vec<Claimed>,
    pub(super) start: Start,
    /// The rows that must be there in any case.
    pub(super) rows: Vec<DumpId>,
    /// What must be built before.
    pub(super) builds: Vec<DumpId>,
}

impl Build {
    /// Whether both may run at the same time.
    pub(super) fn suits(&self, other: &Self) -> bool {
        !self.claims.iter().any(|own| {
            other.claims.iter().any(|theirs| {
                let claim = own.claim.max(theirs.claim);
                own.tree == theirs.tree
                    && (claim == Exclusivity::Tree
                        || claim == Exclusivity::Table && own.table == theirs.table)
            })
        })
    }
}

/// A foreign key, whose rows are checked in a step of its own.
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
    /// Indexes, keys and attachments, which wait for rows.
    pub(super) indexes: Vec<Build>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    /// Foreign keys that are made in one step.
    pub(super) whole_keys: Vec<Build>,
    /// Materialized views, which are filled once all else is made: what they read may have any of it.
    pub(super) refreshes: Vec<Build>,
}

impl Builds {
    /// Which of the archive's selected entries are built here. What is `unknown` decides when, never which. Our connections know no
    /// tablespace but the database's own.
    pub fn of(
        contents: &Contents,
        selection: &Selection,
        unknown: &Unknown,
        keeps_tablespaces: bool,
    ) -> Self {
        let mut found = Self::default();
        let mut survey = EntryFacts::new(contents, unknown);
        // The archive's order is one in which everything comes behind what it needs.
        let mut available: HashSet<DumpId> = HashSet::new();
        for (place, (entry, turn)) in plan::turns(contents).enumerate() {
            if turn != RestoreStage::After {
                available.insert(entry.id);
                continue;
            }
            let knows = |id: &DumpId| available.contains(id) || contents.entry(*id).is_none();
            let is_refresh = entry.kind == EntryKind::MaterializedViewData;
            if !selection.keeps(entry.id)
                || keeps_tablespaces && entry.tablespace.is_some()
                || !is_refresh && !entry.dependencies.iter().all(knows)
            {
                continue;
            }
            match entry.kind {
                EntryKind::Index | EntryKind::Constraint | EntryKind::IndexAttach => {
                    found.indexes.push(survey.index(entry, place));
                }
                EntryKind::FkConstraint => match survey.foreign_key(entry, place) {
                    Some(key) => found.foreign_keys.push(key),
                    None => found.whole_keys.push(survey.whole_key(entry, place)),
                },
                EntryKind::MaterializedViewData => found.refreshes.push(survey.refresh(entry, place)),
                _ => continue,
            }
            available.insert(entry.id);
            survey.ours.insert(entry.id);
        }
        found
    }

    /// How many steps there are.
    pub(super) fn steps(&self) -> usize {
        // A foreign key is made in one step and checked in another.
        self.indexes.len() + 2 * self.foreign_keys.len() + self.whole_keys.len() + self.refreshes.len()
    }

    /// The entries that are built here.
    pub fn ids(&self) -> HashSet<DumpId> {
        let keys = self.foreign_keys.iter().map(|key| &key.attach);
        let all = self.indexes.iter().chain(&self.whole_keys).chain(&self.refreshes);
        all.chain(keys).map(|build| build.id).collect()
    }

    /// The entries of the views that are filled here.
    pub(in crate::recovery) fn refreshed(&self) -> HashSet<DumpId> {
        self.refreshes.iter().map(|build| build.id).collect()
    }
}

/// What is known of an archive's entries.
struct EntryFacts<'a> {
    contents: &'a Contents,
    unknown: &'a Unknown,
    trees: Trees,
    /// The rows of each table that has any, by the table.
    rows_of: HashMap<DumpId, DumpId>,
    /// What is built here and comes before.
    ours: HashSet<DumpId>,
    has_escapes: bool,
}

impl<'a> EntryFacts<'a> {
    fn new(contents: &'a Contents, unknown: &'a Unknown) -> Self {
        let data = contents.entries.iter();
        let data = data.filter(|entry| entry.kind == EntryKind::TableData && entry.has_data);
        Self {
            contents,
            unknown,
            trees: Trees::of(contents),
            rows_of: data
                .flat_map(|data| data.dependencies.iter().map(|table| (*table, data.id)))
                .collect(),
            ours: HashSet::new(),
            has_escapes: !plan::has_standard_strings(contents),
        }
    }

    fn index(&self, entry: &Entry, place: usize) -> Build {
        let is_one_statement = || statement::statements(&entry.definition, self.has_escapes).len() == 1;
        // A key of a partitioned table may look at those of its partitions.
        let is_of_parent = || {
            let mut needed = entry.dependencies.iter();
            needed.any(|id| !self.rows_of.contains_key(id) && !self.trees.partitions(*id).is_empty())
        };
        let claim = match entry.kind {
            EntryKind::IndexAttach => Exclusivity::Tree,
            EntryKind::Constraint if is_of_parent() => Exclusivity::Tree,
            EntryKind::Index if is_one_statement() => Exclusivity::Shared,
            _ => Exclusivity::Table,
        };
        let start = self.start(entry);
        self.build(entry, place, claim, start)
    }

    fn refresh(&self, entry: &Entry, place: usize) -> Build {
        let view = (entry.schema.clone().unwrap_or_default(), entry.tag.clone());
        let start = match self.unknown.views.contains(&view) {
            true => Start::InOrder,
            false => Start::AllRows,
        };
        self.build(entry, place, Exclusivity::Table, start)
    }

    /// A foreign key that takes one step.
    fn whole_key(&self, entry: &Entry, place: usize) -> Build {
        self.build(entry, place, Exclusivity::Tree, Start::AllRows)
    }

    /// The steps of a foreign key, where it takes more than one.
    fn foreign_key(&self, entry: &Entry, place: usize) -> Option<ForeignKey> {
        let build = self.whole_key(entry, place);
        let statements = statement::statements(&entry.definition, self.has_escapes);
        let [statement] = &statements[..] else {
            return None;
        };
        let steps = statement.foreign_key_steps()?;
        // Checking reads the table it refers to beside others, and locks its own.
        let is_own = |claimed: &Claimed| {
            let table = self.contents.entry(claimed.table);
            table.is_some_and(|table| steps.table.last() == Some(&table.tag) && entry.schema == table.schema)
        };
        let claims = build.claims.iter().map(|claimed| Claimed {
            claim: if is_own(claimed) {
                Exclusivity::Table
            } else {
                Exclusivity::Shared
            },
            ..claimed.clone()
        });
        let check = Build {
            statement: steps.validate,
            builds: vec![build.id],
            claims: claims.collect(),
            ..build.clone()
        };
        let attach = Build {
            statement: steps.attach,
            ..build
        };
        Some(ForeignKey { attach, check })
    }

    fn build(&self, entry: &Entry, place: usize, claim: Exclusivity, start: Start) -> Build {
        let mut needed = entry.dependencies.clone();
        needed.sort_unstable();
        needed.dedup();
        let is_relation = |id: &&DumpId| {
            let kind = self.contents.entry(**id).map(|entry| &entry.kind);
            matches!(kind, Some(EntryKind::Table | EntryKind::MaterializedView))
        };
        let tables: Vec<DumpId> = needed.iter().filter(is_relation).copied().collect();
        let rows: HashSet<DumpId> = tables
            .iter()
            .flat_map(|table| match self.rows_of.get(table) {
                Some(_) => std::slice::from_ref(table),
                // A parent has no rows of its own; loading its partitions locks it.
                None => self.trees.partitions(*table),
            })
            .filter_map(|table| self.rows_of.get(table).copied())
            .collect();
        Build {
            id: entry.id,
            place,
            what: format!(
                "{} {}",
                entry.kind.as_str().trim_end_matches(" DATA").to_lowercase(),
                entry.tag
            ),
            statement: entry.definition.clone(),
            claims: tables
                .iter()
                .map(|table| Claimed {
                    table: *table,
                    tree: self.trees.root(*table),
                    claim,
                })
                .collect(),
            start,
            rows: rows.into_iter().collect(),
            builds: needed.into_iter().filter(|id| self.ours.contains(id)).collect(),
        }
    }

    /// When an index may begin, as far as can be told from what it needs.
    fn start(&self, entry: &Entry) -> Start {
        let needed = entry
            .dependencies
            .iter()
            .filter_map(|id| self.contents.entry(*id));
        needed
            .map(|needed| {
                let name = (needed.schema.clone().unwrap_or_default(), needed.tag.clone());
                match needed.kind {
                    // Its generated columns are computed again when all rows are in.
                    EntryKind::Table if self.unknown.tables.contains(&name) => Start::AllRows,
                    EntryKind::Table | EntryKind::MaterializedView if self.unknown.typed.contains(&name) => {
                        Start::AllRows
                    }
                    EntryKind::Table
                    | EntryKind::MaterializedView
                    | EntryKind::Index
                    | EntryKind::Constraint
                    | EntryKind::IndexAttach
                    | EntryKind::TableAttach
                    | EntryKind::Collation
                    | EntryKind::Schema => Start::OwnRows,
                    EntryKind::Type | EntryKind::Domain if !self.unknown.types.contains(&name) => {
                        Start::OwnRows
                    }
                    EntryKind::Extension if HARMLESS_EXTENSIONS.contains(&needed.tag.as_str()) => {
                        Start::OwnRows
                    }
                    EntryKind::Extension => Start::AllRows,
                    _ => Start::InOrder,
                }
            })
            .max()
            .unwrap_or(Start::OwnRows)
    }
}
