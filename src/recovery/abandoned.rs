//! Uploads of backups that were killed on this machine: recorded while they are open, aborted by the next run.
//!
//! Only what surely is a dead run's is aborted. An upload of another machine's, or one whose id the store had not told yet, waits for
//! `prune`.

use super::scratch::{self, Purpose, Scratch};
use crate::model::timeline::{Event, Observer};
use crate::store::{RecordedUpload, Store};

/// Begins to record the uploads of `store`, as long as what is returned lives. Without room for a record a backup is made all the
/// same.
pub fn record(store: &Store) -> Option<Scratch> {
    let scratch = Scratch::new(Purpose::Verb).ok()?;
    store.record_open_uploads(&scratch::record_in(scratch.path()));
    Some(scratch)
}

/// Aborts the uploads to `store` that killed runs on this machine left open.
pub async fn abort(store: &Store, observer: &dyn Observer) {
    for dead in scratch::dead_with_records() {
        let text = std::fs::read(scratch::record_in(dead.path())).unwrap_or_default();
        let uploads: Vec<RecordedUpload> = serde_json::from_slice(&text).unwrap_or_default();
        let mut is_done = true;
        for upload in &uploads {
            if !store.holds(upload) {
                // A run with that store will find it.
                is_done = false;
                continue;
            }
            let what = match store.abort_recorded(upload).await {
                Ok(()) => Event::Noted(format!(
                    "the upload of {} that a killed run left open was aborted",
                    upload.key
                )),
                Err(error) => {
                    is_done = false;
                    Event::Warned(format!(
                        "the upload of {} that a killed run left open stays: {error}",
                        upload.key
                    ))
                }
            };
            observer.observe(what);
        }
        if is_done {
            dead.remove();
        }
    }
}
