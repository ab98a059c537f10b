//! Which tables belong together: partitions with their parents, and tables that inherit from each other.

use std::collections::{HashMap, HashSet};

use crate::archive::{Contents, DumpId, EntryKind};

/// The tables of an archive in trees.
#[derive(Debug, Default)]
pub(super) struct Trees {
    /// Towards the one table of each tree that represents it.
    next: HashMap<DumpId, DumpId>,
    members: HashMap<DumpId, Vec<DumpId>>,
    parents: HashSet<DumpId>,
}

impl Trees {
    /// The trees of the archive's tables.
    pub(super) fn of(contents: &Contents) -> Self {
        let mut trees = Self::default();
        let is_table = |id: &DumpId| {
            contents
                .entry(*id)
                .is_some_and(|entry| entry.kind == EntryKind::Table)
        };
        for entry in &contents.entries {
            let tables: Vec<DumpId> = entry.dependencies.iter().copied().filter(is_table).collect();
            match entry.kind {
                // `ALTER TABLE ONLY parent ATTACH PARTITION child`; which of the two is the parent, rows will tell.
                EntryKind::TableAttach => {
                    for pair in tables.windows(2) {
                        trees.join(pair[0], pair[1]);
                    }
                    trees.parents.extend(tables);
                }
                EntryKind::Table => {
                    for parent in tables {
                        trees.join(entry.id, parent);
                    }
                }
                _ => {}
            }
        }
        let tables: Vec<DumpId> = trees.next.keys().copied().collect();
        for table in tables {
            trees.members.entry(trees.root(table)).or_default().push(table);
        }
        trees
    }

    /// The table that represents the tree of `table`.
    pub(super) fn root(&self, mut table: DumpId) -> DumpId {
        while let Some(next) = self.next.get(&table).filter(|next| **next != table) {
            table = *next;
        }
        table
    }

    /// All tables of a partition tree that `table` is in; nothing where it is in none.
    pub(super) fn partitions(&self, table: DumpId) -> &[DumpId] {
        if self.parents.contains(&table) {
            self.members.get(&self.root(table)).map_or(&[], Vec::as_slice)
        } else {
            &[]
        }
    }

    fn join(&mut self, one: DumpId, other: DumpId) {
        let (one, other) = (self.root(one), self.root(other));
        // Both are entered, so that each is a member of its tree. The smaller number represents all: paths stay short, as most
        // trees are one parent with many children.
        let (root, leaf) = if one < other { (one, other) } else { (other, one) };
        self.next.insert(leaf, root);
        self.next.insert(root, root);
    }
}
