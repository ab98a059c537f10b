//! Publishing small objects, and removing what is there.

use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::durable;
use super::failure::FileError;
use super::upload::{begun_at, fresh_id};
use super::{Directory, MADE, NEW, OWN};
use crate::error::Result;
use crate::store::object::Published;

/// No small object takes so long to be written: a run that began it was killed.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_hours(48);

impl Directory {
    /// Puts `bytes` at `key` unless something is there.
    pub(in crate::store) async fn publish(&self, key: &str, bytes: Vec<u8>) -> Result<Published> {
        let owned = key.to_owned();
        self.blocking("write", key, move |store| {
            let key = owned;
            let what = format!("cannot write {key}");
            let path = store.file_of(&what, &key)?;
            let place = store.root.join(OWN).join(NEW);
            clear_abandoned(&place);
            let new = place.join(fresh_id());
            let written = durable::create(&new).and_then(|mut file| {
                let written = file.write_all(&bytes).and_then(|()| file.sync_all());
                written.map_err(|cause| FileError::at(&new, cause))?;
                durable::name_once(&new, &path)
            });
            let cleared = durable::remove(&new, &store.root);
            let is_new = written.map_err(|failed| store.failed(&what, failed))?;
            cleared.map_err(|failed| store.failed(&what, failed))?;
            Ok(if is_new { Published::Now } else { Published::Before })
        })
        .await
    }

    /// Removes the object at `key`. Nothing there is no error.
    pub(in crate::store) async fn delete(&self, key: &str) -> Result<()> {
        let owned = key.to_owned();
        self.blocking("remove", key, move |store| {
            let key = owned;
            let what = format!("cannot remove {key}");
            let path = store.file_of(&what, &key)?;
            let made = store.root.join(OWN).join(MADE);
            durable::remove(&path, &store.root)
                // Behind the object: without its mark it would pass for one of the shell workflow.
                .and_then(|()| durable::remove(&store.mark_of(&store.full(&key)), &made))
                .map_err(|failed| store.failed(&what, failed))
        })
        .await
    }
}

/// Removes what killed runs left of small objects. What cannot be removed is in nothing's way.
fn clear_abandoned(place: &Path) {
    let now = Timestamp::now();
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let begun = entry.file_name().to_str().and_then(begun_at);
        if begun.is_some_and(|begun| now.duration_since(begun) > ABANDONED_AFTER) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
