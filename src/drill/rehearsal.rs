//! What one rehearsal showed.

use jiff::Timestamp;
use serde::Serialize;

use crate::error::Error;
use crate::model::comparison::TableReport;
use crate::model::manifest::Manifest;
use crate::model::objective::Measured;
use crate::model::timeline::{Phase, Span};
use crate::model::verdict::{Check, Verdict};

/// What a rehearsal showed: the evidence.
#[derive(Debug, Serialize)]
pub struct Rehearsal {
    pub scenario: String,
    /// The seed of its data, where that was synthetic.
    pub seed: Option<u64>,
    /// COPY text asked for, in bytes, where it was synthetic.
    pub scale_bytes: Option<u64>,
    /// Where its servers ran.
    pub substrate: &'static str,
    /// When it began (UTC).
    pub started_at: Timestamp,
    /// Version of this program.
    pub tool_version: &'static str,
    pub server_version: String,
    /// What it all adds up to.
    pub verdict: Verdict,
    /// What had to happen.
    pub expected: String,
    /// What happened, as far as it went.
    pub happened: String,
    /// How often the store had to be asked again.
    pub retries: u64,
    /// From the declared start of recovery to *verified*, where it came so far.
    pub rto: Option<Measured>,
    /// Age of the backed-up data at the declared start of recovery.
    pub rpo: Option<Measured>,
    /// Every phase that ended, in order.
    pub phases: Vec<Span>,
    /// The most memory this program had at once, its own S3 server included, where the system tells.
    pub peak_rss_bytes: Option<u64>,
    /// The backup that was made and restored.
    pub backup: Option<BackupFacts>,
    /// Each table as it was found in the target.
    pub tables: Vec<TableReport>,
    pub checks: Vec<Check>,
    /// What ended the drill before its verdict.
    #[serde(rename = "error", skip_serializing_if = "Option::is_none")]
    pub failure: Option<Error>,
    /// What was broken on purpose.
    pub faults: Vec<FaultReport>,
    /// The command that does the same again.
    pub repeat: String,
}

/// The backup of a rehearsal, in figures.
#[derive(Clone, Debug, Serialize)]
pub struct BackupFacts {
    pub key: String,
    /// Size of the archive in bytes.
    pub raw_bytes: u64,
    /// Size of the object in bytes.
    pub stored_bytes: u64,
    /// Rows in all tables.
    pub rows: u64,
}

impl BackupFacts {
    /// What a manifest says.
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self {
            key: manifest.key.clone(),
            raw_bytes: manifest.raw_bytes,
            stored_bytes: manifest.stored_bytes,
            rows: manifest.rows(),
        }
    }
}

/// One fault and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct FaultReport {
    pub fault: String,
    /// When it was to strike.
    pub phase: Phase,
    pub fired: bool,
    /// Whether it was healed.
    pub healed: bool,
}
