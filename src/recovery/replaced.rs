//! What a target holds beside what a restore replaces: it is refused by name, before anything is dropped.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::Entry;
use crate::error::{Error, Kind, Result};
use crate::model::manifest::Manifest;
use crate::model::profile::Profile;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::clearing::{UserContents, UserObject};

/// How many objects a refusal names.
pub(super) const NAMED: usize = 5;

/// What shares its names: a view may have been a table before.
fn namespace(kind: &str) -> &str {
    match kind {
        "TABLE" | "FOREIGN TABLE" | "VIEW" | "MATERIALIZED VIEW" | "SEQUENCE" => "relation",
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => "routine",
        "TYPE" | "DOMAIN" | "SHELL TYPE" => "type",
        kind => kind,
    }
}

pub(super) fn key(object: &UserObject) -> (&str, &str, &str) {
    (namespace(&object.kind), &object.schema, &object.name)
}

pub(super) fn key_of_entry(entry: &Entry) -> (&str, &str, &str) {
    let schema = entry.schema.as_deref().unwrap_or_default();
    (namespace(entry.kind.as_str()), schema, &entry.tag)
}

/// Refuses where the target holds what the backup does not contain: restoring would neither replace nor remove it.
///
/// Large objects have no names: those of the target are an older state of the backup's, where it has any.
/// An extension that the backup lacks is left where it is, with its schema, unless the backup makes that schema.
pub(super) fn check_replaced(target: &Conninfo, present: &UserContents, manifest: &Manifest) -> Result<()> {
    // Operators of one name differ in what they take, which no name of an entry tells: so many may be there as the backup has.
    let mut contained: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for entry in &manifest.entries {
        *contained
            .entry((namespace(&entry.kind), &entry.schema, &entry.name))
            .or_default() += 1;
    }
    let schemas = manifest.entries.iter().filter(|entry| entry.kind == "SCHEMA");
    let schemas: BTreeSet<&str> = schemas.map(|entry| entry.name.as_str()).collect();
    let mut strangers = Vec::new();
    for object in &present.objects {
        let left = contained.get_mut(&key(object)).filter(|left| **left > 0);
        if let Some(left) = left {
            *left -= 1;
            continue;
        }
        let is_beside = match object.kind.as_str() {
            "EXTENSION" => !schemas.contains(object.place.as_str()),
            _ => object.has_extension,
        };
        if !is_beside {
            strangers.push(object.to_string());
        }
    }
    if manifest.large_objects.rows == 0 {
        let oids = present.large_objects.iter();
        strangers.extend(oids.map(|oid| format!("large object {oid}")));
    }
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
    .hint("drop these yourself if they are not needed, or restore into another database"))
}

/// Which parts of a target are looked at: not what a platform makes.
pub(super) fn without_platforms(mut present: UserContents, profile: Profile) -> UserContents {
    present.objects.retain(|object| match object.kind.as_str() {
        _ if profile == Profile::Plain => true,
        "EXTENSION" => false,
        "SCHEMA" => !profile.owns_schema(&object.name),
        "EVENT TRIGGER" => object.is_ours && !profile.owns_schema(&object.place),
        "PUBLICATION" => object.is_ours && !object.name.starts_with("supabase_"),
        _ if object.schema.is_empty() => object.is_ours,
        _ => !profile.owns_schema(&object.schema),
    });
    present
}
