//! The backup that a command takes, and the newest one that counts.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::attest;
use super::catalog::{CatalogEntry, prefix_of, read_confirmation, read_manifest, survey};
use crate::error::{Error, Kind, Result};
use crate::model::catalog::{Condition, StoredBackup, choose, read_listing};
use crate::model::key::{BackupKey, Selector};
use crate::model::manifest::{Framing, Manifest};
use crate::model::selection::{self, Among, BackupSummary, Candidate, narrow, source_of};
use crate::model::source::SourceName;
use crate::model::timeline::{Event, Observer};
use crate::store::Store;

/// A backup that was selected, and what it holds.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Its manifest; for an unattested object the one it would have.
    pub manifest: Manifest,
    /// Whether the manifest was written when the backup was made, or attested later.
    pub is_attested: bool,
}

/// The backup among those of any source that `selector` means as seen at `now`, with its manifest.
pub async fn select(
    store: &Store,
    selector: Selector,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Selected> {
    select_among(store, selector, &Among::ANY, now, observer).await
}

/// The backup that `selector` means among those considered, as seen at `now`, with its manifest. An unattested object is read to
/// its end to learn what it holds.
pub async fn select_among(
    store: &Store,
    selector: Selector,
    among: &Among,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Selected> {
    let prefix = match selector {
        Selector::Key(key) => prefix_of(key.day()),
        Selector::Latest | Selector::Day(_) => String::new(),
    };
    let mut found = read_listing(&store.list(&prefix).await?);
    if !matches!(selector, Selector::Key(_)) {
        let entries = survey(store, found, among, None, observer).await?;
        let candidates: Vec<Candidate<'_>> = entries.iter().map(CatalogEntry::candidate).collect();
        found = narrow(&candidates, selector, among, now)?;
    }
    let chosen = match choose(&found, selector, now) {
        Ok(chosen) => chosen,
        // The hint names what else there is, and that may lie on another day.
        Err(_) if !prefix.is_empty() => choose(&read_listing(&store.list("").await?), selector, now)?,
        Err(error) => return Err(error),
    };
    if selector == Selector::Latest {
        let skipped = |found: &&StoredBackup| found.stored_bytes.is_some() && found.is_of_the_future(now);
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
        let manifest = attest::describe(store, key, observer).await?;
        check(key, &manifest, Vec::new(), among, observer)?;
        return Ok(Selected {
            manifest,
            is_attested: false,
        });
    }
    // Roles and settings that lost their object are none that could be used.
    let is_something = |found: &&StoredBackup| found.stored_bytes.is_some() || found.has_manifest;
    let mut present = found
        .iter()
        .filter(is_something)
        .filter(|found| !found.is_of_the_future(now));
    if let Some(newest) = present
        .next()
        .filter(|newest| newest.key > chosen.key && !newest.has_manifest)
        && selector == Selector::Latest
    {
        let what = format!("{} is newer and has no manifest: it is not used", newest.key);
        observer.observe(Event::Warned(what));
    }
    let manifest = match read_manifest(store, chosen.key).await {
        Ok(manifest) => manifest,
        Err(error) => return Err(name_older(store, &chosen.key.to_string(), among, error).await),
    };
    if let Selector::Key(key) = selector {
        let is_confirmed = chosen.has_confirmation && read_confirmation(store, key).await?.is_ok();
        let recorded = manifest.suspicion.clone().filter(|_| !is_confirmed);
        let suspicion = recorded.unwrap_or_default().reasons;
        check(key, &manifest, suspicion, among, observer)?;
    }
    Ok(Selected {
        manifest,
        is_attested: true,
    })
}

/// Refuses a backup that is not among those considered, and tells what an operator has to know of it.
fn check(
    key: BackupKey,
    manifest: &Manifest,
    suspicion: Vec<String>,
    among: &Among,
    observer: &dyn Observer,
) -> Result<()> {
    let known = BackupSummary {
        source: (&manifest.source).into(),
        is_recorded: manifest.framing == Framing::Members,
        started_at: manifest.started_at,
        suspicion,
    };
    if let Some(told) = selection::check(key, &known, among)? {
        observer.observe(Event::Warned(told));
    }
    Ok(())
}

/// The same error. Where it says that the backup `key` is corrupt, its hint is the next older one of the same source.
pub async fn name_older(store: &Store, key: &str, among: &Among, error: Error) -> Error {
    if error.kind() != Kind::Corrupt {
        return error;
    }
    let Ok(listed) = store.list("").await else {
        return error;
    };
    let found = read_listing(&listed);
    let older: Vec<StoredBackup> = found
        .into_iter()
        // Keys sort by time.
        .filter(|found| found.is_attested() && *found.key.to_string() < *key)
        .collect();
    let entries = survey(store, older, among, None, &Silent).await;
    let entries = entries.unwrap_or_default();
    let candidates: Vec<Candidate<'_>> = entries
        .iter()
        .filter(|entry| entry.condition == Condition::Attested)
        .map(CatalogEntry::candidate)
        .collect();
    let left = narrow(&candidates, Selector::Latest, among, Timestamp::MAX);
    match left.unwrap_or_default().first() {
        Some(older) => {
            // What else there is to do with this one stays in the hint.
            let other = error.next_step().and_then(|hint| hint.split_once("; "));
            let other = other.map_or_else(String::new, |(_, other)| format!("; {other}"));
            error
                .hint(format!("the next older backup is {}{other}", older.key))
                .with_older_backup(older.key.to_string())
        }
        None => error,
    }
}

pub(super) struct Silent;

impl Observer for Silent {
    fn observe(&self, _: Event) {}
}

/// Among the objects without a manifest of `chosen`'s day and before, the newest that this program did not make: what it made
/// and did not attest is under way or failed. Where there is none, `chosen` itself.
async fn newest_foreign_made(store: &Store, found: &[StoredBackup], chosen: BackupKey) -> Result<BackupKey> {
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

/// Whether this program made the object.
async fn is_ours(store: &Store, key: BackupKey) -> Result<bool> {
    let facts = store.head(&key.to_string()).await?;
    Ok(facts.is_some_and(|facts| facts.is_ours))
}

/// What counts of a source's backups today.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceBackups {
    /// The source, where one is configured or the store holds backups of one.
    pub source: Option<SourceName>,
    /// The newest backup that is under no suspicion, and when it began.
    pub good: Option<(BackupKey, Timestamp)>,
    /// The backups that are newer and under suspicion, newest first, each with the reasons.
    pub suspicious: Vec<(BackupKey, Vec<String>)>,
}

/// The newest backup of the source whose manifest holds and that is under no suspicion, as seen at `now`, among `entries` (newest
/// first). One that is dated in the future would be the newest for ever, so it is not counted; it is told like one whose manifest
/// does not hold. Refused where the store holds backups of several sources and none is configured.
pub fn newest(
    entries: &[CatalogEntry],
    among: &Among,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<SourceBackups> {
    let (future, present): (Vec<&CatalogEntry>, Vec<&CatalogEntry>) = entries
        .iter()
        .partition(|entry| entry.found.is_of_the_future(now));
    for entry in future.iter().filter(|entry| entry.found.is_attested()) {
        warn_of_the_future(&entry.found, observer);
    }
    let names: BTreeSet<SourceName> = present
        .iter()
        .filter_map(|entry| Some(entry.known.as_ref()?.source.clone()))
        .collect();
    let mut newest = SourceBackups {
        source: source_of(&among.source, &names)?,
        ..SourceBackups::default()
    };
    for entry in present {
        let key = entry.found.key;
        match (&entry.known, &entry.condition) {
            (Some(known), _) if newest.source.as_ref() != Some(&known.source) => {}
            (Some(known), _) if known.suspicion.is_empty() => {
                newest.good = Some((key, known.started_at));
                break;
            }
            (Some(known), _) => newest.suspicious.push((key, known.suspicion.clone())),
            (None, Condition::Doubtful(why)) => {
                observer.observe(Event::Warned(format!("{why}: it is not counted")));
            }
            (None, _) => {}
        }
    }
    Ok(newest)
}

fn warn_of_the_future(found: &StoredBackup, observer: &dyn Observer) {
    let what = format!("{} is dated in the future: it is not counted", found.key);
    observer.observe(Event::Warned(what));
}
