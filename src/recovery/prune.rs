//! What has had its time, removed from the store.
//!
//! Stock is taken of the store, which is listed once more right before anything goes: the plan is made over what both saw alike,
//! so a backup that vanished meanwhile holds up no floor. The manifest goes before its object. Whatever interrupts that leaves
//! an object that is no backup any more, which the next run finds and removes.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::catalog::{LOOKUPS_AT_ONCE, look_at};
use crate::error::{Error, Result};
use crate::model::catalog::{Condition, Found, Listed, read_listing};
use crate::model::key::{BackupKey, KeyMeaning};
use crate::model::retention::{Decision, Held, HeldUpload, Inventory, Policy, Ruling, plan};
use crate::model::timeline::{Event, Observer};
use crate::store::{Store, UnfinishedUpload};

/// What was seen of a store, manifests read.
#[derive(Clone, Debug)]
pub struct Stock {
    seen: HashSet<Found>,
    inventory: Inventory,
    foreign: usize,
}

/// How to prune.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// How long backups are kept.
    pub policy: Policy,
    /// The instant that ages are counted to.
    pub now: Timestamp,
    /// Whether nothing is removed.
    pub dry_run: bool,
}

/// One thing that stayed or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its key.
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
    pub kept: Vec<Line>,
    /// What went, newest first; in a dry run, what would have.
    pub removed: Vec<Line>,
    /// How many objects and uploads were none of ours and were not looked at.
    pub foreign: usize,
    /// Why it ended before everything was removed that should be.
    pub failure: Option<Error>,
}

/// Looks at everything in the store that bears a backup's name.
pub async fn take_stock(store: &Store) -> Result<Stock> {
    let listing = store.list("").await?;
    let found = read_listing(&listing);
    let held: Vec<Option<Held>> = stream::iter(found.clone())
        .map(|found| hold(store, found))
        .buffered(LOOKUPS_AT_ONCE)
        .try_collect()
        .await?;
    let unfinished = store.unfinished_uploads("").await?;
    let uploads: Vec<HeldUpload> = unfinished.iter().filter_map(hold_upload).collect();
    Ok(Stock {
        foreign: foreign_among(&listing) + unfinished.len() - uploads.len(),
        seen: found.into_iter().collect(),
        inventory: Inventory {
            held: held.into_iter().flatten().collect(),
            uploads,
        },
    })
}

/// Removes what has had its time of what is in `stock` and still there.
pub async fn prune(store: &Store, stock: Stock, request: Request, observer: &dyn Observer) -> Result<Pruned> {
    let Stock {
        mut seen,
        mut inventory,
        foreign,
    } = stock;
    let still: HashSet<Found> = read_listing(&store.list("").await?).into_iter().collect();
    seen.retain(|found| still.contains(found));
    let unchanged: HashSet<BackupKey> = seen.iter().map(|found| found.key).collect();
    inventory.held.retain(|held| unchanged.contains(&held.key));

    let plan = plan(&inventory, request.policy, request.now);
    let held = plan.held.into_iter().map(|ruling| Ruled {
        decision: ruling.decision,
        line: line(&ruling),
        thing: Thing::Held(ruling.on),
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
    for Ruled { line, thing, .. } in condemned.into_iter().rev() {
        if !request.dry_run {
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
    line: Line,
    thing: Thing,
}

enum Thing {
    Held(Held),
    Upload(HeldUpload),
}

impl Thing {
    async fn remove(&self, store: &Store) -> Result<()> {
        match self {
            Self::Held(held) => {
                if matches!(held.condition, Condition::Attested | Condition::LoneManifest) {
                    store.delete(&held.key.manifest_key()).await?;
                }
                if held.condition != Condition::LoneManifest {
                    store.delete(&held.key.to_string()).await?;
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

/// What `found` is, its manifest read where there is one; nothing of what vanished meanwhile.
async fn hold(store: &Store, found: Found) -> Result<Option<Held>> {
    let looked = look_at(store, found).await?;
    Ok(looked.map(|looked| Held {
        key: found.key,
        condition: looked.condition,
        stored_bytes: found.stored_bytes.unwrap_or(0),
    }))
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

fn foreign_among(listing: &[Listed]) -> usize {
    let meanings = listing.iter().map(|object| BackupKey::read(&object.key));
    meanings.filter(|meaning| *meaning == KeyMeaning::Foreign).count()
}

/// The error of a prune that came to an end at `line`.
fn stopped(line: &Line, removed: usize, all: usize, cause: Error) -> Error {
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

fn line(ruling: &Ruling<Held>) -> Line {
    Line {
        key: ruling.on.name(),
        state: ruling.on.condition.state().name(),
        reason: ruling.reason.clone(),
        stored_bytes: ruling.on.stored_bytes,
    }
}

fn upload_line(ruling: &Ruling<HeldUpload>) -> Line {
    Line {
        key: ruling.on.key.to_string(),
        state: "unfinished upload",
        reason: ruling.reason.clone(),
        stored_bytes: 0,
    }
}
