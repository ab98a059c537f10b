//! Whether the promises hold today, asked of the store and of what past drills left.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::catalog;
use crate::error::Result;
use crate::model::catalog::read_listing;
use crate::model::drill_log;
use crate::model::standing::{Drill, Newest, Rpo, Standing, Storage};
use crate::model::timeline::Observer;
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

/// What is read of a drill's evidence.
#[derive(Deserialize)]
struct Evidence {
    started_at: Timestamp,
    verdict: Verdict,
}

/// What the store tells at `now`.
pub async fn look(
    store: &Store,
    budget_bytes: u64,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Standing> {
    let listing = store.list("").await?;
    let used_bytes = listing.iter().map(|object| object.bytes).sum();
    let newest = catalog::newest_attested(store, &read_listing(&listing), now, observer).await?;
    let newest = newest.map(|(key, manifest)| Newest {
        key,
        started_at: manifest.started_at,
    });
    Ok(Standing {
        newest: newest.map(|newest| newest.key),
        rpo: Rpo::at(now, newest),
        storage: Storage::of(used_bytes, budget_bytes),
    })
}

/// Where the drills stand at `now`, as far as `sources` tell.
pub fn drills(sources: &DrillSources, now: Timestamp) -> Drill {
    let today = TimeZone::UTC.to_datetime(now).date();
    let read = [
        sources.log.as_deref().map(logged),
        sources.evidence.as_deref().map(evidenced),
    ];
    let read: Result<Vec<Vec<Date>>, String> = read.into_iter().flatten().collect();
    match read {
        Ok(days) if days.is_empty() => Drill::unknown(today, "no log of drills was named"),
        Ok(days) => Drill::after(days.into_iter().flatten(), today),
        Err(why) => Drill::unknown(today, why),
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
    Ok(proven.filter_map(drill_log::Row::day).collect())
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
    let drills = documents.filter_map(|document| serde_json::from_slice::<Evidence>(&document).ok());
    let proven = drills.filter(|drill| drill.verdict.is_proven());
    Ok(proven
        .map(|drill| TimeZone::UTC.to_datetime(drill.started_at).date())
        .collect())
}
