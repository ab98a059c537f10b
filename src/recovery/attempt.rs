//! How one attempt at a backup failed: whether another one may succeed.

use crate::error::Error;

/// Why an attempt made no backup.
#[derive(Debug)]
pub(super) enum BackupFailure {
    /// Something that passes, such as a migration of the source: another attempt may succeed.
    Retryable(Error),
    /// Another attempt would fail in the same way.
    Final(Error),
}

impl From<Error> for BackupFailure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl From<BackupFailure> for Error {
    fn from(failure: BackupFailure) -> Self {
        match failure {
            BackupFailure::Retryable(error) | BackupFailure::Final(error) => error,
        }
    }
}
