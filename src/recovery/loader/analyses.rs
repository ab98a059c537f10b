//! Planner statistics of what was loaded: `ANALYZE` of each table once its rows are in and its indexes are built.
//!
//! It waits for everything that is built over the table's tree, and nothing is built there while it runs, so neither waits for the
//! other's lock. Statistics that somebody declared, and materialized views, come behind the rest of the definitions.

use std::collections::{HashMap, HashSet};

use super::builds::Builds;
use super::trees::Trees;
use crate::archive::{Contents, DumpId, Entry, EntryKind};
use crate::postgres::queries::loading;
use crate::recovery::platform::Selection;

/// A table or view whose statistics are gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Analysis {
    /// The tree that the table is in.
    pub(super) tree: DumpId,
    /// Its name, for messages.
    pub(super) name: String,
    pub(super) statement: String,
    /// The rows that must be there.
    pub(super) rows: Vec<DumpId>,
    /// What must be built.
    pub(super) builds: Vec<DumpId>,
}

/// All that is gathered.
#[derive(Clone, Debug, Default)]
pub(super) struct Analyses {
    /// What can be gathered as soon as a table is built.
    pub(super) early: Vec<Analysis>,
    /// What needs the rest of the definitions.
    pub(super) late: Vec<Analysis>,
}

impl Analyses {
    /// What is gathered of the archive's selected entries. Tables that a platform made, and those whose rows are `absent`, are none of
    /// it. A partitioned table is gathered with its partitions.
    pub(super) fn of(
        contents: &Contents,
        selection: &Selection,
        builds: &Builds,
        absent: &HashSet<DumpId>,
    ) -> Self {
        let trees = Trees::of(contents);
        let data = contents.entries.iter();
        let rows_of: HashMap<DumpId, DumpId> = data
            .filter(|entry| entry.kind == EntryKind::TableData && entry.has_data)
            .flat_map(|data| data.dependencies.iter().map(|table| (*table, data.id)))
            .collect();
        let declared = contents
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Statistics);
        let declared: HashSet<DumpId> = declared
            .flat_map(|entry| entry.dependencies.iter().map(|table| trees.root(*table)))
            .collect();
        let over = builds_over(builds);
        let mut found = Self::default();
        for entry in contents.entries.iter().filter(|entry| selection.keeps(entry.id)) {
            let rows: Vec<DumpId> = match entry.kind {
                EntryKind::MaterializedViewData => {
                    found.late.push(analysis(entry, entry.id, Vec::new(), Vec::new()));
                    continue;
                }
                EntryKind::Table => match (rows_of.get(&entry.id), trees.partitions(entry.id)) {
                    (Some(rows), []) => vec![*rows],
                    (None, partitions) if !partitions.is_empty() => {
                        let rows = partitions.iter().filter_map(|leaf| rows_of.get(leaf));
                        rows.copied().collect()
                    }
                    _ => continue,
                },
                _ => continue,
            };
            if rows.iter().any(|rows| absent.contains(rows)) {
                continue;
            }
            let tree = trees.root(entry.id);
            let over = over.get(&tree).cloned().unwrap_or_default();
            let analysis = analysis(entry, tree, rows, over);
            match declared.contains(&tree) {
                true => found.late.push(analysis),
                false => found.early.push(analysis),
            }
        }
        found
    }
}

/// The indexes that are built over each tree of tables.
fn builds_over(builds: &Builds) -> HashMap<DumpId, Vec<DumpId>> {
    let mut over: HashMap<DumpId, Vec<DumpId>> = HashMap::new();
    for build in &builds.indexes {
        let trees: HashSet<DumpId> = build.claims.iter().map(|claimed| claimed.tree).collect();
        for tree in trees {
            over.entry(tree).or_default().push(build.id);
        }
    }
    over
}

fn analysis(entry: &Entry, tree: DumpId, rows: Vec<DumpId>, builds: Vec<DumpId>) -> Analysis {
    let schema = entry.schema.as_deref().unwrap_or_default();
    Analysis {
        tree,
        name: format!("{schema}.{}", entry.tag),
        statement: loading::analyze(schema, &entry.tag),
        rows,
        builds,
    }
}
