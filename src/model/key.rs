//! Object keys (`YYYY/MM/DD/backup-YYYYMMDD-HHMMSS.dump.gz`, UTC) and what a user may select a backup by.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use super::nearest::{day_meant, did_you_mean, nearest};
use crate::error::{Error, Kind};

const OBJECT_SUFFIX: &str = ".dump.gz";
const MANIFEST_SUFFIX: &str = ".manifest.json";
const INDEX_SUFFIX: &str = ".index.jsonl.gz";
const GLOBALS_SUFFIX: &str = ".globals.sql.gz";
const CONFIRMATION_SUFFIX: &str = ".confirmation.json";
const PIN_SUFFIX: &str = ".pin.json";

/// The key of a backup object, which holds the instant the backup began, to the second.
///
/// Keys order by that instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupKey {
    began: DateTime,
}

/// What a key in the store names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMeaning {
    Object(BackupKey),
    Manifest(BackupKey),
    /// The index of a backup's manifest, where that is large.
    Index(BackupKey),
    /// The roles and settings beside a backup's object.
    Globals(BackupKey),
    /// An operator's word that a backup under suspicion is right.
    Confirmation(BackupKey),
    /// What keeps a backup from being pruned.
    Pin(BackupKey),
    /// Something that is none of ours, never touched.
    Foreign,
}

impl BackupKey {
    /// The key of a backup that begins at `instant`; fractions of a second are dropped.
    pub fn at(instant: Timestamp) -> Self {
        let whole_second = Timestamp::from_second(instant.as_second()).unwrap_or(instant);
        Self {
            began: TimeZone::UTC.to_datetime(whole_second),
        }
    }

    /// When the backup began, in UTC.
    pub fn began_at(self) -> Timestamp {
        TimeZone::UTC.to_timestamp(self.began).unwrap_or(Timestamp::MIN)
    }

    /// The day the backup began, in UTC.
    pub fn day(self) -> Date {
        self.began.date()
    }

    /// The key of the manifest that makes this object a backup.
    pub fn manifest_key(self) -> String {
        format!("{}{MANIFEST_SUFFIX}", self.stem())
    }

    /// The key of what is stored beside a large manifest.
    pub fn index_key(self) -> String {
        format!("{}{INDEX_SUFFIX}", self.stem())
    }

    /// The key of the object with the roles and settings of this backup.
    pub fn globals_key(self) -> String {
        format!("{}{GLOBALS_SUFFIX}", self.stem())
    }

    /// The key of the document in which an operator confirms this backup.
    pub fn confirmation_key(self) -> String {
        format!("{}{CONFIRMATION_SUFFIX}", self.stem())
    }

    /// The key of the document that keeps this backup from being pruned.
    pub fn pin_key(self) -> String {
        format!("{}{PIN_SUFFIX}", self.stem())
    }

    /// Reads what `key` names. A key whose folder and name disagree about the day is foreign.
    pub fn read(key: &str) -> KeyMeaning {
        if let Some(stem) = key.strip_suffix(OBJECT_SUFFIX) {
            Self::from_stem(stem).map_or(KeyMeaning::Foreign, KeyMeaning::Object)
        } else if let Some(stem) = key.strip_suffix(MANIFEST_SUFFIX) {
            Self::from_stem(stem).map_or(KeyMeaning::Foreign, KeyMeaning::Manifest)
        } else if let Some(stem) = key.strip_suffix(INDEX_SUFFIX) {
            Self::from_stem(stem).map_or(KeyMeaning::Foreign, KeyMeaning::Index)
        } else if let Some(stem) = key.strip_suffix(GLOBALS_SUFFIX) {
            Self::from_stem(stem).map_or(KeyMeaning::Foreign, KeyMeaning::Globals)
        } else if let Some(stem) = key.strip_suffix(CONFIRMATION_SUFFIX) {
            Self::from_stem(stem).map_or(KeyMeaning::Foreign, KeyMeaning::Confirmation)
        } else if let Some(stem) = key.strip_suffix(PIN_SUFFIX) {
            Self::from_stem(stem).map_or(KeyMeaning::Foreign, KeyMeaning::Pin)
        } else {
            KeyMeaning::Foreign
        }
    }

    fn stem(self) -> String {
        self.began.strftime("%Y/%m/%d/backup-%Y%m%d-%H%M%S").to_string()
    }

    fn from_stem(stem: &str) -> Option<Self> {
        let began = DateTime::strptime("%Y/%m/%d/backup-%Y%m%d-%H%M%S", stem).ok()?;
        // Formatting back refuses everything a lenient reader would take: missing zeros, a folder of another day.
        let key = Self { began };
        (key.stem() == stem).then_some(key)
    }
}

impl fmt::Display for BackupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{OBJECT_SUFFIX}", self.stem())
    }
}

impl Serialize for BackupKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which backup a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The most recent one of any day.
    Latest,
    /// The most recent one of a day (UTC).
    Day(Date),
    Key(BackupKey),
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let KeyMeaning::Object(key) = BackupKey::read(text) {
            return Ok(Self::Key(key));
        }
        parse_day(text).map(Self::Day).map_err(|_| {
            Error::new(
                Kind::Usage,
                format!("{text:?} is neither `latest`, a day, nor a backup's key"),
            )
            .hint(did_you_mean(
                meant(text).as_deref(),
                "give a day as YYYY/MM/DD, or a key as `paycraft-dr list` prints it",
            ))
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Day(day) => f.write_str(&day.strftime("%Y/%m/%d").to_string()),
            Self::Key(key) => key.fmt(f),
        }
    }
}

/// The key or day that was probably meant by `text`, which is neither.
fn meant(text: &str) -> Option<String> {
    let word = nearest(text, ["latest"]).map(str::to_owned);
    key_meant(text).or_else(|| day_meant(text)).or(word)
}

/// The key of the backup whose instant is in `text`: one with a bucket before it, the wrong folder, or another ending.
fn key_meant(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("backup-")?;
    let began = DateTime::strptime("%Y%m%d-%H%M%S", rest.get(..15)?).ok()?;
    Some(BackupKey { began }.to_string())
}

/// Reads the key of one backup, as `list` prints it.
pub fn parse_key(text: &str) -> Result<BackupKey, Error> {
    match BackupKey::read(text) {
        KeyMeaning::Object(key) => Ok(key),
        _ => Err(
            Error::new(Kind::Usage, format!("{text:?} is no backup's key")).hint(did_you_mean(
                key_meant(text).as_deref(),
                "give a key as `paycraft-dr list` prints it",
            )),
        ),
    }
}

/// Reads a day as `YYYY/MM/DD` or `YYYY-MM-DD`.
pub fn parse_day(text: &str) -> Result<Date, Error> {
    Date::strptime("%Y/%m/%d", text)
        .or_else(|_| Date::strptime("%Y-%m-%d", text))
        .map_err(|cause| {
            Error::new(Kind::Usage, format!("{text:?} is not a day"))
                .caused_by(cause)
                .hint(did_you_mean(
                    day_meant(text).as_deref(),
                    "give a day as YYYY/MM/DD",
                ))
        })
}

#[cfg(test)]
mod tests {
    use super::{Selector, parse_key};

    fn hint(text: &str) -> String {
        let error = text.parse::<Selector>().expect_err(text);
        error.next_step().expect("a hint").to_owned()
    }

    #[test]
    fn what_is_nearly_a_day_or_a_key_is_understood() {
        let key = "2026/11/23/backup-20261123-020004.dump.gz";
        for text in [
            "backup-20261123-020004",
            "2026/11/23/backup-20261123-020004.manifest.json",
            "s3://paycraft-backups/2026/11/23/backup-20261123-020004.dump.gz",
        ] {
            assert!(
                hint(text).starts_with(&format!("did you mean {key}?")),
                "{}",
                hint(text)
            );
            let error = parse_key(text).expect_err(text);
            assert!(error.next_step().expect("a hint").contains(key));
        }
        assert!(hint("20261123").starts_with("did you mean 2026/11/23?"));
        assert!(hint("lastest").starts_with("did you mean latest?"));
        assert!(hint("yesterday").starts_with("give a day"));
    }
}
