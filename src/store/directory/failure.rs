//! Errors of the file system in the words of the person who has to act on them.

use std::io;
use std::path::{Path, PathBuf};

use super::Directory;
use crate::error::{Error, Kind};

/// What the file system refused, and for which path.
#[derive(Debug)]
pub(super) struct FileError {
    path: PathBuf,
    pub(super) cause: io::Error,
}

impl FileError {
    pub(super) fn at(path: &Path, cause: impl Into<io::Error>) -> Self {
        Self {
            path: path.to_owned(),
            cause: cause.into(),
        }
    }

    /// Whether there is no such file.
    pub(super) fn is_missing(&self) -> bool {
        matches!(
            self.cause.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
    }

    fn told(self) -> String {
        format!("{}: {}", self.path.display(), self.cause)
    }

    fn hint(&self) -> String {
        let path = self.path.display();
        match self.cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space on that disk (`paycraft-dr prune` removes expired backups), and try again".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                format!("let the user that runs this program read and write {path}, and the directories above it")
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                "the file system is mounted read-only: see the system's log for why, and mount it for writing".to_owned()
            }
            io::ErrorKind::FileTooLarge => {
                "its file system, or this user's limit (`ulimit -f`), allows no file so large: use another one, such as ext4 or exFAT".to_owned()
            }
            io::ErrorKind::NotFound => "`paycraft-dr list` shows what is there".to_owned(),
            _ => "see the system's log (`dmesg`) for the disk, and try again".to_owned(),
        }
    }
}

impl Directory {
    /// The error of `what` that the file system refused.
    pub(super) fn failed(&self, what: &str, failed: FileError) -> Error {
        let hint = failed.hint();
        Error::new(Kind::Store, format!("{what} at {}", self.describe()))
            .caused_by(failed.told())
            .hint(hint)
    }

    /// The error of what this program will not do.
    pub(super) fn refused(&self, what: &str, why: String, hint: &str) -> Error {
        Error::new(Kind::Store, format!("{what} at {}", self.describe()))
            .caused_by(why)
            .hint(hint)
    }
}
