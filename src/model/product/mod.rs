//! What is known of one product: its name, its production, the tables that are counted, what is promised, and where backups are kept.
//!
//! A configuration that names no product is PayCraft's. Another product begins empty: nothing of PayCraft's holds for it, but that
//! PayCraft's production is never written.

pub mod paycraft;

mod draft;
mod names;
mod section;
mod tables;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::draft::Draft;
pub use self::names::general_name;
pub use self::tables::{CountRule, CountedTable, CountedTables, TableCounts, short_name};
use super::objective::Objectives;
use super::schedule::Schedule;

/// A product and its promises.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "section::ProductSection")]
pub struct Product {
    /// Its name, for people.
    pub name: String,
    /// By what its production is known.
    pub production: ProductionIdentities,
    /// The tables that are counted.
    pub tables: CountedTables,
    pub objectives: Objectives,
    /// When backups and drills are due.
    pub schedule: Schedule,
    /// The bucket of its backups, where the configuration names one.
    pub bucket: Option<String>,
    /// What the keys of its backups begin with, where the configuration says it.
    pub prefix: Option<String>,
}

/// What tells that a database is production, each by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProductionIdentities {
    /// Names or addresses of its hosts.
    pub hosts: BTreeSet<String>,
    /// Names of its databases, on any host.
    pub databases: BTreeSet<String>,
    /// References of its Supabase projects.
    pub projects: BTreeSet<String>,
    /// System identifiers of its clusters, as `pg_control_system()` tells them.
    pub system_identifiers: BTreeSet<String>,
}

impl Product {
    /// A product of this name of which nothing else is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            tables: CountedTables::NONE,
            ..Self::default()
        }
    }

    /// Whether it is the product that this program was made for, whose names for settings are its own.
    pub fn is_paycraft(&self) -> bool {
        self.name == paycraft::NAME
    }
}
