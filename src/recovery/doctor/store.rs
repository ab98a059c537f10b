//! The store: reachable, writable, of the same time, and with a backup in it that is whole as far as a glance tells.

use jiff::{SignedDuration, Timestamp};

use super::{Examination, within};
use crate::error::{Error, Kind, Result};
use crate::model::catalog::read_listing;
use crate::model::finding::Finding;
use crate::model::manifest::Manifest;
use crate::model::selection::Among;
use crate::model::source::SourceName;
use crate::model::standing;
use crate::model::timeline::Observer;
use crate::model::units::size;
use crate::model::verdict::Check;
use crate::recovery::choosing::{self, SourceBackups};
use crate::recovery::{catalog, object};
use crate::store::Store;

/// Clocks further apart are worth a word; the store refuses requests from a quarter of an hour away.
const SKEW_NOTED: SignedDuration = SignedDuration::from_mins(1);
const SKEW_REFUSED: SignedDuration = SignedDuration::from_mins(5);

/// The name of the question whether the source could be made again.
const TROUBLE: &str = "restorable";

/// What was found in the store.
pub(super) struct InStore {
    pub(super) found: Vec<Finding>,
    /// The newest attested backup.
    pub(super) newest: Option<Manifest>,
}

pub(super) async fn examine(what: Examination<'_>, observer: &dyn Observer) -> InStore {
    let Some(store) = what.store else {
        let names = [
            "store",
            "store clock",
            "store rights",
            "newest backup",
            "suspicion",
            "object",
            TROUBLE,
        ];
        return InStore {
            found: names
                .map(|name| Finding::skipped(name, "the store is not set"))
                .into(),
            newest: None,
        };
    };
    let (newest, clock, rights) = tokio::join!(
        examine_newest(store, what.among, (what.clock)(), observer),
        examine_clock(what, store),
        examine_rights(store, what.write),
    );
    let (mut found, newest) = newest;
    found.splice(1..1, [clock, rights]);
    found.push(newest.as_ref().map_or_else(
        || Finding::skipped(TROUBLE, "there is no attested backup"),
        examine_troubles,
    ));
    InStore { found, newest }
}

/// Whether anything was found in the source, when it was backed up, that no restore can make again.
fn examine_troubles(newest: &Manifest) -> Finding {
    let Some(troubles) = &newest.troubles else {
        return Finding::passed(
            TROUBLE,
            format!(
                "{} does not record whether anything keeps it from being made again",
                newest.key
            ),
        );
    };
    let asked = match troubles.unasked {
        0 => "every key and check of the source was asked about, and holds".to_owned(),
        some => format!(
            "{some} keys and checks of the source have no answer from the time of its dump; the others hold"
        ),
    };
    let finding = Finding {
        check: Check::none_of(TROUBLE, &troubles.found, asked),
        hint: None,
    };
    match finding.is_failed() {
        true => finding
            .hint("a restore would end without what is named: mend it in the source, and back up again"),
        false => finding,
    }
}

/// Whether the store lists, and whether its newest attested backup is there. The store itself comes first.
async fn examine_newest(
    store: &Store,
    among: &Among,
    now: Timestamp,
    observer: &dyn Observer,
) -> (Vec<Finding>, Option<Manifest>) {
    let listing = match within(Kind::Store, store.list("")).await {
        Ok(listing) => listing,
        Err(error) => {
            let unlisted = ["newest backup", "suspicion", "object"]
                .map(|name| Finding::skipped(name, "the store was not listed"));
            let mut found = vec![Finding::of_error("store", &error)];
            found.extend(unlisted);
            return (found, None);
        }
    };
    let mut found = vec![Finding::passed(
        "store",
        format!("{} objects at {}", listing.len(), store.describe()),
    )];
    let looked = within(Kind::Store, async {
        let entries = catalog::survey(store, read_listing(&listing), among, None, observer).await?;
        let newest = choosing::newest(&entries, among, now, observer)?;
        let manifest = match newest.good {
            Some((key, _)) => Some(catalog::read_manifest(store, key).await?),
            None => None,
        };
        let objects = entries.iter().filter(|entry| entry.found.stored_bytes.is_some());
        Ok((newest, manifest, objects.count()))
    });
    let (newest, manifest, objects) = match looked.await {
        Ok(looked) => looked,
        Err(error) => {
            found.push(Finding::of_error("newest backup", &error));
            found.push(Finding::skipped("suspicion", "the newest backup is not known"));
            found.push(Finding::skipped("object", "the newest backup is not known"));
            return (found, None);
        }
    };
    let Some(manifest) = manifest else {
        found.push(no_backup(&newest, objects));
        found.push(suspicion(&newest));
        found.push(Finding::skipped("object", "there is no attested backup"));
        return (found, None);
    };
    let hours = now.duration_since(manifest.started_at).as_hours();
    let detail = format!(
        "{}, {hours} h old, {} rows in {}, of {}",
        manifest.key,
        manifest.rows(),
        size(manifest.raw_bytes),
        SourceName::from(&manifest.source)
    );
    found.push(Finding::passed("newest backup", detail));
    found.push(suspicion(&newest));
    found.push(Finding::of(
        "object",
        within(Kind::Store, glance(store, &manifest)).await,
    ));
    (found, Some(manifest))
}

fn no_backup(newest: &SourceBackups, objects: usize) -> Finding {
    let of_source = match &newest.source {
        Some(source) => format!(" for the source {source}"),
        None => String::new(),
    };
    let detail = match newest.suspicious.len() {
        0 => format!("there is no attested backup among {objects} objects{of_source}"),
        _ => format!("there is no backup that is under no suspicion{of_source}"),
    };
    let hint = if objects == 0 {
        "make one with `paycraft-dr backup`, and check the bucket's name"
    } else {
        "make one with `paycraft-dr backup`, or attest one that `paycraft-dr list` shows"
    };
    Finding::failed("newest backup", detail).hint(hint)
}

fn suspicion(newest: &SourceBackups) -> Finding {
    const NAME: &str = "suspicion";
    match newest.suspicious.first() {
        Some((key, reasons)) => {
            let detail = format!("{key} is newer and under suspicion: {}", reasons.join("; "));
            Finding::failed(NAME, detail).hint(standing::look_at_suspicion(*key))
        }
        None if newest.good.is_none() => Finding::skipped(NAME, "there is no attested backup"),
        None => Finding::passed(NAME, "the newest backup holds no less than the one before it"),
    }
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
