//! Which uploads were begun and not ended: what a run that is interrupted must let go of.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Uploads begun and not ended, by a number of ours.
#[derive(Debug, Default)]
pub(super) struct OpenUploads(Mutex<Uploads>);

#[derive(Debug, Default)]
struct Uploads {
    begun: u64,
    open: BTreeMap<u64, OpenUpload>,
}

/// An upload begun and not ended. Its id is unknown while the server's answer is on its way.
#[derive(Clone, Debug)]
pub(super) struct OpenUpload {
    pub(super) key: String,
    pub(super) id: Option<String>,
}

impl OpenUploads {
    /// Notes an upload of `key` before the server is asked for it, and returns its number.
    pub(super) fn begin(&self, key: &str) -> u64 {
        let mut uploads = self.lock();
        uploads.begun += 1;
        let number = uploads.begun;
        let upload = OpenUpload {
            key: key.to_owned(),
            id: None,
        };
        uploads.open.insert(number, upload);
        number
    }

    /// Notes the id that the server gave.
    pub(super) fn name(&self, number: u64, id: &str) {
        if let Some(upload) = self.lock().open.get_mut(&number) {
            upload.id = Some(id.to_owned());
        }
    }

    /// Notes that an upload was completed or aborted.
    pub(super) fn end(&self, number: u64) {
        self.lock().open.remove(&number);
    }

    /// Those that were not.
    pub(super) fn all(&self) -> Vec<(u64, OpenUpload)> {
        let uploads = self.lock();
        uploads
            .open
            .iter()
            .map(|(number, upload)| (*number, upload.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Uploads> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
