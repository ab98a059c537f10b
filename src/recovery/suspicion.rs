//! A new backup beside the ones before it: whether it holds so much less that a person should look.

use super::catalog;
use crate::error::Result;
use crate::model::catalog::{StoredBackup, read_listing};
use crate::model::history::History;
use crate::model::key::BackupKey;
use crate::model::manifest::Manifest;
use crate::model::selection::Among;
use crate::model::shape::Shape;
use crate::model::shrinking::ShrinkLimits;
use crate::model::suspicion::Suspicion;
use crate::model::timeline::{Event, Observer};
use crate::store::Store;

/// Compares the new backup of `manifest` with the newest good one before it and warns where it is under suspicion. Where the store
/// does not tell, nothing is recorded: then each command that reads the store compares.
pub(super) async fn compare(
    store: &Store,
    key: BackupKey,
    manifest: &Manifest,
    limits: &ShrinkLimits,
    observer: &dyn Observer,
) -> Option<Suspicion> {
    match suspicion_of(store, key, manifest, limits, observer).await {
        Ok(suspicion) => {
            if !suspicion.reasons.is_empty() {
                let reasons = suspicion.reasons.join("; ");
                let what = format!(
                    "{key} is under suspicion: {reasons}; it does not count until it is confirmed: paycraft-dr confirm {key} --why TEXT"
                );
                observer.observe(Event::Warned(what));
            }
            Some(suspicion)
        }
        Err(error) => {
            let what = format!("the new backup was not compared with the one before it: {error}");
            observer.observe(Event::Warned(what));
            None
        }
    }
}

async fn suspicion_of(
    store: &Store,
    key: BackupKey,
    manifest: &Manifest,
    limits: &ShrinkLimits,
    observer: &dyn Observer,
) -> Result<Suspicion> {
    let listed = read_listing(&store.list("").await?);
    let before: Vec<StoredBackup> = listed
        .into_iter()
        .filter(|found| found.key < key && found.is_attested())
        .collect();
    let among = Among {
        limits: limits.clone(),
        ..Among::ANY
    };
    let entries = catalog::survey(store, before, &among, None, observer).await?;
    let mut history = History::default();
    for entry in entries.iter().rev() {
        if let Some(told) = &entry.told {
            history.take(entry.found.key, told, limits);
        }
    }
    Ok(history.judge(&manifest.source, &Shape::of(manifest), limits))
}
