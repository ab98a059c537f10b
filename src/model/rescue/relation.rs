//! The table of a backup that a person means.

use std::collections::BTreeMap;

use super::name::{RelationName, shown_relation};
use crate::error::{Error, Kind, Result};
use crate::model::manifest::Manifest;
use crate::model::nearest::nearest_few;

/// So many tables are named where the one that is meant is not among them.
const NAMED: usize = 20;
/// So many of them that may be meant.
const NEAR: usize = 3;

/// What pg_dump calls a relation without rows of its own, and what people do.
const WITHOUT_ROWS: [(&str, &str); 4] = [
    ("VIEW", "a view"),
    ("MATERIALIZED VIEW", "a materialized view"),
    ("FOREIGN TABLE", "a foreign table"),
    ("SEQUENCE", "a sequence"),
];

/// The relations of a backup by schema and name, each with what it is where it has no rows of its own.
type Relations<'m> = BTreeMap<(&'m str, &'m str), Option<&'static str>>;

fn relations(manifest: &Manifest) -> Relations<'_> {
    let mut relations = Relations::new();
    for entry in &manifest.entries {
        let without = WITHOUT_ROWS.iter().find(|(kind, _)| *kind == entry.kind);
        if entry.kind == "TABLE" || without.is_some() {
            relations.insert((&entry.schema, &entry.name), without.map(|(_, what)| *what));
        }
    }
    for table in &manifest.tables {
        relations.insert((&table.schema, &table.name), None);
    }
    relations
}

/// Schema and name of the table of `manifest` that `typed` means. It may be one whose rows are all in its partitions.
pub fn find(manifest: &Manifest, typed: &RelationName) -> Result<(String, String)> {
    find_if_any(manifest, typed)?.ok_or_else(|| unknown(manifest, typed))
}

/// The same, or nothing where there is none of that name.
pub fn find_if_any(manifest: &Manifest, typed: &RelationName) -> Result<Option<(String, String)>> {
    let relations = relations(manifest);
    let meant = |is: &dyn Fn(&str, &str) -> bool| -> Vec<(&str, &str)> {
        let names = relations.keys().copied();
        names.filter(|(schema, name)| is(schema, name)).collect()
    };
    let mut found = meant(&|schema, name| typed.is(schema, name));
    if found.is_empty() {
        found = meant(&|schema, name| typed.is_typed(schema, name));
    }
    match found[..] {
        [(schema, name)] => match relations.get(&(schema, name)).copied().flatten() {
            None => Ok(Some((schema.to_owned(), name.to_owned()))),
            Some(what) => Err(Error::new(
                Kind::Usage,
                format!(
                    "{} is {what}: a backup holds no rows of it",
                    shown_relation(schema, name)
                ),
            )
            .hint("name the tables that it reads, or restore the backup and ask it there")),
        },
        [] => Ok(None),
        ref several => {
            let names: Vec<String> = several
                .iter()
                .map(|(schema, name)| shown_relation(schema, name))
                .collect();
            Err(
                Error::new(Kind::Usage, format!("{typed} may be {}", names.join(", ")))
                    .hint("write SCHEMA.TABLE"),
            )
        }
    }
}

fn unknown(manifest: &Manifest, typed: &RelationName) -> Error {
    let message = format!("{} holds no table {typed}", manifest.key);
    Error::new(Kind::Usage, message).hint(near(manifest, typed))
}

/// The hint of a name that no table has: which may be meant, or which there are.
pub fn near(manifest: &Manifest, typed: &RelationName) -> String {
    let relations = relations(manifest);
    let tables: Vec<String> = relations
        .iter()
        .filter(|(_, without)| without.is_none())
        .map(|((schema, name), _)| shown_relation(schema, name))
        .collect();
    let mut near = nearest_few(&typed.to_string(), tables.iter().map(String::as_str), NEAR);
    if near.is_empty() {
        let name = &typed.name.typed;
        let named = relations.iter().filter(|(_, without)| without.is_none());
        let near_names = nearest_few(name, named.map(|((_, name), _)| *name), NEAR);
        let is_near = |table: &&str| near_names.iter().any(|name| table.ends_with(name));
        near = tables
            .iter()
            .map(String::as_str)
            .filter(is_near)
            .take(NEAR)
            .collect();
    }
    match (near.is_empty(), tables.len()) {
        (false, _) => format!("did you mean {}?", near.join(" or ")),
        (true, 0) => "it holds no table at all".to_owned(),
        (true, 1..=NAMED) => format!("it holds {}", tables.join(", ")),
        (true, count) => format!("it holds {count} tables, such as {}", tables[..NAMED].join(", ")),
    }
}
