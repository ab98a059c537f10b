//! The backups in a store.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::model::catalog::{Found, State, choose, read_listing};
use crate::model::key::{BackupKey, Selector};
use crate::model::manifest::Manifest;
use crate::model::timeline::{Event, Observer};
use crate::store::Store;

/// The index of a very large backup fits; anything larger is no manifest of ours.
const MANIFEST_LIMIT_BYTES: u64 = 64 << 20;
const LOOKUPS_AT_ONCE: usize = 8;

/// One line of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
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
) -> Result<Vec<Listed>> {
    let prefix = day.map_or_else(String::new, |day| day.strftime("%Y/%m/%d/").to_string());
    let found = read_listing(&store.list(&prefix).await?);
    stream::iter(found)
        .map(|found| describe(store, found, now, observer))
        .buffered(LOOKUPS_AT_ONCE)
        .try_collect()
        .await
}

/// The manifest of the backup that `selector` means.
pub async fn select(store: &Store, selector: Selector) -> Result<Manifest> {
    let prefix = match selector {
        Selector::Latest => String::new(),
        Selector::Day(day) => day.strftime("%Y/%m/%d/").to_string(),
        Selector::Key(key) => key.day().strftime("%Y/%m/%d/").to_string(),
    };
    let found = read_listing(&store.list(&prefix).await?);
    let chosen = match choose(&found, selector) {
        Ok(chosen) => chosen,
        // The hint names what else there is, and that may lie on another day.
        Err(_) if !prefix.is_empty() => choose(&read_listing(&store.list("").await?), selector)?,
        Err(error) => return Err(error),
    };
    read_manifest(store, chosen.key).await.map_err(|error| {
        let older = found
            .iter()
            .find(|other| other.is_attested() && other.key < chosen.key);
        match older {
            Some(older) if error.kind() == Kind::Corrupt => {
                error.hint(format!("the next older backup is {}", older.key))
            }
            _ => error,
        }
    })
}

/// The manifest of the backup `key`.
pub async fn read_manifest(store: &Store, key: BackupKey) -> Result<Manifest> {
    let document = store.get(&key.manifest_key(), MANIFEST_LIMIT_BYTES).await?;
    Manifest::decode(&key.to_string(), &document)
}

async fn describe(store: &Store, found: Found, now: Timestamp, observer: &dyn Observer) -> Result<Listed> {
    let (state, rows) = match (found.stored_bytes, found.has_manifest) {
        (Some(stored_bytes), true) => match read_manifest(store, found.key).await {
            Ok(manifest) if manifest.stored_bytes == stored_bytes => (State::Attested, Some(manifest.rows())),
            Ok(manifest) => {
                let what = format!(
                    "{} has {stored_bytes} bytes and was made with {}: it is no backup",
                    found.key, manifest.stored_bytes
                );
                observer.observe(Event::Warned(what));
                (State::Orphan, None)
            }
            Err(error) if error.kind() == Kind::Corrupt => {
                observer.observe(Event::Warned(error.to_string()));
                (State::Orphan, None)
            }
            Err(error) => return Err(error),
        },
        (Some(_), false) if is_ours(store, found.key).await? => (State::Orphan, None),
        (Some(_), false) => (State::Unattested, None),
        (None, _) => (State::Orphan, None),
    };
    Ok(Listed {
        key: found.key,
        day: found.key.day(),
        state,
        age_seconds: now.as_second() - found.key.began_at().as_second(),
        stored_bytes: found.stored_bytes,
        rows,
    })
}

async fn is_ours(store: &Store, key: BackupKey) -> Result<bool> {
    let facts = store.head(&key.to_string()).await?;
    Ok(facts.is_some_and(|facts| facts.is_ours))
}

/// An error unless the store answers and lets us read: asked before anything long begins.
pub async fn check_access(store: &Store, key: BackupKey) -> Result<()> {
    let taken = store.list(&key.day().strftime("%Y/%m/%d/").to_string()).await?;
    if read_listing(&taken).iter().any(|found| found.key == key) {
        return Err(Error::new(Kind::Store, format!("{key} is there already"))
            .hint("another backup began in the same second: try again"));
    }
    Ok(())
}
