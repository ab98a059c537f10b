//! Which objects and uploads there are. One that cannot be seen is an error: what a listing leaves out is taken for gone.

use std::fs::Metadata;
use std::path::Path;

use jiff::Timestamp;

use super::failure::FileError;
use super::keys::is_reserved;
use super::upload::begun_at;
use super::{Directory, OWN, UPLOADS};
use crate::error::Result;
use crate::model::catalog::ListedObject;
use crate::store::object::{ObjectFacts, UnfinishedUpload};

impl Directory {
    /// Everything under `prefix`, sorted by key.
    pub(in crate::store) async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>> {
        const WHAT: &str = "cannot list the directory";
        let full = self.full(prefix);
        self.blocking("list", prefix, move |store| {
            store.check_root(WHAT)?;
            let found = store.files(WHAT, &store.root, &full)?;
            let listed = found.into_iter().map(|(name, facts)| ListedObject {
                key: store.relative(name),
                bytes: facts.len(),
            });
            Ok(listed.collect())
        })
        .await
    }

    /// What is known of `key`, or `None` where there is no file.
    pub(in crate::store) async fn head(&self, key: &str) -> Result<Option<ObjectFacts>> {
        let owned = key.to_owned();
        self.blocking("look at", key, move |store| {
            let key = owned;
            let what = format!("cannot look at {key}");
            let path = store.file_of(&what, &key)?;
            match std::fs::symlink_metadata(&path).map_err(|cause| FileError::at(&path, cause)) {
                Ok(facts) if facts.is_file() => Ok(Some(ObjectFacts {
                    bytes: facts.len(),
                    is_ours: store.mark_of(&store.full(&key)).exists(),
                    stored_at: facts.modified().ok().and_then(|at| Timestamp::try_from(at).ok()),
                })),
                Ok(_) => Ok(None),
                Err(failed) if failed.is_missing() => Ok(None),
                Err(failed) => Err(store.failed(&what, failed)),
            }
        })
        .await
    }

    /// Every unfinished upload whose key begins with `prefix`.
    pub(in crate::store) async fn unfinished_uploads(&self, prefix: &str) -> Result<Vec<UnfinishedUpload>> {
        const WHAT: &str = "cannot list open uploads";
        let full = self.full(prefix);
        self.blocking("list uploads of", prefix, move |store| {
            store.check_root(WHAT)?;
            let found = store.files(WHAT, &store.root.join(OWN).join(UPLOADS), &full)?;
            let uploads = found.into_iter().filter_map(|(name, _)| {
                let (key, id) = name.rsplit_once('/')?;
                Some(UnfinishedUpload {
                    begun_at: begun_at(id)?,
                    key: store.relative(key.to_owned()),
                    id: id.to_owned(),
                })
            });
            Ok(uploads.collect())
        })
        .await
    }

    /// The key as it is told: without the prefix.
    fn relative(&self, full: String) -> String {
        match full.strip_prefix(&*self.prefix) {
            Some(relative) => relative.to_owned(),
            None => full,
        }
    }

    /// The files below `top` whose names, as seen from there, begin with `prefix`, sorted by name.
    fn files(&self, what: &str, top: &Path, prefix: &str) -> Result<Vec<(String, Metadata)>> {
        let (directory, _) = prefix.rsplit_once('/').unwrap_or_default();
        // A prefix that leads out of the directory is none of any key.
        if directory.split('/').any(|name| name == "." || name == "..") || directory.starts_with('/') {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let mut left = vec![directory.to_owned()];
        while let Some(directory) = left.pop() {
            let place = top.join(&directory);
            let entries = match std::fs::read_dir(&place) {
                Ok(entries) => entries,
                Err(cause) => {
                    let failed = FileError::at(&place, cause);
                    // Another process may have removed it, as it was empty.
                    if failed.is_missing() {
                        continue;
                    }
                    return Err(self.failed(what, failed));
                }
            };
            for entry in entries {
                let entry = entry.map_err(|cause| self.failed(what, FileError::at(&place, cause)))?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let is_at_top = directory.is_empty();
                if is_at_top && is_reserved(&name) {
                    continue;
                }
                let name = if is_at_top {
                    name.into_owned()
                } else {
                    format!("{directory}/{name}")
                };
                if !name.starts_with(prefix) && !prefix.starts_with(&name) {
                    continue;
                }
                let path = entry.path();
                let facts =
                    match std::fs::symlink_metadata(&path).map_err(|cause| FileError::at(&path, cause)) {
                        Ok(facts) => facts,
                        Err(failed) if failed.is_missing() => continue,
                        Err(failed) => return Err(self.failed(what, failed)),
                    };
                if facts.is_dir() {
                    left.push(name);
                } else if facts.is_symlink() {
                    let why = format!("{} is a symbolic link", path.display());
                    let hint = "put the file or directory itself there, or remove the link: what it leads to is neither read nor taken for gone";
                    return Err(self.refused(what, why, hint));
                } else if facts.is_file() && name.starts_with(prefix) {
                    found.push((name, facts));
                }
            }
        }
        found.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        Ok(found)
    }
}
