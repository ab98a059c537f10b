//! The backups in a store.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{manifests, pin};
use crate::error::{Error, Kind, Result};
use crate::model::catalog::{BackupState, Condition, StoredBackup, read_listing};
use crate::model::confirmation::Confirmation;
use crate::model::history::{History, HistoryEntry};
use crate::model::key::BackupKey;
use crate::model::manifest::Manifest;
use crate::model::pin::PinState;
use crate::model::selection::{Among, BackupSummary, Candidate};
use crate::model::source::{SourceName, attribute};
use crate::model::timeline::{Event, Observer};
use crate::store::Store;

/// A confirmation is a few lines.
const CONFIRMATION_LIMIT_BYTES: u64 = 64 << 10;
/// How many manifests and objects are asked about at the same time.
const LOOKUPS_AT_ONCE: usize = 8;

/// One line of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cataloged {
    pub key: BackupKey,
    /// The day it began (UTC).
    pub day: Date,
    /// How far it can be trusted.
    pub state: BackupState,
    /// Its age in seconds.
    pub age_seconds: i64,
    /// The object's size in bytes, where there is one.
    pub stored_bytes: Option<u64>,
    /// The size of the object with its roles and settings in bytes, where there is one.
    pub globals_bytes: Option<u64>,
    /// Rows in all tables, where a manifest says.
    pub rows: Option<u64>,
    /// The source it is of, where a manifest says.
    pub source: Option<SourceName>,
    /// Why it is under suspicion; empty where it is not, or is confirmed.
    pub suspicion: Vec<String>,
    /// Why an operator says that it is right, where one did.
    pub confirmed: Option<String>,
    /// What keeps it from being pruned, where it is pinned.
    pub pin: Option<PinState>,
}

/// Everything under one backup's name, looked at.
#[derive(Clone, Debug)]
pub struct CatalogEntry {
    pub found: StoredBackup,
    pub condition: Condition,
    /// What the manifest says, where it is attested.
    pub known: Option<BackupSummary>,
    /// What it is judged by, where it is attested.
    pub told: Option<HistoryEntry>,
    /// An operator's word that it is right, where there is one.
    pub confirmed: Option<String>,
    /// What keeps it from being pruned, where it is pinned.
    pub pin: Option<PinState>,
}

impl CatalogEntry {
    /// The same, to be chosen from.
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            found: self.found,
            known: self.known.as_ref(),
        }
    }
}

/// Looks at what was `found` in the store, newest first: manifests and confirmations are read, and each backup is
/// judged by the ones before it. `doubt` is what is told of a manifest that does not speak for its object.
pub async fn survey(
    store: &Store,
    found: Vec<StoredBackup>,
    among: &Among,
    doubt: Option<&str>,
    observer: &dyn Observer,
) -> Result<Vec<CatalogEntry>> {
    let large = Semaphore::new(1);
    let (of, done) = (found.len() as u64, AtomicU64::new(0));
    let counted = |done| Event::Counted {
        what: "backups",
        done,
        of,
    };
    observer.observe(Event::Doing("reading manifests".to_owned()));
    let look = async |found: StoredBackup| {
        let mut looked = look_at(store, found, &large, observer).await?;
        if let Some(looked) = &mut looked {
            looked.pin = pin::of(store, found).await?;
        }
        if let (
            Some(doubt),
            Some(Looked {
                condition: Condition::Doubtful(why),
                ..
            }),
        ) = (doubt, &looked)
        {
            observer.observe(Event::Warned(format!("{why}: {doubt}")));
        }
        observer.observe(counted(done.fetch_add(1, Ordering::Relaxed) + 1));
        Ok::<_, Error>(looked.map(|looked| (found, looked)))
    };
    let looked: Vec<Option<(StoredBackup, Looked)>> = stream::iter(found)
        .map(look)
        .buffered(LOOKUPS_AT_ONCE)
        .try_collect()
        .await?;
    let mut looked: Vec<(StoredBackup, Looked)> = looked.into_iter().flatten().collect();
    let told = looked.iter_mut().filter_map(|(_, looked)| looked.told.as_mut());
    let mut described: Vec<_> = told.map(|told| (&mut told.source, told.is_recorded)).collect();
    attribute(&mut described, among.source.configured());
    let mut history = History::default();
    let judged = looked.into_iter().rev().map(|(found, looked)| {
        let known = looked.told.as_ref().map(|told| BackupSummary {
            source: (&told.source).into(),
            is_recorded: told.is_recorded,
            started_at: told.started_at,
            suspicion: history.take(found.key, told, &among.limits),
        });
        CatalogEntry {
            found,
            condition: looked.condition,
            known,
            told: looked.told,
            confirmed: looked.confirmation.map(|confirmation| confirmation.why),
            pin: looked.pin,
        }
    });
    let mut entries: Vec<CatalogEntry> = judged.collect();
    entries.reverse();
    Ok(entries)
}

/// Every backup, or those of one day, newest first, as seen at `now`.
pub async fn list(
    store: &Store,
    day: Option<Date>,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Vec<Cataloged>> {
    let found = read_listing(&store.list("").await?);
    let entries = survey(store, found, &Among::ANY, Some("it is no backup"), observer).await?;
    let entries = entries
        .into_iter()
        .filter(|entry| day.is_none_or(|day| entry.found.key.day() == day));
    let cataloged = entries.map(|entry| {
        let key = entry.found.key;
        let (source, suspicion) = entry.known.map(|known| (known.source, known.suspicion)).unzip();
        Cataloged {
            key,
            day: key.day(),
            state: entry.condition.state(),
            age_seconds: now.as_second() - key.began_at().as_second(),
            stored_bytes: entry.found.stored_bytes,
            globals_bytes: entry.found.globals_bytes,
            rows: entry.told.map(|told| told.shape.rows()),
            source,
            suspicion: suspicion.unwrap_or_default(),
            confirmed: entry.confirmed,
            pin: entry.pin,
        }
    });
    Ok(cataloged.collect())
}

/// What the keys of a day's backups begin with.
pub(super) fn prefix_of(day: Date) -> String {
    day.strftime("%Y/%m/%d/").to_string()
}

/// The manifest of the backup `key`.
pub async fn read_manifest(store: &Store, key: BackupKey) -> Result<Manifest> {
    manifests::read(store, key).await
}

/// The confirmation of the backup `key`; what is wrong with it where it cannot be read as one.
pub(super) async fn read_confirmation(store: &Store, key: BackupKey) -> Result<Result<Confirmation, String>> {
    match store.get(&key.confirmation_key(), CONFIRMATION_LIMIT_BYTES).await {
        Ok(document) => Ok(Confirmation::decode(key, &document)),
        Err(error) if error.kind() == Kind::Corrupt => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// What was found under a backup's name, and what its manifest says where that speaks for the object.
struct Looked {
    condition: Condition,
    told: Option<HistoryEntry>,
    confirmation: Option<Confirmation>,
    pin: Option<PinState>,
}

impl From<Condition> for Looked {
    fn from(condition: Condition) -> Self {
        Self {
            condition,
            told: None,
            confirmation: None,
            pin: None,
        }
    }
}

/// What is there under the name of `found`, its manifest read where there is one; nothing where all of it vanished since it was
/// listed. A store that does not answer is an error.
async fn look_at(
    store: &Store,
    found: StoredBackup,
    large: &Semaphore,
    observer: &dyn Observer,
) -> Result<Option<Looked>> {
    let Some(stored_bytes) = found.stored_bytes else {
        let condition = match found {
            StoredBackup {
                has_manifest: true, ..
            } => Condition::LoneManifest,
            StoredBackup {
                has_confirmation: true,
                ..
            } => Condition::LoneConfirmation,
            StoredBackup { has_pin: true, .. } => Condition::LonePin,
            StoredBackup { has_index: true, .. } => Condition::LoneIndex,
            _ => Condition::LoneGlobals,
        };
        return Ok(Some(condition.into()));
    };
    if found.has_manifest
        && let Some(looked) = attestation(store, found, stored_bytes, large, observer).await?
    {
        return Ok(Some(looked));
    }
    let facts = store.head(&found.key.to_string()).await?;
    Ok(facts.map(|facts| match facts.is_ours {
        true => Condition::LoneObject.into(),
        false => Condition::Unattested.into(),
    }))
}

/// What the manifest of `found` says of its object of `stored_bytes`; nothing where the manifest vanished since it was listed, as
/// a prune that runs meanwhile has it.
async fn attestation(
    store: &Store,
    found: StoredBackup,
    stored_bytes: u64,
    large: &Semaphore,
    observer: &dyn Observer,
) -> Result<Option<Looked>> {
    let key = found.key;
    let manifest = match manifests::read_for_catalog(store, key, large).await {
        Ok(manifest) => manifest,
        Err(error) => {
            return match error.kind() {
                Kind::Corrupt | Kind::Refused => Ok(Some(Condition::Doubtful(error.to_string()).into())),
                Kind::Store if matches!(store.head(&key.manifest_key()).await, Ok(None)) => Ok(None),
                _ => Err(error),
            };
        }
    };
    if manifest.stored_bytes != stored_bytes {
        let made_with = manifest.stored_bytes;
        let why = format!("{key} has {stored_bytes} bytes and was made with {made_with}");
        return Ok(Some(Condition::Doubtful(why).into()));
    }
    let mut looked = Looked::from(Condition::Attested);
    if found.has_confirmation {
        match read_confirmation(store, key).await {
            Ok(Ok(confirmation)) => looked.confirmation = Some(confirmation),
            Ok(Err(problem)) => {
                let what = format!("the confirmation of {key} {problem}: it does not count");
                observer.observe(Event::Warned(what));
            }
            Err(_) if matches!(store.head(&key.confirmation_key()).await, Ok(None)) => {}
            Err(error) => return Err(error),
        }
    }
    looked.told = Some(HistoryEntry::of(&manifest, looked.confirmation.is_some()));
    Ok(Some(looked))
}

/// Whether a backup has the key, whole or not. Asked before anything long begins, it also tells whether the store lets us read.
pub async fn is_taken(store: &Store, key: BackupKey) -> Result<bool> {
    let taken = store.list(&prefix_of(key.day())).await?;
    Ok(read_listing(&taken).iter().any(|found| found.key == key))
}
