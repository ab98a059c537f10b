//! A directory as a store: each object is a file of its key's name, which `gunzip` and `pg_restore` can read where it is.
//!
//! What is not finished is below `.paycraft-dr` in the same directory, and gets its name at once, when it is whole and on the disk, and
//! only where no file has that name. The directory itself is never made: it may be on a disk that is not mounted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::Access;
use tracing::{debug, info_span};

use super::open_uploads::OpenUploads;
use crate::error::{Error, Kind, Result};
use crate::log::{self, Wait};

mod durable;
mod failure;
mod keys;
mod listing;
mod read;
mod upload;
mod write;

use failure::FileError;
pub(super) use upload::FileUpload;

/// What belongs to the store and is no object.
const OWN: &str = ".paycraft-dr";
/// Below [`OWN`]: objects that are being uploaded, each named by its key and an id.
const UPLOADS: &str = "uploads";
/// Below [`OWN`]: small objects that are being written, each named by an id.
const NEW: &str = "new";
/// Below [`OWN`]: an empty file for each object that an upload of this program made, by its key.
const MADE: &str = "made";

/// A directory of objects. Clones share the list of open uploads.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    root: Arc<Path>,
    /// What every key begins with: empty, or ending with a slash.
    pub(super) prefix: Arc<str>,
    pub(super) open: Arc<OpenUploads>,
}

impl Directory {
    /// The store in `root`. It is not looked at yet.
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.into(),
            prefix: "".into(),
            open: Arc::default(),
        }
    }

    pub(super) fn below(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    pub(super) fn describe(&self) -> String {
        let prefix = self.prefix.trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("file://{}{slash}{prefix}", self.root.display())
    }

    /// An error unless the directory is there.
    pub(super) async fn check(&self) -> Result<()> {
        self.blocking("look at", "it", |store| store.check_root("cannot use the store"))
            .await
    }

    /// An error unless this user may make files in the directory.
    pub(super) async fn check_may_write(&self) -> Result<()> {
        const WHAT: &str = "may not write";
        self.blocking("look at", "it", |store| {
            store.check_root(WHAT)?;
            rustix::fs::access(&*store.root, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|cause| store.failed(WHAT, FileError::at(&store.root, cause)))
        })
        .await
    }

    /// The room that is left to this user on the file system that the directory is on.
    pub(super) async fn free_bytes(&self) -> Result<u64> {
        const WHAT: &str = "cannot tell the room";
        self.blocking("look at", "it", |store| {
            store.check_root(WHAT)?;
            let facts = rustix::fs::statvfs(&*store.root)
                .map_err(|cause| store.failed(WHAT, FileError::at(&store.root, cause)))?;
            Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
        })
        .await
    }

    /// Makes the directory, for a rehearsal.
    #[cfg(feature = "drill")]
    pub(super) async fn create(&self) -> Result<()> {
        self.blocking("make", "it", |store| {
            let made = durable::make_directories(&store.root);
            made.map_err(|failed| store.failed("cannot make the directory", failed))
        })
        .await
    }

    /// Runs what waits for a disk where it holds up nothing else.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let span = info_span!(parent: log::phase(), "file", operation, key);
        let wait = Wait::begin(&span, || format!("the disk to {operation} {key}"));
        let (store, began) = (self.clone(), Instant::now());
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        drop(wait);
        let seconds = began.elapsed().as_secs_f64();
        let is_done = matches!(done, Ok(Ok(_)));
        span.in_scope(|| debug!(seconds, is_done, "ended"));
        done.map_err(|cause| Error::new(Kind::Internal, "work on a file broke down").caused_by(cause))?
    }

    /// The directory is looked at each time: a disk may be taken away.
    fn check_root(&self, what: &str) -> Result<()> {
        match std::fs::metadata(&*self.root) {
            Ok(facts) if facts.is_dir() => Ok(()),
            Ok(_) => Err(self.no_root(what, "it is a file")),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Err(self.no_root(what, "there is no such directory"))
            }
            Err(cause) => Err(self.failed(what, FileError::at(&self.root, cause))),
        }
    }

    fn no_root(&self, what: &str, why: &str) -> Error {
        let root = self.root.display();
        Error::new(Kind::Store, format!("{what} at {}", self.describe()))
            .caused_by(format!("{root}: {why}"))
            .hint(format!(
                "mount the disk that it is on; a new store is made with: mkdir -p -m 700 {root}"
            ))
    }

    /// Where uploads of the key with its prefix are.
    fn uploads_of(&self, full: &str) -> PathBuf {
        self.root.join(OWN).join(UPLOADS).join(full)
    }

    /// What marks the object of the key with its prefix as made by an upload of this program.
    fn mark_of(&self, full: &str) -> PathBuf {
        self.root.join(OWN).join(MADE).join(full)
    }
}
