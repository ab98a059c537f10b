//! Reading objects, each time from one file that stays as it is.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;
use rustix::fs::OFlags;

use super::Directory;
use super::failure::FileError;
use crate::error::{Error, Kind, Result};

impl Directory {
    /// The whole of a small object; one larger than `limit_bytes` is refused before it is read.
    pub(in crate::store) async fn get(&self, key: &str, limit_bytes: u64) -> Result<Bytes> {
        let (owned, what) = (key.to_owned(), format!("cannot read {key}"));
        self.blocking("read", key, move |store| {
            let key = owned;
            store
                .read(&key, &what, |file, facts| {
                    if facts.len() > limit_bytes {
                        return Ok(None);
                    }
                    let mut bytes = Vec::with_capacity(usize::try_from(facts.len()).unwrap_or(0));
                    file.take(limit_bytes + 1).read_to_end(&mut bytes)?;
                    Ok(Some(bytes))
                })?
                .ok_or_else(|| {
                    let message =
                        format!("{key} is larger than the {limit_bytes} bytes such an object may have");
                    Error::new(Kind::Corrupt, message)
                        .hint("use another backup: `paycraft-dr list` shows them")
                })
                .map(Bytes::from)
        })
        .await
    }

    /// The bytes of `key` in `range`. Fewer arrive where the object is shorter.
    pub(in crate::store) async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let owned = key.to_owned();
        let what = format!("cannot read bytes {} to {} of {key}", range.start, range.end);
        self.blocking("read", key, move |store| {
            let bytes = store.read(&owned, &what, |file, facts| {
                let length = facts.len().min(range.end).saturating_sub(range.start);
                let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
                file.read_exact_at(&mut bytes, range.start)?;
                Ok(bytes)
            })?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    fn read<T>(
        &self,
        key: &str,
        what: &str,
        read: impl FnOnce(&File, &Metadata) -> std::io::Result<T>,
    ) -> Result<T> {
        let path = self.file_of(what, key)?;
        let failed = |cause| self.failed(what, FileError::at(&path, cause));
        let file = open(&path).map_err(failed)?;
        let before = file.metadata().map_err(failed)?;
        if !before.is_file() {
            let why = format!("{} is no file", path.display());
            return Err(self.refused(what, why, "`paycraft-dr list` shows what is there"));
        }
        let bytes = read(&file, &before);
        // What was cut short while it was read ends early: that it was changed says more.
        let after = file.metadata().map_err(failed)?;
        if identity(&before) != identity(&after) {
            return Err(
                Error::new(Kind::Corrupt, format!("{key} was replaced while it was read"))
                    .hint("nothing may write over a backup: find out what did, and use another one"),
            );
        }
        bytes.map_err(failed)
    }
}

/// What a file that stays as it is keeps. The number of its names is none of it.
fn identity(facts: &Metadata) -> (u64, u64, u64, i64, i64) {
    (
        facts.dev(),
        facts.ino(),
        facts.len(),
        facts.mtime(),
        facts.mtime_nsec(),
    )
}

/// Opens for reading. A symbolic link is refused, and a pipe is not waited for.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use crate::error::Kind;
    use crate::store::directory::Directory;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_an_error() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("k");
        std::fs::write(&path, "before").expect("a file");
        let store = Directory::new(place.path());
        let read = |change: &dyn Fn()| {
            store.read("k", "cannot read k", |mut file, _| {
                change();
                let mut text = String::new();
                file.read_to_string(&mut text).map(|_| text)
            })
        };
        assert_eq!(read(&|| {}).expect("its text"), "before");
        let error = read(&|| std::fs::write(&path, "behind it").expect("a file")).expect_err("another text");
        assert_eq!(error.kind(), Kind::Corrupt);
    }
}
