//! The small document beside a backup under suspicion, in which an operator says that the backup is right.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::BackupKey;
use crate::error::{Error, Kind, Result};

/// The version of the document that this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// An operator's word that a backup under suspicion is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Major version of the document.
    pub confirmation_version: u32,
    /// Key of the object it is about.
    pub key: String,
    /// When it was written (UTC).
    pub confirmed_at: Timestamp,
    /// Why the backup is right, in the operator's words.
    pub why: String,
}

impl Confirmation {
    /// The confirmation of the backup `key`, given at `now`.
    pub fn new(key: BackupKey, why: &str, now: Timestamp) -> Self {
        Self {
            confirmation_version: VERSION,
            key: key.to_string(),
            confirmed_at: now,
            why: why.to_owned(),
        }
    }

    /// The document as it is stored.
    pub fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|cause| Error::new(Kind::Internal, "cannot write the confirmation").caused_by(cause))
    }

    /// Reads the document stored beside the object `key`; what is wrong with it where it is no confirmation of that.
    pub fn decode(key: BackupKey, document: &[u8]) -> Result<Self, String> {
        let read: Self =
            serde_json::from_slice(document).map_err(|cause| format!("cannot be read: {cause}"))?;
        if read.confirmation_version != VERSION {
            return Err(format!("has version {}", read.confirmation_version));
        }
        if read.key != key.to_string() {
            return Err(format!("belongs to {}", read.key));
        }
        Ok(read)
    }
}
