//! How one attempt at a backup failed: whether another one may succeed.

use crate::error::Error;

/// Why an attempt made no backup.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something that passes, such as a migration of the source: another attempt may succeed.
    Retryable(Error),
    /// Another attempt would fail in the same way.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Retryable(error) | Failure::Final(error) => error,
        }
    }
}
