//! Stored objects that are not what they were, and objects of others.

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};

use super::servers::TrialServers;
use crate::drill::scenario::{BackupChoice, BackupPart, Damage, DamageKind};
use crate::error::{Error, Kind, Result};
use crate::model::catalog::{StoredBackup, read_listing};
use crate::model::key::BackupKey;
use crate::store::Store;

const WRITES_AT_ONCE: usize = 16;
/// The backups of a drill are small.
const OBJECT_LIMIT_BYTES: u64 = 1 << 30;

/// Damages what is stored.
pub(super) async fn inflict(damage: Damage, servers: &TrialServers<'_>) -> Result<()> {
    let store = servers.direct_store();
    let found = backups(store).await?;
    let meant = match damage.of {
        BackupChoice::Newest => &found[..1],
        BackupChoice::All => &found[..],
    };
    for (place, backup) in meant.iter().enumerate() {
        let key = backup.key;
        servers.note_damaged(key);
        let older = found.get(place + 1).map(|older| older.key);
        if matches!(damage.part, BackupPart::Object | BackupPart::Both) {
            let older = older.map(|older| older.to_string());
            spoil(damage.by, &key.to_string(), older.as_deref(), store).await?;
        }
        if matches!(damage.part, BackupPart::Manifest | BackupPart::Both) {
            let older = older.map(BackupKey::manifest_key);
            spoil(damage.by, &key.manifest_key(), older.as_deref(), store).await?;
        }
        let takes_globals = damage.part == BackupPart::Both && damage.by == DamageKind::Delete;
        if takes_globals || damage.part == BackupPart::Globals {
            let older = older.map(BackupKey::globals_key);
            spoil(damage.by, &key.globals_key(), older.as_deref(), store).await?;
        }
    }
    Ok(())
}

async fn spoil(by: DamageKind, key: &str, older: Option<&str>, store: &Store) -> Result<()> {
    let mut bytes = store.get(key, OBJECT_LIMIT_BYTES).await?.to_vec();
    match by {
        DamageKind::Flip => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        DamageKind::Cut => bytes.truncate(bytes.len() * 2 / 3),
        DamageKind::Swap => {
            let older = older.ok_or_else(|| {
                Error::new(Kind::Usage, "there is no older backup to swap with").hint("give `history_days`")
            })?;
            bytes = store.get(older, OBJECT_LIMIT_BYTES).await?.to_vec();
        }
        DamageKind::Delete => return store.delete(key).await,
    }
    store.delete(key).await?;
    put(store, key, bytes).await
}

/// So many keys of strangers.
pub(super) async fn plant_foreign(count: u32, store: &Store) -> Result<()> {
    plant(
        store,
        (0..count).map(|number| format!("exports/{number:05}/rows.csv")),
    )
    .await
}

/// So many objects with a backup's name, of years ago.
pub(super) async fn plant_old(count: u32, store: &Store) -> Result<()> {
    let keys = (0..count).map(|number| {
        let (day, second) = (1 + number % 28, number / 28);
        let (minute, second) = (second / 60 % 60, second % 60);
        format!("2019/03/{day:02}/backup-201903{day:02}-02{minute:02}{second:02}.dump.gz")
    });
    plant(store, keys).await
}

async fn plant(store: &Store, keys: impl Iterator<Item = String>) -> Result<()> {
    stream::iter(keys.map(Ok))
        .try_for_each_concurrent(WRITES_AT_ONCE, async |key: String| {
            store
                .publish(&key, b"nothing of ours".to_vec(), "text/plain")
                .await
                .map(drop)
        })
        .await
}

/// The newest backup there is.
pub(super) async fn newest(store: &Store) -> Result<BackupKey> {
    backups(store).await.map(|found| found[0].key)
}

/// Every backup, newest first; at least one.
async fn backups(store: &Store) -> Result<Vec<StoredBackup>> {
    let found = read_listing(&store.list("").await?);
    if found.is_empty() {
        return Err(Error::new(Kind::Usage, "nothing is stored that could be damaged")
            .hint("let the fault strike in the phase `select` or later"));
    }
    Ok(found)
}

/// Writes an object as this program writes its own.
async fn put(store: &Store, key: &str, bytes: Vec<u8>) -> Result<()> {
    let upload = store.begin_upload(key).await?;
    let part = upload.put_part(1, Bytes::from(bytes)).await?;
    upload.complete(vec![part]).await
}
