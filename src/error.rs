//! The one error type that reaches the top, and the one table from what went wrong to the exit code.

use std::error::Error as StdError;
use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// What went wrong, by who has to act on it. Each kind is one exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A defect of this program.
    Internal,
    /// A command line, setting or file of the user's that cannot be used as it is.
    Usage,
    /// A run that reached its end without proving what it set out to prove.
    NotProven,
    /// A guard said no; nothing was changed.
    Refused,
    Source,
    Store,
    Target,
    /// Stored bytes that are not what was backed up.
    Corrupt,
    Interrupted,
}

impl Kind {
    /// Every kind, in the order of its exit code.
    pub const ALL: [Self; 9] = [
        Self::Internal,
        Self::Usage,
        Self::NotProven,
        Self::Refused,
        Self::Source,
        Self::Store,
        Self::Target,
        Self::Corrupt,
        Self::Interrupted,
    ];

    /// The process exit code of this kind.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::NotProven => 3,
            Self::Refused => 4,
            Self::Source => 5,
            Self::Store => 6,
            Self::Target => 7,
            Self::Corrupt => 8,
            Self::Interrupted => 130,
        }
    }

    /// The stable name that `--json` reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::NotProven => "not proven",
            Self::Refused => "refused",
            Self::Source => "source",
            Self::Store => "store",
            Self::Target => "target",
            Self::Corrupt => "corrupt",
            Self::Interrupted => "interrupted",
        }
    }

    /// What the exit code tells, in the words of the README's table.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Internal => "internal error",
            Self::Usage => "usage",
            Self::NotProven => "not proven: a check failed, was skipped, or an objective was missed",
            Self::Refused => "refused by a guard; nothing was changed",
            Self::Source => "source database: unreachable, no rights, wrong version",
            Self::Store => "store: unreachable, denied, missing key",
            Self::Target => "target database; may be half-loaded",
            Self::Corrupt => "corrupt backup",
            Self::Interrupted => "interrupted; children stopped, uploads aborted",
        }
    }

    /// What the reader does about it, in the words of the README's table.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Internal => "report a bug",
            Self::Usage => "fix the command",
            Self::NotProven => "read the report",
            Self::Refused | Self::Source | Self::Store => "read the hint",
            Self::Target => "as the message says",
            Self::Corrupt => "use another backup; the message names it",
            Self::Interrupted => "rerun",
        }
    }
}

/// A failure: its kind, a lowercase fragment that says what happened, what caused it, and what to do next.
#[derive(Debug)]
pub struct Error(Box<ErrorDetails>);

#[derive(Debug)]
struct ErrorDetails {
    kind: Kind,
    message: String,
    hint: Option<String>,
    older_backup: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of everything that can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` is a lowercase fragment without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorDetails {
            kind,
            message: message.into(),
            hint: None,
            older_backup: None,
            source: None,
        }))
    }

    /// The same error with the next thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same error with the key of the next older backup, which may be restored instead.
    #[must_use]
    pub fn with_older_backup(mut self, key: impl Into<String>) -> Self {
        self.0.older_backup = Some(key.into());
        self
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error with all its texts as `worded` words them.
    #[must_use]
    pub fn worded(self, worded: impl Fn(&str) -> String) -> Self {
        let causes = self.causes();
        let again: Vec<String> = causes.iter().map(|cause| worded(cause)).collect();
        let facts = *self.0;
        Self(Box::new(ErrorDetails {
            message: worded(&facts.message),
            hint: facts.hint.as_deref().map(&worded),
            source: match causes == again {
                true => facts.source,
                false => Cause::chain(again),
            },
            ..facts
        }))
    }

    /// What went wrong, by who has to act on it.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What happened, without its causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The next thing to do, where one is known.
    pub fn next_step(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The key of the backup that may be restored instead, where there is one.
    pub fn older_backup(&self) -> Option<&str> {
        self.0.older_backup.as_deref()
    }

    /// The chain of causes, nearest first, each worded by itself; a cause that only repeats the one before is left out.
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        for cause in chain(self).skip(1) {
            let text = cause.to_string();
            let repeats = causes.last().unwrap_or(&self.0.message).ends_with(&text);
            if !repeats && !text.is_empty() {
                causes.push(text);
            }
        }
        causes
    }
}

/// An error with its causes in one line; one that is in the words before it is left out.
pub fn in_words(error: &(dyn StdError + 'static)) -> String {
    let words = chain(error).map(ToString::to_string);
    let joined = words.reduce(|words, cause| match words.contains(&cause) {
        true => words,
        false => format!("{words}: {cause}"),
    });
    joined.unwrap_or_default()
}

/// An error, what caused it, what caused that, and so on.
pub fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// A cause of which only the text is left.
#[derive(Debug)]
struct Cause {
    text: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Cause {
    fn chain(texts: Vec<String>) -> Option<Box<dyn StdError + Send + Sync>> {
        let link = |source, text| Some(Box::new(Self { text, source }) as Box<dyn StdError + Send + Sync>);
        texts.into_iter().rev().fold(None, link)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// As `--json` and evidence show it: `kind`, `message`, `causes`, `hint`, and `older_backup` where another backup may be restored.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let older_backup = self.older_backup();
        let mut fields = serializer.serialize_struct("Error", 4 + usize::from(older_backup.is_some()))?;
        fields.serialize_field("kind", self.kind().name())?;
        fields.serialize_field("message", self.message())?;
        fields.serialize_field("causes", &self.causes())?;
        fields.serialize_field("hint", &self.next_step())?;
        match older_backup {
            Some(key) => fields.serialize_field("older_backup", key)?,
            None => fields.skip_field("older_backup")?,
        }
        fields.end()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
