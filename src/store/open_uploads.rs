//! Which uploads were begun and not ended: what a run that is interrupted must let go of, and what the next one must where this one
//! is killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

/// Uploads begun and not ended, by a number of ours.
#[derive(Debug, Default)]
pub(super) struct OpenUploads(Mutex<Uploads>);

#[derive(Debug, Default)]
struct Uploads {
    begun: u64,
    open: BTreeMap<u64, OpenUpload>,
    record: Option<UploadRecord>,
}

/// Where open uploads are written down, and the store they are in.
#[derive(Debug)]
struct UploadRecord {
    file: PathBuf,
    store: String,
}

/// An upload begun and not ended. Its id is unknown while the server's answer is on its way.
#[derive(Clone, Debug)]
pub(super) struct OpenUpload {
    pub(super) key: String,
    pub(super) id: Option<String>,
}

/// An open upload as it is written down. None of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedUpload {
    /// The store's address and bucket.
    pub store: String,
    /// The key it was to become.
    pub key: String,
    /// The store's name for it.
    pub id: String,
}

impl OpenUploads {
    /// Writes open uploads of `store` down in `file`, from now on.
    pub(super) fn record(&self, file: &Path, store: String) {
        let mut uploads = self.lock();
        uploads.record = Some(UploadRecord {
            file: file.to_owned(),
            store,
        });
        uploads.write();
    }

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
        let mut uploads = self.lock();
        if let Some(upload) = uploads.open.get_mut(&number) {
            upload.id = Some(id.to_owned());
        }
        uploads.write();
    }

    /// Notes that an upload was completed or aborted.
    pub(super) fn end(&self, number: u64) {
        let mut uploads = self.lock();
        uploads.open.remove(&number);
        uploads.write();
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
        self.0.lock()
    }
}

impl Uploads {
    /// Replaces the record as a whole: a kill leaves the one or the other. Without room for it the upload goes on.
    fn write(&self) {
        let Some(UploadRecord { file, store }) = &self.record else {
            return;
        };
        let named = self.open.values().filter_map(|upload| {
            Some(RecordedUpload {
                store: store.clone(),
                key: upload.key.clone(),
                id: upload.id.clone()?,
            })
        });
        let text = serde_json::to_vec(&named.collect::<Vec<_>>()).unwrap_or_default();
        let new = file.with_extension("new");
        let _ = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, file));
    }
}
