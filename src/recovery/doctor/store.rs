//! The store: reachable, writable, of the same time, and with a backup in it that is whole as far as a glance tells.

use jiff::{SignedDuration, Timestamp};

use super::{Examination, within};
use crate::error::{Error, Kind, Result};
use crate::model::catalog::read_listing;
use crate::model::finding::Finding;
use crate::model::manifest::Manifest;
use crate::model::timeline::Observer;
use crate::model::units::size;
use crate::recovery::{catalog, object};
use crate::store::Store;

/// Clocks further apart are worth a word; the store refuses requests from a quarter of an hour away.
const SKEW_NOTED: SignedDuration = SignedDuration::from_mins(1);
const SKEW_REFUSED: SignedDuration = SignedDuration::from_mins(5);

/// What was found in the store.
pub(super) struct InStore {
    pub(super) found: Vec<Finding>,
    /// The newest attested backup.
    pub(super) newest: Option<Manifest>,
}

pub(super) async fn examine(what: Examination<'_>, observer: &dyn Observer) -> InStore {
    let Some(store) = what.store else {
        let names = ["store", "store clock", "store rights", "newest backup", "object"];
        return InStore {
            found: names
                .map(|name| Finding::skipped(name, "the store is not set"))
                .into(),
            newest: None,
        };
    };
    let (newest, clock, rights) = tokio::join!(
        examine_newest(store, (what.clock)(), observer),
        examine_clock(what, store),
        examine_rights(store, what.write),
    );
    let (mut found, newest) = newest;
    found.splice(1..1, [clock, rights]);
    InStore { found, newest }
}

/// Whether the store lists, and whether its newest attested backup is there. The store itself comes first.
async fn examine_newest(
    store: &Store,
    now: Timestamp,
    observer: &dyn Observer,
) -> (Vec<Finding>, Option<Manifest>) {
    let listing = match within(Kind::Store, store.list("")).await {
        Ok(listing) => listing,
        Err(error) => {
            let unlisted =
                ["newest backup", "object"].map(|name| Finding::skipped(name, "the store was not listed"));
            let mut found = vec![Finding::of_error("store", &error)];
            found.extend(unlisted);
            return (found, None);
        }
    };
    let mut found = vec![Finding::passed(
        "store",
        format!("{} objects at {}", listing.len(), store.describe()),
    )];
    let in_catalog = read_listing(&listing);
    let newest = within(
        Kind::Store,
        catalog::newest_attested(store, &in_catalog, now, observer),
    )
    .await;
    let manifest = match newest {
        Ok(Some((key, manifest))) => {
            let hours = now.duration_since(manifest.started_at).as_hours();
            let detail = format!(
                "{key}, {hours} h old, {} rows in {}",
                manifest.rows(),
                size(manifest.raw_bytes)
            );
            found.push(Finding::passed("newest backup", detail));
            manifest
        }
        Ok(None) => {
            let others = in_catalog
                .iter()
                .filter(|found| found.stored_bytes.is_some())
                .count();
            let detail = format!("there is no attested backup among {others} objects");
            let hint = if others == 0 {
                "make one with `paycraft-dr backup`, and check the bucket's name"
            } else {
                "make one with `paycraft-dr backup`, or attest one that `paycraft-dr list` shows"
            };
            found.push(Finding::failed("newest backup", detail).hint(hint));
            found.push(Finding::skipped("object", "there is no attested backup"));
            return (found, None);
        }
        Err(error) => {
            found.push(Finding::of_error("newest backup", &error));
            found.push(Finding::skipped("object", "the newest backup is not known"));
            return (found, None);
        }
    };
    found.push(Finding::of(
        "object",
        within(Kind::Store, glance(store, &manifest)).await,
    ));
    (found, Some(manifest))
}

/// The length of the object, and its first block.
async fn glance(store: &Store, manifest: &Manifest) -> Result<String> {
    object::check_length(store, manifest).await?;
    object::check_first_block(store, manifest).await?;
    Ok(format!(
        "{} stored as its manifest says, and the first of {} blocks is intact",
        size(manifest.stored_bytes),
        manifest.blocks.len()
    ))
}

async fn examine_clock(what: Examination<'_>, store: &Store) -> Finding {
    const NAME: &str = "store clock";
    const HINT: &str = "set this machine's clock, as with: timedatectl set-ntp true";
    match within(Kind::Store, store.server_time()).await {
        Ok(Some(theirs)) => {
            let skew = (what.clock)().duration_since(theirs);
            let (apart, seconds) = (skew.abs(), skew.as_secs());
            let side = if skew.is_negative() { "behind" } else { "ahead of" };
            let detail = format!("this machine's clock is {} s {side} the store's", seconds.abs());
            if apart > SKEW_REFUSED {
                Finding::failed(NAME, detail).hint(HINT)
            } else if apart > SKEW_NOTED {
                Finding::passed(NAME, detail).hint(HINT)
            } else {
                Finding::passed(NAME, "the same as this machine's")
            }
        }
        Ok(None) => Finding::skipped(NAME, "the store does not tell the time"),
        Err(_) => Finding::skipped(NAME, "the store did not answer"),
    }
}

async fn examine_rights(store: &Store, write: bool) -> Finding {
    let answer = if write {
        let probed = within(Kind::Store, store.probe_write()).await;
        probed.map(|()| "a tiny object was written and removed")
    } else {
        let asked = within(Kind::Store, store.check_may_write()).await;
        asked.map(|()| "these credentials may write; --write tries it")
    };
    let advised = |error: Error| match error.next_step() {
        Some(step) => {
            let hint = format!("{step}; a restore only reads, but backup and prune write");
            error.hint(hint)
        }
        None => error,
    };
    Finding::of("store rights", answer.map(str::to_owned).map_err(advised))
}
