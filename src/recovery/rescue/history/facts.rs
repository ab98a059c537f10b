//! What the manifest of one backup says of a table.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::archive::Contents;
use crate::error::{Error, Result};
use crate::model::catalog::StoredBackup;
use crate::model::fingerprint::Fingerprint;
use crate::model::key::BackupKey;
use crate::model::manifest::{EntryDigest, Framing, Manifest, Source};
use crate::model::rescue::name::RelationName;
use crate::model::rescue::relation;
use crate::model::sha256_sum::Sha256Sum;
use crate::recovery::rescue::table::holders;
use crate::recovery::{manifests, object};
use crate::store::Store;

/// Kinds of entries that belong to a table, and whose name begins with the table's.
const OF_A_TABLE: [&str; 6] = [
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "DEFAULT",
    "FK CONSTRAINT",
    "RULE",
    "TRIGGER",
];

/// One backup.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) key: BackupKey,
    pub(super) started_at: Timestamp,
    pub(super) source: Source,
    /// Whether the source was recorded when the backup was made.
    pub(super) is_recorded: bool,
    /// The table, where it is in it.
    pub(super) table: Option<TableFacts>,
    /// Why the name cannot mean one there: it may mean several, or a view.
    pub(super) refusal: Option<Error>,
    /// Which may be meant where it is not.
    pub(super) near: Option<String>,
}

/// A table in one backup.
#[derive(Clone, Debug)]
pub(super) struct TableFacts {
    pub(super) schema: String,
    pub(super) name: String,
    /// Its rows, those of all partitions together.
    pub(super) content: Fingerprint,
    /// The columns that rows were copied with.
    pub(super) columns: String,
    /// A digest of its definition, its constraints and its triggers.
    pub(super) definition: Sha256Sum,
}

/// Which tables hold the rows of the partitioned table that is followed, for each way in which tables were attached.
#[derive(Debug, Default)]
pub(super) struct PartitionTrees(HashMap<Sha256Sum, Vec<(String, String)>>);

/// What the `manifest` of a backup says of the table that `typed` means. Its blocks need not be there.
pub(super) async fn facts_of(
    store: &Store,
    found: StoredBackup,
    manifest: &Manifest,
    typed: &RelationName,
    trees: &mut PartitionTrees,
) -> Result<Facts> {
    let (found_table, refusal) = match relation::find_if_any(manifest, typed) {
        Ok(found) => (found, None),
        Err(refusal) => (None, Some(refusal)),
    };
    let table = match found_table {
        None => None,
        Some((schema, name)) => {
            let (content, columns) = content_of(store, found.key, manifest, &schema, &name, trees).await?;
            Some(TableFacts {
                content,
                columns,
                definition: definition_of(manifest, &schema, &name),
                schema,
                name,
            })
        }
    };
    Ok(Facts {
        key: found.key,
        started_at: manifest.started_at,
        source: manifest.source.clone(),
        is_recorded: manifest.framing == Framing::Members,
        near: table.is_none().then(|| relation::near(manifest, typed)),
        refusal,
        table,
    })
}

async fn content_of(
    store: &Store,
    key: BackupKey,
    manifest: &Manifest,
    schema: &str,
    name: &str,
    trees: &mut PartitionTrees,
) -> Result<(Fingerprint, String)> {
    let own = manifest
        .tables
        .iter()
        .find(|table| table.schema == schema && table.name == name);
    if let Some(own) = own {
        return Ok((own.content, own.columns.clone()));
    }
    let attached = attached(manifest);
    let holders: &[_] = match trees.0.entry(attached) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => {
            let whole = manifests::read(store, key).await?;
            let contents = object::contents(store, &whole).await?;
            place.insert(holder_names(&whole, &contents, schema, name))
        }
    };
    let is_one = |schema: &str, name: &str| {
        holders
            .iter()
            .any(|holder| (&*holder.0, &*holder.1) == (schema, name))
    };
    let parts = manifest
        .tables
        .iter()
        .filter(|table| is_one(&table.schema, &table.name));
    let content = parts.clone().map(|table| table.content);
    let content = content.fold(Fingerprint::default(), Fingerprint::and);
    let columns = parts.map(|table| table.columns.as_str()).next();
    Ok((content, columns.unwrap_or_default().to_owned()))
}

fn holder_names(manifest: &Manifest, contents: &Contents, schema: &str, name: &str) -> Vec<(String, String)> {
    let places = holders(manifest, contents, schema, name).into_iter();
    let named = places.map(|place| &manifest.tables[place]);
    named
        .map(|table| (table.schema.clone(), table.name.clone()))
        .collect()
}

fn attached(manifest: &Manifest) -> Sha256Sum {
    let attached = manifest
        .entries
        .iter()
        .filter(|entry| entry.kind == "TABLE ATTACH");
    digest(attached)
}

fn definition_of(manifest: &Manifest, schema: &str, name: &str) -> Sha256Sum {
    let is_its = |entry: &&EntryDigest| {
        entry.schema == schema
            && match entry.kind.as_str() {
                "TABLE" => entry.name == name,
                kind => {
                    let rest = entry.name.strip_prefix(name);
                    OF_A_TABLE.contains(&kind) && rest.is_some_and(|rest| rest.starts_with(' '))
                }
            }
    };
    digest(manifest.entries.iter().filter(is_its))
}

fn digest<'e>(entries: impl Iterator<Item = &'e EntryDigest>) -> Sha256Sum {
    let mut entries: Vec<&EntryDigest> = entries.collect();
    entries.sort();
    let mut sum = Sha256::new();
    for entry in entries {
        for part in [&entry.kind, &entry.schema, &entry.name, &entry.digest.to_string()] {
            sum.update(part.as_bytes());
            sum.update([0]);
        }
    }
    Sha256Sum::finish(sum)
}
