//! Whether the promises hold today, asked of the store and of what past drills left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::choosing::SourceBackups;
use super::{catalog, choosing};
use crate::error::Result;
use crate::model::catalog::{ListedObject, read_listing};
use crate::model::drill_log;
use crate::model::objective::RPO_OBJECTIVE;
use crate::model::schedule::Schedule;
use crate::model::selection::Among;
use crate::model::standing::{self, Drill, Rpo, STORAGE_BUDGET_BYTES, Standing, Storage};
use crate::model::timeline::{Event, Observer};
use crate::model::verdict::Verdict;
use crate::store::Store;

/// Where past drills can be read of.
#[derive(Clone, Debug, Default)]
pub struct DrillSources {
    /// The Markdown table of drills.
    pub log: Option<PathBuf>,
    /// The directory of their evidence.
    pub evidence: Option<PathBuf>,
}

/// What a store is held against.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// The age of the newest backup at most.
    pub rpo: Duration,
    /// The bytes in the store at most; without them there is what it has room for.
    pub budget_bytes: Option<u64>,
}

/// What is read of a drill's evidence.
#[derive(Deserialize)]
struct DrillEvidence {
    started_at: Timestamp,
    verdict: Verdict,
}

/// What the store tells at `now` of the backups considered.
pub async fn look(
    store: &Store,
    budget_bytes: Option<u64>,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Standing> {
    let promises = Promises {
        rpo: RPO_OBJECTIVE,
        budget_bytes,
    };
    look_among(store, promises, &Among::ANY, now, observer).await
}

/// What the store tells at `now` of the backups considered, against what was promised.
pub async fn look_among(
    store: &Store,
    promises: Promises,
    among: &Among,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Standing> {
    let listing = store.list("").await?;
    let used_bytes = used_bytes(store, &listing, observer).await;
    let budget_bytes = match promises.budget_bytes {
        Some(set) => set,
        None => room_bytes(store, used_bytes, &listing).await?,
    };
    let entries = catalog::survey(store, read_listing(&listing), among, None, observer).await?;
    let (newest, unclear) = match choosing::newest(&entries, among, now, observer) {
        Ok(newest) => (newest, None),
        Err(error) => (SourceBackups::default(), Some(error.to_string())),
    };
    let good = newest
        .good
        .map(|(key, started_at)| standing::NewestBackup { key, started_at });
    Ok(Standing {
        source: newest.source,
        unclear,
        newest: good.map(|good| good.key),
        rpo: Rpo::at(now, good, promises.rpo),
        suspicious: newest.suspicious,
        storage: Storage::of(used_bytes, budget_bytes),
    })
}

/// How much the store may hold so that another object as large as its largest fits in, where it has an end that can be told.
async fn room_bytes(store: &Store, used_bytes: u64, listing: &[ListedObject]) -> Result<u64> {
    let largest = listing.iter().map(|object| object.bytes).max().unwrap_or(0);
    let free = store.free_bytes().await?;
    Ok(free.map_or(STORAGE_BUDGET_BYTES, |free| {
        used_bytes.saturating_add(free).saturating_sub(largest)
    }))
}

/// The size of everything in the bucket; of what was listed below the key prefix, where the rest may not be listed.
async fn used_bytes(store: &Store, listing: &[ListedObject], observer: &dyn Observer) -> u64 {
    let below = listing.iter().map(|object| object.bytes).sum();
    if !store.has_prefix() {
        return below;
    }
    match store.used_bytes().await {
        Ok(bytes) => bytes,
        Err(error) => {
            let what = format!("only what is below the key prefix is counted as used: {error}");
            observer.observe(Event::Warned(what));
            below
        }
    }
}

/// Where the drills stand at `now`, as far as `sources` tell.
pub fn drills(sources: &DrillSources, now: Timestamp, schedule: Schedule) -> Drill {
    let today = TimeZone::UTC.to_datetime(now).date();
    let read = [
        sources.log.as_deref().map(logged),
        sources.evidence.as_deref().map(evidenced),
    ];
    let read: Result<Vec<Vec<Date>>, String> = read.into_iter().flatten().collect();
    match read {
        Ok(days) if days.is_empty() => Drill::unknown(today, "no log of drills was named", schedule),
        Ok(days) => Drill::after(days.into_iter().flatten(), today, schedule),
        Err(why) => Drill::unknown(today, why, schedule),
    }
}

/// The days of the proven drills in a log. A log that does not exist yet holds none.
fn logged(path: &Path) -> Result<Vec<Date>, String> {
    let unreadable = |cause: &dyn std::fmt::Display| format!("{} cannot be read: {cause}", path.display());
    let text = match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => return Ok(Vec::new()),
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(unreadable(&cause)),
    };
    let rows = drill_log::rows(&text).map_err(|cause| unreadable(&cause))?;
    let proven = rows.iter().filter(|row| row.is_proven());
    Ok(proven.filter_map(drill_log::DrillLogRow::day).collect())
}

/// The days of the proven drills in a directory of evidence. Other files in it are passed over.
fn evidenced(directory: &Path) -> Result<Vec<Date>, String> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(format!("{} cannot be read: {cause}", directory.display())),
    };
    let files = entries.flatten().map(|entry| entry.path());
    let documents = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter_map(|path| std::fs::read(path).ok());
    let drills = documents.filter_map(|document| serde_json::from_slice::<DrillEvidence>(&document).ok());
    let proven = drills.filter(|drill| drill.verdict.is_proven());
    Ok(proven
        .map(|drill| TimeZone::UTC.to_datetime(drill.started_at).date())
        .collect())
}
