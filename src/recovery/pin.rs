//! Backups that `prune` never takes, by a document beside each.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::error::{Error, Kind, Result};
use crate::model::catalog::{StoredBackup, choose, read_listing};
use crate::model::key::{BackupKey, Selector};
use crate::model::pin::{Pin, PinState};
use crate::store::{Published, Store};

/// A pin is a few lines.
const LIMIT_BYTES: u64 = 64 << 10;

/// Keeps the backup that `selector` means from being pruned, to the end of the day `until` where one is named. A backup has one
/// pin: another one is refused, so that no reason is lost.
pub async fn pin(
    store: &Store,
    selector: Selector,
    why: &str,
    until: Option<Date>,
    now: Timestamp,
) -> Result<Pin> {
    let found = choose(&read_listing(&store.list("").await?), selector, now)?;
    if let Some(stored_bytes) = found.stored_bytes.filter(|_| !found.has_manifest)
        && store
            .head(&found.key.to_string())
            .await?
            .is_none_or(|facts| facts.is_ours)
    {
        let what = format!(
            "{} ({stored_bytes} bytes) is the leftover of a backup that failed",
            found.key
        );
        return Err(Error::new(Kind::Refused, what).hint("`paycraft-dr list` shows what can be restored"));
    }
    let pin = Pin::new(found.key, why, until, now);
    write(store, found.key, &pin).await?;
    Ok(pin)
}

/// Writes `pin` beside the backup `key`.
pub async fn write(store: &Store, key: BackupKey, pin: &Pin) -> Result<()> {
    let document = pin.encode()?;
    let published = store
        .publish(&key.pin_key(), document, "application/json")
        .await?;
    if published == Published::Now {
        return Ok(());
    }
    // An answer that was lost is asked for again: what is there may be our own.
    match read(store, key).await? {
        Some(PinState::Known(there)) if there == *pin => Ok(()),
        there => {
            let why = there
                .and_then(|there| there.reason(Timestamp::MIN))
                .unwrap_or_default();
            Err(
                Error::new(Kind::Refused, format!("{key} has a pin already ({why})"))
                    .hint(format!("take it off first: paycraft-dr unpin {key}")),
            )
        }
    }
}

/// Takes the pin off the backup `key`, and says what it was.
pub async fn unpin(store: &Store, key: BackupKey) -> Result<PinState> {
    let Some(state) = read(store, key).await? else {
        return Err(Error::new(Kind::Refused, format!("{key} has no pin"))
            .hint("`paycraft-dr list` shows which backups have one"));
    };
    store.delete(&key.pin_key()).await?;
    Ok(state)
}

/// The pin of the backup `key`, where there is one.
pub(super) async fn read(store: &Store, key: BackupKey) -> Result<Option<PinState>> {
    match store.get(&key.pin_key(), LIMIT_BYTES).await {
        Ok(document) => Ok(Some(match Pin::decode(key, &document) {
            Ok(pin) => PinState::Known(pin),
            Err(problem) => PinState::Unreadable { problem },
        })),
        Err(error) if error.kind() == Kind::Corrupt => Ok(Some(PinState::Unreadable {
            problem: error.to_string(),
        })),
        Err(_) if matches!(store.head(&key.pin_key()).await, Ok(None)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The pin of what was `found`, where its listing shows one.
pub(super) async fn of(store: &Store, found: StoredBackup) -> Result<Option<PinState>> {
    match found.has_pin {
        true => read(store, found.key).await,
        false => Ok(None),
    }
}

/// Why the backup `key` is kept at `now`, asked anew; nothing where it is not pinned.
pub(super) async fn holding(store: &Store, key: BackupKey, now: Timestamp) -> Result<Option<String>> {
    if store.head(&key.pin_key()).await?.is_none() {
        return Ok(None);
    }
    Ok(read(store, key).await?.and_then(|state| state.reason(now)))
}
