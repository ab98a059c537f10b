//! A statement that the server refused, where the session and others go on.

use tokio_postgres::error::{Severity, SqlState};

use super::session::Session;
use crate::error::{Error, Kind, Result};

/// Why the server refused one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE.
    pub code: String,
    /// The server's own first line.
    pub message: String,
}

/// Classes of errors behind which no other statement would fare better: lost connections, a server that ends, a system error, a
/// target that takes no writes.
const FATAL_CLASSES: [&str; 3] = ["08", "57P", "58"];
const FATAL_CODES: [SqlState; 3] = [
    SqlState::DISK_FULL,
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::TOO_MANY_CONNECTIONS,
];

/// What a server says of a disk that takes no more, under codes that say less.
const FULL: [&str; 4] = [
    "could not extend file",
    "could not write",
    "No space left on device",
    "File too large",
];

impl Refusal {
    /// Why the server refused the statement; an error about `what` where nothing more can be done over the session.
    pub fn of(session: &Session, what: impl Into<String>, cause: tokio_postgres::Error) -> Result<Self> {
        let Some(told) = cause.as_db_error() else {
            return Err(session.failed(what, cause));
        };
        let code = told.code();
        let is_fatal = matches!(told.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
            || FATAL_CODES.contains(code)
            || FULL.iter().any(|words| told.message().contains(words))
            || FATAL_CLASSES.iter().any(|class| code.code().starts_with(class));
        if is_fatal {
            return Err(session.failed(what, cause));
        }
        Ok(Self {
            code: code.code().to_owned(),
            message: told.message().lines().next().unwrap_or_default().to_owned(),
        })
    }

    /// The refusal as an error about `what`, where it ends the run.
    pub fn into_error(self, kind: Kind, what: String) -> Error {
        let error = Error::new(kind, what).caused_by(self.message);
        error.hint(
            "mend what the server's reason names, or leave out --stop-at-first-error to restore all else",
        )
    }

    /// Whether the rows themselves break what was to be made, so that another try fails alike.
    pub fn is_of_rows(&self) -> bool {
        self.code.starts_with("23")
    }

    /// Whether what was to be made is there already.
    pub fn is_present(&self) -> bool {
        const PRESENT: [SqlState; 4] = [
            SqlState::DUPLICATE_SCHEMA,
            SqlState::DUPLICATE_OBJECT,
            SqlState::DUPLICATE_FUNCTION,
            SqlState::DUPLICATE_TABLE,
        ];
        PRESENT.iter().any(|code| code.code() == self.code)
    }

    /// Whether the role may not do it.
    pub fn is_forbidden(&self) -> bool {
        self.code == SqlState::INSUFFICIENT_PRIVILEGE.code()
    }
}
