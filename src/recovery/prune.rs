//! Expired backups, removed from the store.
//!
//! The store is looked at, and listed once more right before anything goes: what goes must be due by both, so a backup that
//! vanished meanwhile neither counts for the floor nor lets another one go. The manifest goes first, then its index, then the
//! confirmation and the pin, then the roles and settings, then the object. What interrupts that leaves an object that is no backup any more, which the next run finds and removes.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use super::catalog::{CatalogEntry, survey};
use super::choosing::Silent;
use super::pin;
use crate::error::{Error, Result};
use crate::model::catalog::{ListedObject, StoredBackup, read_listing};
use crate::model::key::{BackupKey, KeyMeaning};
use crate::model::retention::{
    Attestation, Decision, HeldBackup, HeldUpload, Inventory, Policy, Ruling, plan,
};
use crate::model::selection::Among;
use crate::model::source::SourceName;
use crate::model::timeline::{Event, Observer};
use crate::store::{Store, UnfinishedUpload};

/// What was seen of a store, manifests read.
#[derive(Clone, Debug)]
pub struct Stock {
    seen: HashSet<StoredBackup>,
    inventory: Inventory,
    foreign: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct PruneRequest {
    /// How long backups are kept.
    pub policy: Policy,
    /// The instant that ages are counted to.
    pub now: Timestamp,
    /// Whether nothing is removed.
    pub dry_run: bool,
}

/// One thing that stayed or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrunedItem {
    pub key: String,
    /// What it was found to be.
    pub state: &'static str,
    /// Why it stayed or went.
    pub reason: String,
    /// Size of its object in bytes.
    pub stored_bytes: u64,
}

/// What a prune came to.
#[derive(Debug)]
pub struct Pruned {
    /// What stayed, newest first.
    pub kept: Vec<PrunedItem>,
    /// What went, newest first; in a dry run, what would have.
    pub removed: Vec<PrunedItem>,
    /// How many objects and uploads were none of ours and were not looked at.
    pub foreign: usize,
    /// Why it ended before everything was removed that should be.
    pub failure: Option<Error>,
}

/// Looks at everything in the store that has a backup's name; each source is ruled by itself.
pub async fn take_stock(store: &Store) -> Result<Stock> {
    take_stock_among(store, &Among::ANY, &Silent).await
}

/// Looks at everything in the store that has a backup's name; what is not of the configured source stays.
pub async fn take_stock_among(store: &Store, among: &Among, observer: &dyn Observer) -> Result<Stock> {
    let listing = store.list("").await?;
    let found = read_listing(&listing);
    let entries = survey(store, found.clone(), among, None, observer).await?;
    let unfinished = store.unfinished_uploads("").await?;
    let uploads: Vec<HeldUpload> = unfinished.iter().filter_map(hold_upload).collect();
    let configured = among.source.configured();
    Ok(Stock {
        foreign: foreign_among(&listing) + unfinished.len() - uploads.len(),
        seen: found.into_iter().collect(),
        inventory: Inventory {
            held: entries.into_iter().map(|entry| hold(entry, configured)).collect(),
            uploads,
        },
    })
}

/// Removes what is expired in `stock` and still there.
pub async fn prune(
    store: &Store,
    stock: Stock,
    request: PruneRequest,
    observer: &dyn Observer,
) -> Result<Pruned> {
    let Stock {
        mut seen,
        mut inventory,
        foreign,
    } = stock;
    let due_before = due(&inventory, request);
    let still: HashSet<StoredBackup> = read_listing(&store.list("").await?).into_iter().collect();
    seen.retain(|found| still.contains(found));
    let unchanged: HashMap<BackupKey, StoredBackup> =
        seen.into_iter().map(|found| (found.key, found)).collect();
    inventory.held.retain(|held| unchanged.contains_key(&held.key));

    let plan = plan(&inventory, request.policy, request.now);
    let held = plan.held.into_iter().map(|mut ruling| {
        if ruling.decision == Decision::Remove && !due_before.contains(&ruling.on.key) {
            ruling.decision = Decision::Keep;
            "another backup vanished meanwhile: run prune again".clone_into(&mut ruling.reason);
        }
        Ruled {
            decision: ruling.decision,
            line: line(&ruling),
            thing: Thing::Held(unchanged[&ruling.on.key]),
        }
    });
    let uploads = plan.uploads.into_iter().map(|ruling| Ruled {
        decision: ruling.decision,
        line: upload_line(&ruling),
        thing: Thing::Upload(ruling.on),
    });
    let (kept, condemned): (Vec<Ruled>, Vec<Ruled>) = held
        .chain(uploads)
        .partition(|ruled| ruled.decision == Decision::Keep);
    let mut pruned = Pruned {
        kept: kept.into_iter().map(|ruled| ruled.line).collect(),
        removed: Vec::new(),
        foreign,
        failure: None,
    };
    let all = condemned.len();
    // The oldest goes first: wherever this ends, what is left is what a store without the oldest would hold.
    for Ruled { mut line, thing, .. } in condemned.into_iter().rev() {
        if !request.dry_run {
            match thing.pinned(store, request.now).await {
                Ok(None) => {}
                Ok(Some(reason)) => {
                    line.reason = reason;
                    pruned.kept.push(line);
                    continue;
                }
                Err(cause) => {
                    pruned.failure = Some(stopped(&line, pruned.removed.len(), all, cause));
                    break;
                }
            }
            if let Err(cause) = thing.remove(store).await {
                pruned.failure = Some(stopped(&line, pruned.removed.len(), all, cause));
                break;
            }
            observer.observe(Event::Noted(format!("removed {} ({})", line.key, line.state)));
        }
        pruned.removed.push(line);
    }
    pruned.removed.reverse();
    Ok(pruned)
}

/// Something that was ruled on, and how it is told.
struct Ruled {
    decision: Decision,
    line: PrunedItem,
    thing: Thing,
}

enum Thing {
    Held(StoredBackup),
    Upload(HeldUpload),
}

impl Thing {
    /// Why it stays, where it was pinned since it was looked at.
    async fn pinned(&self, store: &Store, now: Timestamp) -> Result<Option<String>> {
        match self {
            Self::Held(found) if found.stored_bytes.is_some() => pin::holding(store, found.key, now).await,
            Self::Held(_) | Self::Upload(_) => Ok(None),
        }
    }

    async fn remove(&self, store: &Store) -> Result<()> {
        match self {
            Self::Held(found) => {
                if found.has_manifest {
                    store.delete(&found.key.manifest_key()).await?;
                }
                if found.has_index {
                    store.delete(&found.key.index_key()).await?;
                }
                if found.has_confirmation {
                    store.delete(&found.key.confirmation_key()).await?;
                }
                if found.has_pin {
                    store.delete(&found.key.pin_key()).await?;
                }
                if found.globals_bytes.is_some() {
                    store.delete(&found.key.globals_key()).await?;
                }
                if found.stored_bytes.is_some() {
                    store.delete(&found.key.to_string()).await?;
                }
                Ok(())
            }
            Self::Upload(upload) => {
                let unfinished = UnfinishedUpload {
                    key: upload.key.to_string(),
                    id: upload.id.clone(),
                    begun_at: upload.begun_at,
                };
                store.abort_unfinished(&unfinished).await
            }
        }
    }
}

/// The keys of what `inventory` has had enough of.
fn due(inventory: &Inventory, request: PruneRequest) -> HashSet<BackupKey> {
    let plan = plan(inventory, request.policy, request.now);
    let due = plan
        .held
        .into_iter()
        .filter(|ruling| ruling.decision == Decision::Remove);
    due.map(|ruling| ruling.on.key).collect()
}

fn hold(entry: CatalogEntry, configured: Option<&SourceName>) -> HeldBackup {
    let attestation = entry.known.map(|known| Attestation {
        is_anothers: configured.is_some_and(|configured| *configured != known.source),
        is_good: known.suspicion.is_empty(),
        source: known.source,
    });
    HeldBackup {
        key: entry.found.key,
        condition: entry.condition,
        stored_bytes: entry.found.stored_bytes.unwrap_or(0),
        attestation,
        pin: entry.pin,
    }
}

fn hold_upload(upload: &UnfinishedUpload) -> Option<HeldUpload> {
    let KeyMeaning::Object(key) = BackupKey::read(&upload.key) else {
        return None;
    };
    Some(HeldUpload {
        key,
        id: upload.id.clone(),
        begun_at: upload.begun_at,
    })
}

fn foreign_among(listing: &[ListedObject]) -> usize {
    let meanings = listing.iter().map(|object| BackupKey::read(&object.key));
    meanings.filter(|meaning| *meaning == KeyMeaning::Foreign).count()
}

/// The error of a prune that came to an end at `line`.
fn stopped(line: &PrunedItem, removed: usize, all: usize, cause: Error) -> Error {
    let advice = cause.next_step().unwrap_or("try again").to_owned();
    Error::new(
        cause.kind(),
        format!(
            "stopped at {} ({}); {removed} of {all} were removed before it",
            line.key, line.state
        ),
    )
    .caused_by(cause)
    .hint(format!(
        "{advice}; then run `paycraft-dr prune` again, which also removes an object that lost its manifest"
    ))
}

fn line(ruling: &Ruling<HeldBackup>) -> PrunedItem {
    PrunedItem {
        key: ruling.on.name(),
        state: ruling.on.condition.state().name(),
        reason: ruling.reason.clone(),
        stored_bytes: ruling.on.stored_bytes,
    }
}

fn upload_line(ruling: &Ruling<HeldUpload>) -> PrunedItem {
    PrunedItem {
        key: ruling.on.key.to_string(),
        state: "unfinished upload",
        reason: ruling.reason.clone(),
        stored_bytes: 0,
    }
}
