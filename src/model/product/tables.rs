//! Tables whose rows are counted by name, and what their counts are held to.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

/// A table that is counted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenTable")]
pub struct CountedTable {
    pub schema: Cow<'static, str>,
    pub name: Cow<'static, str>,
    /// What its count is held to.
    pub rule: CountRule,
}

/// What the rows of a table are held to, where two databases are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountRule {
    /// They are as many in both.
    #[default]
    Exact,
    /// They differ by so many at most.
    Within(u64),
    /// They are so many in every database.
    Always(u64),
}

/// The tables that are counted, in the order in which they are told.
#[derive(Clone, Debug)]
pub enum CountedTables {
    /// Those that the program knows.
    Known(&'static [CountedTable]),
    /// Those of a configuration.
    Configured(Vec<CountedTable>),
}

/// The rows of each counted table, where it is there.
pub type TableCounts = BTreeMap<String, Option<u64>>;

impl CountedTables {
    /// No table is counted.
    pub const NONE: Self = Self::Known(&[]);

    pub fn iter(&self) -> std::slice::Iter<'_, CountedTable> {
        match self {
            Self::Known(tables) => tables.iter(),
            Self::Configured(tables) => tables.iter(),
        }
    }
}

impl PartialEq for CountedTables {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl Eq for CountedTables {}

/// Each table is known by its short name, so no two of them have the same.
impl TryFrom<Vec<CountedTable>> for CountedTables {
    type Error = String;

    fn try_from(tables: Vec<CountedTable>) -> Result<Self, String> {
        let mut names = BTreeSet::new();
        match tables.iter().find(|table| !names.insert(table.short_name())) {
            Some(table) => Err(format!("two counted tables are called {:?}", table.short_name())),
            None => Ok(Self::Configured(tables)),
        }
    }
}

impl<'a> IntoIterator for &'a CountedTables {
    type Item = &'a CountedTable;
    type IntoIter = std::slice::Iter<'a, CountedTable>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl CountedTable {
    /// Whether it is the table of this schema and name.
    pub fn is(&self, schema: &str, name: &str) -> bool {
        self.schema == schema && self.name == name
    }

    /// Its name, with its schema where that is not `public`.
    pub fn short_name(&self) -> String {
        short_name(&self.schema, &self.name)
    }
}

/// A table's name as an operator types it: with its schema where that is not `public`.
pub fn short_name(schema: &str, name: &str) -> String {
    match schema {
        "public" => name.to_owned(),
        schema => format!("{schema}.{name}"),
    }
}

/// With its schema.
impl fmt::Display for CountedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// As a configuration writes it.
impl fmt::Display for CountRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("exact"),
            Self::Within(rows) => write!(f, "within = {rows}"),
            Self::Always(rows) => write!(f, "always = {rows}"),
        }
    }
}

/// A table as a configuration writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTable {
    name: String,
    #[serde(default = "public")]
    schema: String,
    exact: Option<bool>,
    within: Option<u64>,
    always: Option<u64>,
}

fn public() -> String {
    "public".to_owned()
}

impl TryFrom<WrittenTable> for CountedTable {
    type Error = String;

    fn try_from(written: WrittenTable) -> Result<Self, String> {
        let WrittenTable {
            name,
            schema,
            exact,
            within,
            always,
        } = written;
        if name.is_empty() || schema.is_empty() {
            return Err("a counted table has a name and a schema that are not empty".to_owned());
        }
        let rule = match (exact, within, always) {
            (None | Some(true), None, None) => CountRule::Exact,
            (None, Some(rows), None) => CountRule::Within(rows),
            (None, None, Some(rows)) => CountRule::Always(rows),
            _ => {
                return Err(format!(
                    "table {name:?}: write one of exact = true, within = N, always = N"
                ));
            }
        };
        Ok(Self {
            schema: schema.into(),
            name: name.into(),
            rule,
        })
    }
}
