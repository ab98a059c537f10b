//! What a backup held, in the numbers that one day is compared with the day before.

use std::collections::{BTreeMap, BTreeSet};

use super::manifest::Manifest;

/// Tables with their rows, and the size of the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Rows of each table, by schema and name.
    pub tables: BTreeMap<(String, String), u64>,
    /// Tables that are partitions of others: these come and go with time.
    pub partitions: BTreeSet<(String, String)>,
    /// Size of the archive, uncompressed, in bytes.
    pub raw_bytes: u64,
}

impl Shape {
    /// The shape of the backup that `manifest` describes.
    pub fn of(manifest: &Manifest) -> Self {
        let tables = manifest.tables.iter();
        let attached = manifest
            .entries
            .iter()
            .filter(|entry| entry.kind == "TABLE ATTACH");
        Self {
            tables: tables
                .map(|table| ((table.schema.clone(), table.name.clone()), table.content.rows))
                .collect(),
            partitions: attached
                .map(|entry| (entry.schema.clone(), entry.name.clone()))
                .collect(),
            raw_bytes: manifest.raw_bytes,
        }
    }

    /// Rows in all tables.
    pub fn rows(&self) -> u64 {
        self.tables.values().sum()
    }

    /// Rows of a table, where it is there.
    pub fn rows_of(&self, schema: &str, name: &str) -> Option<u64> {
        self.tables.get(&(schema.to_owned(), name.to_owned())).copied()
    }
}
