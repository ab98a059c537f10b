//! The backups in a store.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::attest;
use crate::error::{Error, Kind, Result};
use crate::model::catalog::{Condition, Found, State, choose, read_listing};
use crate::model::key::{BackupKey, Selector};
use crate::model::manifest::Manifest;
use crate::model::timeline::{Event, Observer};
use crate::store::Store;

/// The index of a very large backup fits; anything larger is no manifest of ours.
const MANIFEST_LIMIT_BYTES: u64 = 64 << 20;
/// How many manifests and objects are asked about at the same time.
pub(super) const LOOKUPS_AT_ONCE: usize = 8;

/// One line of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cataloged {
    /// The object's key.
    pub key: BackupKey,
    /// The day it began (UTC).
    pub day: Date,
    /// How far it can be trusted.
    pub state: State,
    /// Its age in seconds.
    pub age_seconds: i64,
    /// The object's size in bytes, where there is one.
    pub stored_bytes: Option<u64>,
    /// Rows in all tables, where a manifest says.
    pub rows: Option<u64>,
}

/// Every backup, or those of one day, newest first, as seen at `now`.
pub async fn list(
    store: &Store,
    day: Option<Date>,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Vec<Cataloged>> {
    let prefix = day.map_or_else(String::new, prefix_of);
    let found = read_listing(&store.list(&prefix).await?);
    let described: Vec<Option<Cataloged>> = stream::iter(found)
        .map(|found| describe(store, found, now, observer))
        .buffered(LOOKUPS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(described.into_iter().flatten().collect())
}

/// What the keys of a day's backups begin with.
fn prefix_of(day: Date) -> String {
    day.strftime("%Y/%m/%d/").to_string()
}

/// A backup that was selected, and what it holds.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Its manifest; for an unattested object the one it would have.
    pub manifest: Manifest,
    /// Whether the manifest was written when the backup was made, or attested later.
    pub is_attested: bool,
}

/// The backup that `selector` means as seen at `now`, with its manifest. An unattested object is read to its end to learn what
/// it holds.
pub async fn select(
    store: &Store,
    selector: Selector,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Selected> {
    let prefix = match selector {
        Selector::Latest => String::new(),
        Selector::Day(day) => prefix_of(day),
        Selector::Key(key) => prefix_of(key.day()),
    };
    let found = read_listing(&store.list(&prefix).await?);
    let chosen = match choose(&found, selector, now) {
        Ok(chosen) => chosen,
        // The hint names what else there is, and that may lie on another day.
        Err(_) if !prefix.is_empty() => choose(&read_listing(&store.list("").await?), selector, now)?,
        Err(error) => return Err(error),
    };
    if selector == Selector::Latest {
        let skipped = |found: &&Found| found.stored_bytes.is_some() && found.is_of_the_future(now);
        for skipped in found.iter().filter(skipped) {
            warn_of_the_future(skipped, observer);
        }
    }
    if !chosen.is_attested() {
        let key = match selector {
            Selector::Key(key) => key,
            Selector::Latest | Selector::Day(_) => newest_foreign_made(store, &found, chosen.key).await?,
        };
        let what = format!("{key} is unattested: it is read to its end first");
        observer.observe(Event::Noted(what));
        return Ok(Selected {
            manifest: attest::describe(store, key, observer).await?,
            is_attested: false,
        });
    }
    let mut present = found.iter().filter(|found| !found.is_of_the_future(now));
    if let Some(newest) = present.next().filter(|newest| newest.key > chosen.key)
        && selector == Selector::Latest
    {
        let what = format!("{} is newer and has no manifest: it is not used", newest.key);
        observer.observe(Event::Warned(what));
    }
    let manifest = match read_manifest(store, chosen.key).await {
        Ok(manifest) => manifest,
        Err(error) => return Err(name_older(store, &chosen.key.to_string(), error).await),
    };
    Ok(Selected {
        manifest,
        is_attested: true,
    })
}

/// The same error. Where it says that the backup `key` is corrupt, its hint is the next older one.
pub async fn name_older(store: &Store, key: &str, error: Error) -> Error {
    if error.kind() != Kind::Corrupt {
        return error;
    }
    let listed = store.list("").await.unwrap_or_default();
    let mut found = read_listing(&listed).into_iter();
    // Keys sort by time.
    match found.find(|other| other.is_attested() && *other.key.to_string() < *key) {
        Some(older) => error.hint(format!("the next older backup is {}", older.key)),
        None => error,
    }
}

/// Among the objects without a manifest of `chosen`'s day and before, the newest that this program did not make: what it made
/// and did not attest is under way or failed. Where there is none, `chosen` itself.
async fn newest_foreign_made(store: &Store, found: &[Found], chosen: BackupKey) -> Result<BackupKey> {
    let without_manifest = found
        .iter()
        .filter(|found| found.key <= chosen && found.stored_bytes.is_some() && !found.has_manifest);
    for candidate in without_manifest {
        if !is_ours(store, candidate.key).await? {
            return Ok(candidate.key);
        }
    }
    Ok(chosen)
}

/// The manifest of the backup `key`.
pub async fn read_manifest(store: &Store, key: BackupKey) -> Result<Manifest> {
    let document = store.get(&key.manifest_key(), MANIFEST_LIMIT_BYTES).await?;
    Manifest::decode(&key.to_string(), &document)
}

/// What was found under a backup's name, and its manifest where that speaks for the object.
pub(super) struct Looked {
    pub(super) condition: Condition,
    manifest: Option<Manifest>,
}

impl From<Condition> for Looked {
    fn from(condition: Condition) -> Self {
        Self {
            condition,
            manifest: None,
        }
    }
}

/// What stands under the name of `found`, its manifest read where there is one; nothing where all of it vanished since it was
/// listed. A store that does not answer is an error.
pub(super) async fn look_at(store: &Store, found: Found) -> Result<Option<Looked>> {
    let Some(stored_bytes) = found.stored_bytes else {
        return Ok(Some(Condition::LoneManifest.into()));
    };
    if found.has_manifest
        && let Some(looked) = attestation(store, found.key, stored_bytes).await?
    {
        return Ok(Some(looked));
    }
    let facts = store.head(&found.key.to_string()).await?;
    Ok(facts.map(|facts| match facts.is_ours {
        true => Condition::LoneObject.into(),
        false => Condition::Unattested.into(),
    }))
}

/// What the manifest of `key` says of its object of `stored_bytes`; nothing where the manifest vanished since it was listed, as
/// a prune that runs meanwhile has it.
async fn attestation(store: &Store, key: BackupKey, stored_bytes: u64) -> Result<Option<Looked>> {
    let error = match read_manifest(store, key).await {
        Ok(manifest) if manifest.stored_bytes == stored_bytes => {
            return Ok(Some(Looked {
                condition: Condition::Attested,
                manifest: Some(manifest),
            }));
        }
        Ok(manifest) => {
            let made_with = manifest.stored_bytes;
            let why = format!("{key} has {stored_bytes} bytes and was made with {made_with}");
            return Ok(Some(Condition::Doubtful(why).into()));
        }
        Err(error) => error,
    };
    match error.kind() {
        Kind::Corrupt | Kind::Refused => Ok(Some(Condition::Doubtful(error.to_string()).into())),
        Kind::Store if matches!(store.head(&key.manifest_key()).await, Ok(None)) => Ok(None),
        _ => Err(error),
    }
}

fn warn_of_the_future(found: &Found, observer: &dyn Observer) {
    let what = format!("{} is dated in the future: it is not counted", found.key);
    observer.observe(Event::Warned(what));
}

/// The newest backup among `found` (newest first) whose manifest holds, as seen at `now`. One that is dated in the future would be
/// the newest for ever, so it is not counted; it is told like one whose manifest does not hold.
pub async fn newest_attested(
    store: &Store,
    found: &[Found],
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Option<(BackupKey, Manifest)>> {
    for found in found.iter().filter(|found| found.is_attested()) {
        if found.is_of_the_future(now) {
            warn_of_the_future(found, observer);
            continue;
        }
        match look_at(store, *found).await? {
            Some(Looked {
                manifest: Some(manifest),
                ..
            }) => return Ok(Some((found.key, manifest))),
            Some(Looked {
                condition: Condition::Doubtful(why),
                ..
            }) => observer.observe(Event::Warned(format!("{why}: it is not counted"))),
            Some(_) | None => {}
        }
    }
    Ok(None)
}

async fn describe(
    store: &Store,
    found: Found,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Option<Cataloged>> {
    let Some(looked) = look_at(store, found).await? else {
        return Ok(None);
    };
    if let Condition::Doubtful(why) = &looked.condition {
        observer.observe(Event::Warned(format!("{why}: it is no backup")));
    }
    Ok(Some(Cataloged {
        key: found.key,
        day: found.key.day(),
        state: looked.condition.state(),
        age_seconds: now.as_second() - found.key.began_at().as_second(),
        stored_bytes: found.stored_bytes,
        rows: looked.manifest.map(|manifest| manifest.rows()),
    }))
}

/// Whether this program made the object.
async fn is_ours(store: &Store, key: BackupKey) -> Result<bool> {
    let facts = store.head(&key.to_string()).await?;
    Ok(facts.is_some_and(|facts| facts.is_ours))
}

/// Whether a backup has the key, whole or not. Asked before anything long begins, it also tells whether the store lets us read.
pub async fn is_taken(store: &Store, key: BackupKey) -> Result<bool> {
    let taken = store.list(&prefix_of(key.day())).await?;
    Ok(read_listing(&taken).iter().any(|found| found.key == key))
}
