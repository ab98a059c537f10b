//! Uploads in parts: one file below `.paycraft-dr`, into which parts are written at their places, and which becomes the object at once.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::failure::FileError;
use super::{Directory, OWN, UPLOADS, durable};
use crate::error::{Error, Kind, Result};
use crate::store::object::StoredPart;
use crate::store::open_uploads::OpenUpload;

/// A file that is being written.
#[derive(Clone, Debug)]
pub(in crate::store) struct FileUpload {
    store: Directory,
    /// How the store knows it among its open uploads.
    number: u64,
    key: String,
    id: String,
    parts: Arc<Mutex<PartLayout>>,
}

/// Where parts belong, as far as that is known.
#[derive(Debug, Default)]
struct PartLayout {
    /// The size of every part but the last: that of the first.
    bytes: Option<u64>,
    /// Parts that came before the first.
    early: Vec<(i32, Bytes)>,
}

impl FileUpload {
    pub(in crate::store) fn id(&self) -> &str {
        &self.id
    }

    fn what(&self, number: i32) -> String {
        format!("cannot store part {number} of {}", self.key)
    }

    /// Writes part `number` (from 1). All parts but the last must have one size.
    pub(in crate::store) async fn put_part(&self, number: i32, bytes: Bytes) -> Result<StoredPart> {
        let length = bytes.len() as u64;
        let due = self.due(number, bytes);
        let upload = self.clone();
        self.store
            .blocking("write", &self.key, move |store| {
                let what = upload.what(number);
                let failed = |failed| store.failed(&what, failed);
                // Without it, a disk that was taken away would look like an upload that was aborted.
                store.check_root(&what)?;
                let file = upload.open().map_err(failed)?;
                for (offset, bytes) in due {
                    let written = file.write_all_at(&bytes, offset);
                    written.map_err(|cause| failed(FileError::at(&upload.path(), cause)))?;
                }
                Ok(())
            })
            .await?;
        Ok(StoredPart {
            number,
            etag: None,
            bytes: length,
        })
    }

    /// What can be written now that this part came, each piece with its place.
    fn due(&self, number: i32, bytes: Bytes) -> Vec<(u64, Bytes)> {
        let mut parts = self.parts.lock();
        if number == 1 {
            parts.bytes = Some(bytes.len() as u64);
        }
        let mut due = std::mem::take(&mut parts.early);
        due.push((number, bytes));
        let Some(size) = parts.bytes else {
            parts.early = due;
            return Vec::new();
        };
        let place = |number: i32| u64::from(number.unsigned_abs().saturating_sub(1)) * size;
        due.into_iter()
            .map(|(number, bytes)| (place(number), bytes))
            .collect()
    }

    /// Lets go of everything that was written.
    pub(in crate::store) async fn abort(&self) -> Result<()> {
        self.store.abort(&self.key, &self.id).await?;
        self.store.open.end(self.number);
        Ok(())
    }

    /// Makes the object of `parts`, which may come in any order, unless something is at the key.
    pub(in crate::store) async fn complete(self, parts: Vec<StoredPart>) -> Result<()> {
        let (store, number) = (self.store.clone(), self.number);
        let key = self.key.clone();
        store
            .blocking("complete", &key, move |_| self.finish(parts))
            .await?;
        store.open.end(number);
        Ok(())
    }

    fn finish(&self, mut parts: Vec<StoredPart>) -> Result<()> {
        let what = format!("cannot complete the upload of {}", self.key);
        let failed = |failed| self.store.failed(&what, failed);
        let path = self.store.file_of(&what, &self.key)?;
        let (own, full) = (self.path(), self.store.full(&self.key));
        parts.sort_unstable_by_key(|part| part.number);
        check(&parts).map_err(|fault| Error::new(Kind::Internal, format!("{what}: {fault}")))?;
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let file = self.open().map_err(failed)?;
        let settled = file.set_len(bytes).and_then(|()| file.sync_all());
        settled.map_err(|cause| failed(FileError::at(&own, cause)))?;
        let taken = || {
            let why = format!("{} is there already", path.display());
            self.store.refused(
                &what,
                why,
                "nothing was written over it: `paycraft-dr list` shows what it is",
            )
        };
        if path.exists() {
            return Err(taken());
        }
        // Before the object: one without a mark would pass for one of the shell workflow.
        durable::mark(&self.store.mark_of(&full)).map_err(failed)?;
        if !durable::name_once(&own, &path).map_err(failed)? {
            return Err(taken());
        }
        durable::remove(&own, &self.store.root).map_err(failed)
    }

    fn path(&self) -> PathBuf {
        self.store.uploads_of(&self.store.full(&self.key)).join(&self.id)
    }

    fn open(&self) -> Result<File, FileError> {
        let path = self.path();
        let opened = OpenOptions::new().write(true).open(&path);
        opened.map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => FileError::at(&path, io::Error::other("the upload was aborted")),
            _ => FileError::at(&path, cause),
        })
    }
}

/// Whether the parts are one object: numbered without a gap, and of one size but for the last, which is no longer.
fn check(parts: &[StoredPart]) -> Result<(), &'static str> {
    let size = parts.first().map_or(0, |part| part.bytes);
    if !parts.iter().zip(1..).all(|(part, number)| part.number == number) {
        return Err("a part is missing");
    }
    let (last, before) = parts.split_last().ok_or("it has no part")?;
    match before.iter().all(|part| part.bytes == size) && last.bytes <= size {
        true => Ok(()),
        false => Err("its parts differ in size"),
    }
}

impl Directory {
    /// Begins an upload of `key`. It must be completed or aborted.
    pub(in crate::store) async fn begin_upload(&self, key: &str) -> Result<FileUpload> {
        let number = self.open.begin(key);
        let id = fresh_id();
        // Before the file: a run that is killed in between records nothing that is not there.
        self.open.name(number, &id);
        let upload = FileUpload {
            store: self.clone(),
            number,
            key: key.to_owned(),
            id,
            parts: Arc::default(),
        };
        let begun = upload.clone();
        self.blocking("begin", key, move |store| {
            let what = format!("cannot begin the upload of {}", begun.key);
            store.file_of(&what, &begun.key)?;
            let created = durable::create(&begun.path());
            created.map(drop).map_err(|failed| store.failed(&what, failed))
        })
        .await?;
        Ok(upload)
    }

    /// Aborts every upload begun through this handle that was neither completed nor aborted.
    pub(in crate::store) async fn abort_open_uploads(&self) -> Result<()> {
        for (number, OpenUpload { key, id }) in self.open.all() {
            if let Some(id) = id {
                self.abort(&key, &id).await?;
            }
            self.open.end(number);
        }
        Ok(())
    }

    /// Aborts an upload. One that is gone is no error.
    pub(in crate::store) async fn abort(&self, key: &str, id: &str) -> Result<()> {
        let (owned, id) = (key.to_owned(), id.to_owned());
        self.blocking("abort the upload of", key, move |store| {
            let key = owned;
            let what = format!("cannot abort the upload of {key}");
            store.file_of(&what, &key)?;
            if begun_at(&id).is_none() {
                let why = format!("{id:?} is no upload of a directory");
                return Err(store.refused(
                    &what,
                    why,
                    "`paycraft-dr prune` clears uploads that were never finished",
                ));
            }
            let file = store.uploads_of(&store.full(&key)).join(&id);
            let uploads: &Path = &store.root.join(OWN).join(UPLOADS);
            durable::remove(&file, uploads).map_err(|failed| store.failed(&what, failed))
        })
        .await
    }
}

/// An id that no other upload has. Ids sort by the instant at which their uploads began.
pub(super) fn fresh_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    let began = Timestamp::now().as_microsecond();
    format!("{began:016x}-{:016x}", RandomState::new().hash_one(began))
}

/// When the upload of that id began; nothing for what is no id.
pub(super) fn begun_at(id: &str) -> Option<Timestamp> {
    let (began, random) = id.split_once('-')?;
    let is_hexadecimal = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hexadecimal(began) || !is_hexadecimal(random) {
        return None;
    }
    Timestamp::from_microsecond(i64::from_str_radix(began, 16).ok()?).ok()
}
