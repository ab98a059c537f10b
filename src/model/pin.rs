//! The small document beside a backup that keeps `prune` from taking it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::key::BackupKey;
use crate::error::{Error, Kind, Result};

/// The version of the document that this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// Why a backup is kept, and how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Major version of the document.
    pub pin_version: u32,
    /// Key of the object it is about.
    pub key: String,
    /// When it was written (UTC).
    pub pinned_at: Timestamp,
    /// Why the backup is kept, in the operator's words.
    pub why: String,
    /// The last day (UTC) on which it is kept; always where none is named.
    pub until: Option<Date>,
}

/// What is known of a backup's pin. As JSON it is the document, or `{"problem": …}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PinState {
    /// It was read.
    Known(Pin),
    /// There is one, and it cannot be read. It holds.
    Unreadable {
        /// What is wrong with it.
        problem: String,
    },
}

impl Pin {
    /// The pin of the backup `key`, set at `now`.
    pub fn new(key: BackupKey, why: &str, until: Option<Date>, now: Timestamp) -> Self {
        Self {
            pin_version: VERSION,
            key: key.to_string(),
            pinned_at: now,
            why: why.to_owned(),
            until,
        }
    }

    /// The document as it is stored.
    pub fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|cause| Error::new(Kind::Internal, "cannot write the pin").caused_by(cause))
    }

    /// Reads the document stored beside the object `key`; what is wrong with it where it is no pin of that.
    pub fn decode(key: BackupKey, document: &[u8]) -> Result<Self, String> {
        let read: Self =
            serde_json::from_slice(document).map_err(|cause| format!("cannot be read: {cause}"))?;
        if read.pin_version != VERSION {
            return Err(format!("has version {}", read.pin_version));
        }
        if read.key != key.to_string() {
            return Err(format!("belongs to {}", read.key));
        }
        Ok(read)
    }

    /// Whether it still holds at `now`: to the end of its last day.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.until
            .is_none_or(|until| TimeZone::UTC.to_datetime(now).date() <= until)
    }
}

impl PinState {
    /// Why a backup with it is kept at `now`, for a person; nothing where its last day has passed.
    pub fn reason(&self, now: Timestamp) -> Option<String> {
        match self {
            Self::Known(pin) if !pin.holds_at(now) => None,
            Self::Known(Pin { until: None, why, .. }) => Some(format!("pinned: {why}")),
            Self::Known(Pin {
                until: Some(until),
                why,
                ..
            }) => Some(format!("pinned until {until}: {why}")),
            Self::Unreadable { problem } => Some(format!("pinned by a document that {problem}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Pin, PinState};
    use crate::model::key::BackupKey;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn a_pin_holds_to_the_end_of_its_last_day() {
        let key = BackupKey::at(Timestamp::UNIX_EPOCH);
        let until = Some(jiff::civil::date(2026, 12, 31));
        let pin = Pin::new(key, "migration", until, Timestamp::UNIX_EPOCH);
        assert!(pin.holds_at(at("2026-12-31T23:59:59Z")));
        assert!(!pin.holds_at(at("2027-01-01T00:00:00Z")));
        let state = PinState::Known(pin);
        assert_eq!(
            state.reason(at("2026-12-01T00:00:00Z")).as_deref(),
            Some("pinned until 2026-12-31: migration")
        );
        assert_eq!(state.reason(at("2027-01-01T00:00:00Z")), None);
        let for_ever = Pin::new(key, "audit", None, Timestamp::UNIX_EPOCH);
        assert!(for_ever.holds_at(Timestamp::MAX));
    }

    #[test]
    fn a_pin_reads_back_and_no_other_document_does() {
        let (key, other) = (
            BackupKey::at(Timestamp::UNIX_EPOCH),
            BackupKey::at(at("2026-12-01T00:00:00Z")),
        );
        let pin = Pin::new(key, "audit", None, Timestamp::UNIX_EPOCH);
        let document = pin.encode().expect("a document");
        assert_eq!(Pin::decode(key, &document), Ok(pin));
        for (key, document) in [(other, &document[..]), (key, b"{}"), (key, b"")] {
            assert!(Pin::decode(key, document).is_err());
        }
    }
}
