//! How a verb of a trial ended, the same whether it was run in this process or in one of its own.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::drill::rehearsal::BackupFacts;
use crate::error::{Error, Kind};
use crate::model::comparison::TableReport;
use crate::model::key::{BackupKey, KeyMeaning};
use crate::model::verdict::Check;

/// A verb of the cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Backup,
    Restore,
    Cutover,
}

/// A backup that was restored and proven.
#[derive(Clone, Debug)]
pub(super) struct Proven {
    pub(super) facts: BackupFacts,
    /// Its age when recovery was declared.
    pub(super) age: Duration,
    /// When it was proven.
    pub(super) at: Instant,
    pub(super) checks: Vec<Check>,
    pub(super) tables: Vec<TableReport>,
}

/// A verb that did not end well.
#[derive(Debug)]
pub(super) struct VerbFailure {
    pub(super) verb: Verb,
    pub(super) exit_code: u8,
    /// Everything it said, for looking something up in it.
    pub(super) words: String,
    /// What it said first.
    pub(super) message: String,
    /// The older backup that it named as the next to try.
    pub(super) older: Option<BackupKey>,
    error: Option<Error>,
}

impl VerbFailure {
    pub(super) fn of(verb: Verb, error: Error) -> Self {
        let mut words = vec![error.message().to_owned()];
        words.extend(error.causes());
        words.extend(error.next_step().map(str::to_owned));
        Self {
            verb,
            exit_code: error.kind().exit_code(),
            message: error.message().to_owned(),
            older: error.older_backup().and_then(object_key),
            words: words.join("\n"),
            error: Some(error),
        }
    }

    /// A restore whose checks did not pass.
    pub(super) fn unproven(checks: &[Check]) -> Self {
        use crate::model::verdict::CheckOutcome;
        let failed = checks
            .iter()
            .filter(|check| check.outcome != CheckOutcome::Passed);
        let words: Vec<String> = failed
            .map(|check| format!("{}: {}", check.name, check.detail))
            .collect();
        Self {
            verb: Verb::Restore,
            exit_code: Kind::NotProven.exit_code(),
            message: words.join("; "),
            words: words.join("\n"),
            older: None,
            error: None,
        }
    }

    /// A verb that did not end in the time it had.
    pub(super) fn endless(verb: Verb, limit: Duration) -> Self {
        let message = format!("{verb:?} did not end within {} s", limit.as_secs());
        Self::of(verb, Error::new(Kind::Internal, message.to_lowercase()))
    }

    /// What a process of its own told as JSON.
    pub(super) fn told(verb: Verb, exit_code: u8, document: &Value) -> Self {
        let error = &document["error"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let causes = error["causes"].as_array().into_iter().flatten().map(text);
        let mut words = vec![text(&error["message"])];
        words.extend(causes);
        words.push(text(&error["hint"]));
        Self {
            verb,
            exit_code,
            message: text(&error["message"]),
            words: words.join("\n"),
            older: error["older_backup"].as_str().and_then(object_key),
            error: None,
        }
    }

    /// A process that was killed and told nothing.
    pub(super) fn killed(verb: Verb) -> Self {
        Self {
            verb,
            // What a shell reports of a process that SIGKILL ended.
            exit_code: 137,
            message: "killed".to_owned(),
            words: "killed".to_owned(),
            older: None,
            error: None,
        }
    }

    /// The same as an error of a drill.
    pub(super) fn into_error(self) -> Error {
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.exit_code() == self.exit_code);
        self.error
            .unwrap_or_else(|| Error::new(kind.unwrap_or(Kind::Internal), self.message))
    }
}

fn object_key(key: &str) -> Option<BackupKey> {
    match BackupKey::read(key) {
        KeyMeaning::Object(key) => Some(key),
        _ => None,
    }
}
