//! Making room in a target that holds an older state of what is restored.
//!
//! `pg_restore --clean` drops what it can in an order of its own and stops at partition keys and at objects that others depend
//! on. Here everything the archive creates is dropped in one transaction, with what depends on it, or nothing is.

use std::collections::BTreeSet;

use crate::archive::{Contents, Entry};
use crate::error::{Error, Kind, Result};
use crate::model::manifest::Manifest;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::queries::clearing::UserObject;
use crate::postgres::rights::Name;
use crate::postgres::session::Session;

/// What stands by itself; everything else goes with the object it belongs to.
const DROPPED_KINDS: [&str; 21] = [
    "TABLE",
    "FOREIGN TABLE",
    "VIEW",
    "MATERIALIZED VIEW",
    "SEQUENCE",
    "FUNCTION",
    "PROCEDURE",
    "AGGREGATE",
    "TYPE",
    "DOMAIN",
    "COLLATION",
    "CONVERSION",
    "OPERATOR",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "PUBLICATION",
    "EVENT TRIGGER",
    "SERVER",
    "FOREIGN DATA WRAPPER",
    "STATISTICS",
    "SCHEMA",
];
/// How many objects a refusal names.
const NAMED: usize = 5;

/// Refuses where the target holds what the backup does not contain: restoring would neither replace nor remove it.
pub(super) fn check_replaced(target: &Conninfo, present: &[UserObject], manifest: &Manifest) -> Result<()> {
    let contained: BTreeSet<(&str, &str)> = manifest
        .entries
        .iter()
        .map(|entry| (entry.schema.as_str(), entry.name.as_str()))
        .collect();
    let holds_large_objects = manifest.large_objects.rows > 0;
    let strangers: Vec<String> = present
        .iter()
        .filter(|object| match object {
            UserObject::Named { schema, name } => !contained.contains(&(schema.as_str(), name.as_str())),
            UserObject::Large(_) => !holds_large_objects,
        })
        .map(ToString::to_string)
        .collect();
    if strangers.is_empty() {
        return Ok(());
    }
    let named = strangers[..strangers.len().min(NAMED)].join(", ");
    let more = match strangers.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(Error::new(
        Kind::Refused,
        format!("{target} holds what the backup does not contain: {named}{more}"),
    )
    .hint("drop these yourself if nobody needs them, or restore into another database"))
}

/// Drops everything that `entries` create, the rows of the tables `emptied`, which stay, and every large object. One transaction:
/// all of it or nothing, and nothing before `about_to_commit` is called.
pub(super) async fn drop_contained(
    session: &Session,
    entries: impl DoubleEndedIterator<Item = &Entry>,
    contents: &Contents,
    emptied: &[Name],
    about_to_commit: impl FnOnce(),
) -> Result<()> {
    let holds_large_objects = contents
        .entries
        .iter()
        .any(|entry| matches!(entry.kind.as_str(), "BLOB" | "BLOB METADATA" | "BLOBS"));
    let deletes = emptied.iter().map(queries::clearing::delete_all);
    let drops: Vec<String> = deletes.chain(entries.rev().filter_map(drop_if_there)).collect();
    queries::clearing::drop_objects(session, &drops, holds_large_objects, about_to_commit).await
}

/// `DROP TABLE public.tenants;` as a statement that is content where nothing is there, and takes what depends on it along.
fn drop_if_there(entry: &Entry) -> Option<String> {
    if !DROPPED_KINDS.contains(&entry.kind.as_str()) {
        return None;
    }
    let verb = format!("DROP {} ", entry.kind);
    let name = entry
        .drop_statement
        .trim_end()
        .strip_suffix(';')?
        .strip_prefix(&verb)?;
    Some(format!("{verb}IF EXISTS {name} CASCADE"))
}
