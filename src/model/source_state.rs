//! The tables and definitions of a source at one moment, and what another moment shows to be changed.

use std::collections::HashMap;

/// The kind of a table whose rows a dump reads.
pub const TABLE: &str = "table";
/// The kinds of which COPY reads names while it writes rows.
const READ_WITH_ROWS: [&str; 3] = [TABLE, "type", "enum label"];

/// One table or definition of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceObject {
    /// What it is, in plain words: `table`, `index`, `function`, …
    pub kind: String,
    /// Its oid, which is unique among those of its kind.
    pub oid: u32,
    /// Its name, with its schema where it has one of its own.
    pub name: String,
    /// What is another one after each change that a dump must not meet halfway: of a table the file with its rows, of a
    /// definition the transaction that wrote it.
    pub version: String,
}

/// Which objects a comparison is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerned {
    /// All: while definitions are read.
    Definitions,
    /// Tables and types: while rows are read.
    Rows,
}

impl Concerned {
    /// Whether objects of that kind are among them.
    pub fn concerns(self, kind: &str) -> bool {
        match self {
            Self::Definitions => true,
            Self::Rows => READ_WITH_ROWS.contains(&kind),
        }
    }
}

/// The tables and definitions of a database at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState(pub Vec<SourceObject>);

impl SourceState {
    /// What a `later` state shows to be changed, renamed or dropped, one fragment for each object. What came since this state is
    /// no change: a dump of this state does not see it.
    pub fn changes(&self, later: &Self, concerned: Concerned) -> Vec<String> {
        let found: HashMap<(&str, u32), &SourceObject> = later
            .0
            .iter()
            .map(|object| ((object.kind.as_str(), object.oid), object))
            .collect();
        self.0
            .iter()
            .filter(|object| concerned.concerns(&object.kind))
            .filter_map(|object| {
                let SourceObject { kind, oid, name, .. } = object;
                match found.get(&(kind.as_str(), *oid)) {
                    None => Some(format!("{kind} {name} was dropped")),
                    Some(found) if found.name != *name => {
                        Some(format!("{kind} {name} was renamed to {}", found.name))
                    }
                    Some(found) if found.version == object.version => None,
                    Some(_) if kind == TABLE => Some(format!("{kind} {name} was rewritten or truncated")),
                    Some(_) => Some(format!("{kind} {name} was changed")),
                }
            })
            .collect()
    }

    /// Takes the tables out whose names (`schema.table`) are left out of a dump.
    pub fn forget_tables(&mut self, is_left_out: impl Fn(&str) -> bool) {
        self.0
            .retain(|object| object.kind != TABLE || !is_left_out(&object.name));
    }
}
