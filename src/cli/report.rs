//! What was done, as a value, and as JSON.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::{Error, Kind};
use crate::model::comparison::Verification;
use crate::model::manifest::Manifest;
use crate::model::timeline::Span;
use crate::model::verdict::Verdict;
use crate::recovery::backup::Made;
use crate::recovery::catalog::Listed;
use crate::recovery::restore::Restored;

/// What a command did, and why that is not enough where it is not.
#[derive(Debug)]
pub struct Report {
    /// What was done.
    pub done: Done,
    /// Why the command does not end with exit code 0 although there is something to report.
    pub failure: Option<Error>,
}

/// What a command did.
#[derive(Debug)]
pub enum Done {
    /// A backup was made.
    Backup {
        /// The backup.
        made: Box<Made>,
        /// How long it took.
        seconds: f64,
    },
    /// The catalog was read.
    List(Vec<Listed>),
    /// A backup was restored and compared.
    Restore {
        /// What was restored, into what, and how it compares.
        restored: Box<Restored>,
        /// Every phase.
        phases: Vec<Span>,
    },
    /// A backup or a database was compared with a manifest.
    Verify {
        /// The backup.
        key: String,
        /// How it compares.
        verification: Verification,
    },
    /// A drill was held.
    #[cfg(feature = "drill")]
    Drill {
        /// What it showed.
        rehearsal: Box<crate::drill::rehearsal::Rehearsal>,
        /// Where its evidence is kept.
        evidence: std::path::PathBuf,
    },
}

#[derive(Serialize)]
struct BackupDocument<'a> {
    key: &'a str,
    manifest_key: &'a str,
    started_at: Timestamp,
    finished_at: Timestamp,
    raw_bytes: u64,
    stored_bytes: u64,
    sha256: &'a str,
    blocks: usize,
    tables: Vec<TableDocument<'a>>,
}

#[derive(Serialize)]
struct TableDocument<'a> {
    schema: &'a str,
    name: &'a str,
    rows: u64,
    fingerprint: String,
}

impl Report {
    /// The report of what was done.
    pub fn of(mut done: Done) -> Self {
        let (verdict, failure) = match &mut done {
            Done::Backup { .. } | Done::List(_) => (Verdict::Proven, None),
            Done::Restore { restored, .. } => (restored.verification.verdict, None),
            Done::Verify { verification, .. } => (verification.verdict, None),
            #[cfg(feature = "drill")]
            Done::Drill { rehearsal, .. } => (rehearsal.verdict, rehearsal.failure.take()),
        };
        let unproven = || {
            Error::new(
                Kind::NotProven,
                "not proven: a check failed or an objective was missed",
            )
            .hint("read the checks that did not pass; `-v` shows every table")
        };
        let failure = failure.or_else(|| (!verdict.is_proven()).then(unproven));
        Self { done, failure }
    }

    /// The command's own fields of the JSON document.
    pub fn fields(&self) -> Map<String, Value> {
        let document = match &self.done {
            Done::Backup { made, seconds } => {
                json!({ "backup": backup_document(&made.manifest_key, &made.manifest), "seconds": seconds })
            }
            Done::List(backups) => json!({ "backups": backups }),
            Done::Restore { restored, phases } => json!({
                "backup": restored.manifest.key,
                "target": restored.target.to_string(),
                "phases": phases,
                "skipped_entries": restored.skipped,
                "canonical_counts": restored.verification.canonical_counts(),
                "checks": restored.verification.checks,
                "tables": restored.verification.tables,
                "verdict": restored.verification.verdict,
            }),
            Done::Verify { key, verification } => json!({
                "backup": key,
                "checks": verification.checks,
                "tables": verification.tables,
                "verdict": verification.verdict,
            }),
            #[cfg(feature = "drill")]
            Done::Drill { rehearsal, evidence } => {
                let mut document = json!(rehearsal);
                document["evidence"] = json!(evidence);
                document
            }
        };
        match document {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }
}

fn backup_document<'a>(manifest_key: &'a str, manifest: &'a Manifest) -> BackupDocument<'a> {
    let tables = manifest.tables.iter().map(|table| TableDocument {
        schema: &table.schema,
        name: &table.name,
        rows: table.content.rows,
        fingerprint: format!("{:032x}", table.content.hash),
    });
    BackupDocument {
        key: &manifest.key,
        manifest_key,
        started_at: manifest.started_at,
        finished_at: manifest.finished_at,
        raw_bytes: manifest.raw_bytes,
        stored_bytes: manifest.stored_bytes,
        sha256: &manifest.sha256,
        blocks: manifest.blocks.len(),
        tables: tables.collect(),
    }
}

/// The whole JSON document of a run of `command`, or of arguments that name none.
pub fn document(command: Option<&str>, outcome: &Result<Report, Error>) -> Value {
    let (mut fields, failure) = match outcome {
        Ok(report) => (report.fields(), report.failure.as_ref().map(|error| json!(error))),
        Err(error) => (Map::new(), Some(json!(error))),
    };
    let exit_code = exit_code(outcome);
    fields.insert("command".into(), json!(command));
    fields.insert("ok".into(), json!(exit_code == 0));
    fields.insert("exit_code".into(), json!(exit_code));
    if let Some(failure) = failure {
        fields.insert("error".into(), failure);
    }
    Value::Object(fields)
}

/// The exit code of a run.
pub fn exit_code(outcome: &Result<Report, Error>) -> u8 {
    let kind = match outcome {
        Ok(report) => report.failure.as_ref().map(Error::kind),
        Err(error) => Some(error.kind()),
    };
    kind.map_or(0, Kind::exit_code)
}
