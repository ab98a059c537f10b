//! Which file a key is. No key leads out of the store's directory.

use std::path::PathBuf;

use super::Directory;
use crate::error::Result;

/// A file system of its own has this at its root, and only root may look into it.
const LOST_AND_FOUND: &str = "lost+found";

/// Whether a name directly in the store's directory belongs to no object: what is hidden, and what the file system keeps.
pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with('.') || name == LOST_AND_FOUND
}

/// Why a key, with its prefix, is none of a directory's.
fn fault_of(key: &str) -> Option<&'static str> {
    let mut segments = key.split('/');
    if segments
        .clone()
        .any(|segment| segment.is_empty() || segment == "." || segment == "..")
    {
        return Some("it leads out of the directory, or has an empty name between slashes");
    }
    if key.contains('\0') {
        return Some("it holds a zero byte");
    }
    if segments.next().is_some_and(is_reserved) {
        return Some("it begins as hidden files and `lost+found` do, which are no objects");
    }
    None
}

impl Directory {
    /// The key as its file is named, below the store's directory.
    pub(super) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The file of `key`. Refused are keys that lead out of the directory, also over a symbolic link.
    pub(super) fn file_of(&self, what: &str, key: &str) -> Result<PathBuf> {
        self.check_root(what)?;
        let full = self.full(key);
        if let Some(fault) = fault_of(&full) {
            let why = format!("{key:?} is no key of a directory: {fault}");
            return Err(self.refused(what, why, "`paycraft-dr list` shows the keys that are there"));
        }
        let mut path = self.root.to_path_buf();
        for segment in full.split('/') {
            path.push(segment);
            if path.is_symlink() {
                let why = format!("{} is a symbolic link", path.display());
                return Err(self.refused(
                    what,
                    why,
                    "put the file or directory itself there: nothing outside the store's directory is read or written",
                ));
            }
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::fault_of;

    #[test]
    fn a_key_stays_in_the_directory() {
        for key in [
            "a",
            "2026/11/23/backup-20261123-020007.dump.gz",
            "a b/ü+%",
            "a/.hidden",
            "x..y",
        ] {
            assert_eq!(fault_of(key), None, "{key}");
        }
        for key in [
            "",
            "/",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/./b",
            "a//b",
            "a/",
            "a\0b",
            ".paycraft-dr/made/x",
            "lost+found/x",
        ] {
            assert!(fault_of(key).is_some(), "{key}");
        }
    }
}
