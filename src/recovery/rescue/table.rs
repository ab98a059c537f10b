//! A table of a backup with all that reading its rows needs to know.

use std::collections::HashMap;

use crate::archive::{Contents, DumpId, Entry, EntryKind};
use crate::error::{Error, Kind, Result};
use crate::model::manifest::Manifest;
use crate::model::rescue::column::{Column, ColumnKind};
use crate::model::rescue::definition::{DefinedTable, DefinedType, attached_to, domain_type, primary_key};
use crate::model::rescue::name::shown_relation;
use crate::recovery::object::corrupt;

/// Domains of domains, and parents of parents, are followed so far.
const DEEPEST: usize = 32;

/// Schema and name.
type QualifiedName = (String, String);

/// A table of a backup.
#[derive(Clone, Debug)]
pub(super) struct BackedUpTable {
    pub(super) schema: String,
    pub(super) name: String,
    /// Its stored columns.
    pub(super) columns: Vec<Column>,
    /// The places of the columns of its primary key among them; empty where it has none.
    pub(super) key: Vec<usize>,
    /// Where its rows are: in itself, or in its partitions.
    pub(super) parts: Vec<TablePart>,
    /// Whether a column is `GENERATED ALWAYS AS IDENTITY`.
    pub(super) overrides_identity: bool,
}

/// Rows of a table that are stored together.
#[derive(Clone, Debug)]
pub(super) struct TablePart {
    /// Its place among the manifest's tables.
    pub(super) place: usize,
    /// The entry of its rows.
    pub(super) id: DumpId,
    /// For each column of the table its place among the fields of a row.
    pub(super) order: Vec<usize>,
}

/// The entries of an archive that tables are found by.
struct TableDefinitions<'c> {
    tables: HashMap<(&'c str, &'c str), &'c Entry>,
    domains: HashMap<(&'c str, &'c str), &'c Entry>,
    rows: HashMap<(&'c str, &'c str), &'c Entry>,
    partitions: HashMap<QualifiedName, Vec<QualifiedName>>,
}

impl BackedUpTable {
    /// The table `schema.name`, which the backup holds.
    pub(super) fn of(manifest: &Manifest, contents: &Contents, schema: &str, name: &str) -> Result<Self> {
        let definitions = TableDefinitions::of(contents);
        let own = (schema.to_owned(), name.to_owned());
        let holders = definitions.holders(&own);
        let defined = definitions.table(&own).unwrap_or_default();
        if holders.is_empty() && !defined.is_partitioned {
            let message = format!(
                "{} holds no rows of {}",
                manifest.key,
                shown_relation(schema, name)
            );
            return Err(Error::new(Kind::Usage, message).hint(
                "they were left out when it was made; use another backup: `paycraft-dr list` shows them",
            ));
        }
        let kinds = definitions.kinds(&own, DEEPEST);
        let names = column_names(&defined, &holders);
        let columns: Vec<Column> = names
            .into_iter()
            .map(|name| Column {
                kind: kinds.get(&name).copied().unwrap_or(ColumnKind::Text),
                name,
            })
            .collect();
        let parts = holders.iter().map(|entry| part(manifest, entry, &columns));
        Ok(Self {
            parts: parts.collect::<Result<_>>()?,
            key: key_of(contents, schema, name, &columns),
            overrides_identity: overrides_identity(contents, schema, name),
            schema: own.0,
            name: own.1,
            columns,
        })
    }

    /// Its name for people.
    pub(super) fn shown(&self) -> String {
        shown_relation(&self.schema, &self.name)
    }
}

/// The tables that hold the rows of `schema.name`, by their places among the manifest's tables.
pub(super) fn holders(manifest: &Manifest, contents: &Contents, schema: &str, name: &str) -> Vec<usize> {
    let definitions = TableDefinitions::of(contents);
    let holders = definitions.holders(&(schema.to_owned(), name.to_owned()));
    holders
        .iter()
        .filter_map(|entry| place(manifest, entry))
        .collect()
}

fn names_of(entry: &Entry) -> (&str, &str) {
    (entry.schema.as_deref().unwrap_or_default(), &entry.tag)
}

fn place(manifest: &Manifest, rows: &Entry) -> Option<usize> {
    let (schema, name) = names_of(rows);
    let mut tables = manifest.tables.iter();
    tables.position(|table| table.schema == schema && table.name == name)
}

/// The columns in the order of the definition where that has all of them, and otherwise as they were copied.
fn column_names(defined: &DefinedTable, holders: &[&Entry]) -> Vec<String> {
    let Some(first) = holders.first() else {
        return defined.columns.iter().map(|(name, _)| name.clone()).collect();
    };
    let copied = first.copied_column_names();
    let mut in_order: Vec<String> = defined.columns.iter().map(|(name, _)| name.clone()).collect();
    in_order.retain(|name| copied.contains(name));
    match in_order.len() == copied.len() {
        true => in_order,
        false => copied,
    }
}

fn part(manifest: &Manifest, rows: &Entry, columns: &[Column]) -> Result<TablePart> {
    let (schema, name) = names_of(rows);
    let copied = rows.copied_column_names();
    let order: Option<Vec<usize>> = columns
        .iter()
        .map(|column| copied.iter().position(|copied| *copied == column.name))
        .collect();
    match (place(manifest, rows), order) {
        (Some(place), Some(order)) if order.len() == copied.len() => Ok(TablePart {
            place,
            id: rows.id,
            order,
        }),
        (None, _) => Err(corrupt(
            &manifest.key,
            &format!("its manifest does not know {}", shown_relation(schema, name)),
        )),
        _ => Err(corrupt(
            &manifest.key,
            &format!("the partition {} has other columns", shown_relation(schema, name)),
        )),
    }
}

fn key_of(contents: &Contents, schema: &str, name: &str, columns: &[Column]) -> Vec<usize> {
    // The tag of a constraint is that of its table, a blank, and its own.
    let is_its = |entry: &&Entry| {
        let (of, tag) = names_of(entry);
        entry.kind == EntryKind::Constraint
            && of == schema
            && tag.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '))
    };
    let mut keys = contents.entries.iter().filter(is_its);
    let key = keys.find_map(|entry| primary_key(&entry.definition));
    let places = key.into_iter().flatten();
    let places = places.map(|key| columns.iter().position(|column| column.name == key));
    places.collect::<Option<Vec<usize>>>().unwrap_or_default()
}

fn overrides_identity(contents: &Contents, schema: &str, name: &str) -> bool {
    let sequences = contents
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Sequence);
    let mut identities =
        sequences.filter(|entry| entry.definition.contains(" ADD GENERATED ALWAYS AS IDENTITY"));
    identities
        .any(|entry| attached_to(&entry.definition).is_some_and(|table| table.0 == schema && table.1 == name))
}

impl<'c> TableDefinitions<'c> {
    fn of(contents: &'c Contents) -> Self {
        let mut definitions = Self {
            tables: HashMap::new(),
            domains: HashMap::new(),
            rows: HashMap::new(),
            partitions: HashMap::new(),
        };
        for entry in &contents.entries {
            match entry.kind {
                EntryKind::Table => drop(definitions.tables.insert(names_of(entry), entry)),
                EntryKind::Domain => drop(definitions.domains.insert(names_of(entry), entry)),
                EntryKind::TableData => drop(definitions.rows.insert(names_of(entry), entry)),
                EntryKind::TableAttach => {
                    if let Some(parent) = attached_to(&entry.definition) {
                        let (schema, name) = names_of(entry);
                        let partitions = definitions.partitions.entry(parent).or_default();
                        partitions.push((schema.to_owned(), name.to_owned()));
                    }
                }
                _ => {}
            }
        }
        definitions
    }

    fn table(&self, name: &QualifiedName) -> Option<DefinedTable> {
        let entry = self.tables.get(&(name.0.as_str(), name.1.as_str()))?;
        Some(DefinedTable::parse(&entry.definition))
    }

    /// The entries that hold the rows of a table: its own, or those of its partitions and of theirs.
    fn holders(&self, name: &QualifiedName) -> Vec<&'c Entry> {
        let (mut holders, mut left) = (Vec::new(), vec![name]);
        while let Some(name) = left.pop() {
            match self.rows.get(&(name.0.as_str(), name.1.as_str())) {
                Some(rows) => holders.push(*rows),
                // A partition is attached once, so this ends.
                None => left.extend(self.partitions.get(name).into_iter().flatten()),
            }
        }
        holders.sort_by_key(|entry| entry.id);
        holders
    }

    /// What the values of each column are, also of those that come from parents.
    fn kinds(&self, name: &QualifiedName, depth: usize) -> HashMap<String, ColumnKind> {
        let Some(defined) = self.table(name).filter(|_| depth > 0) else {
            return HashMap::new();
        };
        let mut kinds = HashMap::new();
        for parent in &defined.parents {
            kinds.extend(self.kinds(parent, depth - 1));
        }
        for (column, defined) in defined.columns {
            kinds.insert(column, self.kind(defined, DEEPEST));
        }
        kinds
    }

    fn kind(&self, defined: DefinedType, depth: usize) -> ColumnKind {
        match defined {
            DefinedType::Known(kind) => kind,
            DefinedType::Named(schema, name) => {
                let domain = self.domains.get(&(schema.as_str(), name.as_str()));
                let below = domain.and_then(|entry| domain_type(&entry.definition));
                match below.filter(|_| depth > 0) {
                    Some(below) => self.kind(below, depth - 1),
                    None => ColumnKind::Text,
                }
            }
        }
    }
}
