//! The backups in a store, told from its listing.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::model::key::{BackupKey, KeyMeaning, Selector};

/// How far something in the store can be trusted to be a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Object and manifest are there.
    Attested,
    /// An object without a manifest that this program did not make: the shell workflow's.
    Unattested,
    /// The leftover of a crash: an object of ours without its manifest, or a manifest without its object.
    Orphan,
}

/// One object as a listing tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What a store holds under one backup's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// The backup's key.
    pub key: BackupKey,
    /// Size of the object in bytes, where there is one.
    pub stored_bytes: Option<u64>,
    /// Whether a manifest is there.
    pub has_manifest: bool,
}

impl Found {
    /// Whether both halves of a backup are there.
    pub fn is_attested(&self) -> bool {
        self.has_manifest && self.stored_bytes.is_some()
    }
}

/// What `listing` holds, newest first. Keys that are not ours are passed over, and the listing's order does not matter.
pub fn read_listing(listing: &[Listed]) -> Vec<Found> {
    let mut found: BTreeMap<BackupKey, Found> = BTreeMap::new();
    for object in listing {
        let (key, is_object) = match BackupKey::read(&object.key) {
            KeyMeaning::Object(key) => (key, true),
            KeyMeaning::Manifest(key) => (key, false),
            KeyMeaning::Foreign => continue,
        };
        let entry = found.entry(key).or_insert(Found {
            key,
            stored_bytes: None,
            has_manifest: false,
        });
        if is_object {
            entry.stored_bytes = Some(object.bytes);
        } else {
            entry.has_manifest = true;
        }
    }
    found.into_values().rev().collect()
}

/// The backup that `selector` means among `found` (newest first): an attested one where there is any, otherwise the newest
/// object without a manifest. Whoever reads that one finds out whether it is whole.
pub fn choose(found: &[Found], selector: Selector) -> Result<Found> {
    let wanted = |candidate: &&Found| match selector {
        Selector::Latest => true,
        Selector::Day(day) => candidate.key.day() == day,
        Selector::Key(key) => candidate.key == key,
    };
    let mut attested = found.iter().filter(|found| found.is_attested());
    let wanted_found = || found.iter().filter(wanted);
    let chosen = wanted_found()
        .find(|found| found.is_attested())
        .or_else(|| wanted_found().find(|found| found.stored_bytes.is_some()));
    if let Some(chosen) = chosen {
        return Ok(*chosen);
    }
    let error = match wanted_found().next() {
        Some(near) => Error::new(
            Kind::Corrupt,
            format!("{} has a manifest and no object", near.key),
        ),
        None if found.is_empty() => Error::new(Kind::Store, "the bucket holds no backup"),
        None => Error::new(Kind::Store, format!("there is no backup for {selector}")),
    };
    Err(match attested.next() {
        Some(newest) => error.hint(format!("the newest attested backup is {}", newest.key)),
        None if found.is_empty() => {
            error.hint("make one with `paycraft-dr backup`, and check the bucket's name")
        }
        None => error.hint("`paycraft-dr list` shows what is there"),
    })
}
