//! An operator's word that a backup under suspicion is right, written beside it.

use jiff::Timestamp;

use super::catalog;
use crate::error::{Error, Kind, Result};
use crate::model::catalog::{Condition, read_listing};
use crate::model::confirmation::Confirmation;
use crate::model::key::BackupKey;
use crate::model::selection::Among;
use crate::model::timeline::Observer;
use crate::store::{Published, Store};

/// A backup that an operator confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    pub confirmation: Confirmation,
    /// Why the backup was under suspicion.
    pub reasons: Vec<String>,
}

/// Writes down `why` the backup `key` is right, so that it counts from now on. Only an attested backup under suspicion can be
/// confirmed, and only once.
pub async fn confirm(
    store: &Store,
    key: BackupKey,
    why: &str,
    among: &Among,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<Confirmed> {
    let found = read_listing(&store.list("").await?);
    let entries = catalog::survey(store, found, among, None, observer).await?;
    let Some(entry) = entries.iter().find(|entry| entry.found.key == key) else {
        return Err(Error::new(Kind::Store, format!("there is no backup {key}"))
            .hint("`paycraft-dr list` shows what is there"));
    };
    let refuse = |message: String, hint: &str| Err(Error::new(Kind::Refused, message).hint(hint.to_owned()));
    let Some(known) = entry
        .known
        .as_ref()
        .filter(|_| entry.condition == Condition::Attested)
    else {
        return refuse(
            format!("{key} is not an attested backup: there is nothing to confirm"),
            "`paycraft-dr list` shows what it is",
        );
    };
    if let Some(why) = &entry.confirmed {
        return refuse(
            format!("{key} is confirmed already, because: {why}"),
            "there is nothing more to do",
        );
    }
    if known.suspicion.is_empty() {
        return refuse(
            format!("{key} is under no suspicion: there is nothing to confirm"),
            "`paycraft-dr list` shows the backups that are",
        );
    }
    let confirmation = Confirmation::new(key, why, now);
    let document = confirmation.encode()?;
    let published = store
        .publish(&key.confirmation_key(), document, "application/json")
        .await?;
    // An answer that was lost is asked for again: what is there may be our own.
    let is_there = published == Published::Now
        || catalog::read_confirmation(store, key).await? == Ok(confirmation.clone());
    if !is_there {
        return refuse(
            format!("there is a document at {} already", key.confirmation_key()),
            "read it; where it is no confirmation, delete it from the store and confirm again",
        );
    }
    Ok(Confirmed {
        confirmation,
        reasons: known.suspicion.clone(),
    })
}
