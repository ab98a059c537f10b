//! Making room in a target that holds an older state of what is restored, or what an earlier restore left of it.
//!
//! `pg_restore --clean` drops what it can in an order of its own and stops at partition keys and at objects that others depend
//! on. Here the target's own catalog tells what it holds. All of it that the backup contains is dropped, with what is a part of it.
//! What the backup does not contain is refused by name before anything is dropped.

use std::collections::{BTreeSet, HashMap};

use super::guard::ClearedTarget;
use super::platform::Selection;
use super::replaced::{NAMED, key, key_of_entry};
use crate::archive::{Contents, EntryKind};
use crate::error::{Error, Kind, Result};
use crate::postgres::queries;
use crate::postgres::queries::clearing::UserObject;
use crate::postgres::queries::dropping::{delete_rows, dependents};
use crate::postgres::rights::Name;

/// What is dropped and removed from a target, decided before the first change.
#[derive(Debug)]
pub(super) struct Room {
    objects: Vec<UserObject>,
    large_objects: Vec<u32>,
    deletes: Vec<String>,
    /// Schemas of the backup that stay, as an extension is in them.
    pub(super) kept_schemas: Vec<String>,
}

impl Room {
    /// Decides what goes: all that the selected entries define, and the rows of the platform's tables that are filled. Refuses where
    /// something else would go with it.
    pub(super) async fn plan(
        target: &ClearedTarget,
        contents: &Contents,
        selection: &Selection,
    ) -> Result<Self> {
        let session = target.session();
        let present = queries::clearing::user_objects(session).await?;
        let made: BTreeSet<(&str, &str, &str)> = contents
            .entries
            .iter()
            .filter(|entry| selection.keeps(entry.id))
            .map(key_of_entry)
            .collect();
        let ours = present
            .objects
            .into_iter()
            .filter(|object| made.contains(&key(object)) && !target.profile().owns_schema(&object.schema));
        let (kept, objects): (Vec<UserObject>, Vec<UserObject>) =
            ours.partition(|object| object.kind == "EXTENSION" || object.has_extension);
        let kept_schemas = kept.into_iter().filter(|object| object.kind == "SCHEMA");
        let room = Self {
            objects,
            large_objects: present.large_objects,
            deletes: deletes(target, selection).await?,
            kept_schemas: kept_schemas.map(|object| object.name).collect(),
        };
        room.check(target).await?;
        Ok(room)
    }

    async fn check(&self, target: &ClearedTarget) -> Result<()> {
        let objects: Vec<&UserObject> = self.objects.iter().collect();
        let gone = dependents(target.session(), &objects).await?;
        let others = gone
            .into_iter()
            .filter(|gone| gone.is_extension || target.profile().owns_schema(&gone.schema));
        let others: Vec<String> = others.map(|other| other.told).collect();
        if others.is_empty() {
            return Ok(());
        }
        let message = format!(
            "what the backup replaces in {} cannot be dropped without {}",
            target.conninfo(),
            others[..others.len().min(NAMED)].join(", ")
        );
        Err(Error::new(Kind::Refused, message)
            .hint("make that independent of what the backup replaces, or restore into another database"))
    }

    /// Drops and removes it. `about_to_commit` is called before the first change is permanent.
    pub(super) async fn make(&self, target: &ClearedTarget, about_to_commit: impl FnOnce()) -> Result<()> {
        let objects: Vec<&UserObject> = self.objects.iter().collect();
        queries::dropping::drop_objects(
            target.session(),
            &objects,
            &self.large_objects,
            &self.deletes,
            about_to_commit,
        )
        .await
    }
}

/// The statements that remove rows of the platform's tables: where an extension brings rows itself, these stay.
async fn deletes(target: &ClearedTarget, selection: &Selection) -> Result<Vec<String>> {
    let configured = queries::configuration::configuration_tables(target.session()).await?;
    let filled = selection.filled().iter();
    Ok(filled
        .map(|table| delete_rows(table, configured.get(table).map(String::as_str)))
        .collect())
}

/// Tables of extensions of which the archive holds a user's rows, with the condition that tells these; as far as the target has them.
async fn configured(
    target: &ClearedTarget,
    contents: &Contents,
    selection: &Selection,
) -> Result<HashMap<Name, String>> {
    let mut tables = queries::configuration::configuration_tables(target.session()).await?;
    let rows: BTreeSet<(&str, &str)> = contents
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::TableData && selection.keeps(entry.id))
        .map(|entry| (entry.schema.as_deref().unwrap_or_default(), entry.tag.as_str()))
        .collect();
    tables.retain(|table, _| {
        rows.contains(&(table.0.as_str(), table.1.as_str())) && !selection.filled().contains(table)
    });
    Ok(tables)
}

/// Refuses a target with a user's rows in the tables of its extensions, which no other table shows.
pub(super) async fn check_configuration(
    target: &ClearedTarget,
    contents: &Contents,
    selection: &Selection,
) -> Result<()> {
    for (table, condition) in configured(target, contents, selection).await? {
        if queries::platform::holds_rows(target.session(), &table, Some(&condition)).await? {
            let message = format!(
                "{} holds rows already in {}.{}, a table of an extension",
                target.conninfo(),
                table.0,
                table.1
            );
            let hint =
                "restore into an empty database, or add --clean to replace the rows that the backup contains";
            return Err(Error::new(Kind::Refused, message).hint(hint));
        }
    }
    Ok(())
}

/// Removes a user's rows from the tables of the target's extensions, which stay when all else is dropped. Those that an extension
/// brings itself stay too.
pub(super) async fn empty_configuration(
    target: &ClearedTarget,
    contents: &Contents,
    selection: &Selection,
) -> Result<()> {
    let mut deletes = Vec::new();
    for (table, condition) in configured(target, contents, selection).await? {
        // Not every role may delete, and seldom is there anything.
        if queries::platform::holds_rows(target.session(), &table, Some(&condition)).await? {
            deletes.push(delete_rows(&table, Some(&condition)));
        }
    }
    queries::configuration::delete(target.session(), &deletes).await
}
