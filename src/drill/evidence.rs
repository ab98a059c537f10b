//! What a drill leaves behind on purpose: a JSON document of its own, and a row in the log of drills.
//!
//! Both places are tried before a drill begins, so that hours of work never end at a file that cannot be written.

use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::rehearsal::Rehearsal;
use super::suite::PlannedDrill;
use crate::error::{Error, Kind, Result};
use crate::model::drill_log::{self, DrillLogRow};
use crate::recovery::whole_file::{folder_of, replace, unwritable};

/// A directory for evidence that was found writable.
#[derive(Clone, Debug)]
pub struct EvidenceDirectory(PathBuf);

impl EvidenceDirectory {
    /// Makes the directory where it is missing, and makes sure it can be written.
    pub fn open(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)
            .and_then(|()| NamedTempFile::new_in(directory).map(drop))
            .map_err(|cause| unwritable(directory, cause).hint("name another directory with --report"))?;
        Ok(Self(directory.to_owned()))
    }

    /// Writes what several drills came to, as JSON and as Markdown, and tells where the page is.
    pub fn keep_scorecard(&self, seed: u64, document: &serde_json::Value, page: &str) -> Result<PathBuf> {
        let path = self.0.join(format!("scorecard-{seed}.md"));
        replace(&path.with_extension("json"), format!("{document:#}\n").as_bytes())?;
        replace(&path, page.as_bytes())?;
        Ok(path)
    }

    /// Writes a scenario as a file of its own, and tells where and by which command it is run.
    pub fn keep_scenario(&self, planned: &PlannedDrill) -> Result<(PathBuf, String)> {
        let path = self.0.join(format!("smallest-{}.toml", planned.seed));
        replace(&path, planned.scenario.to_toml()?.as_bytes())?;
        let repeat = format!(
            "paycraft-dr drill --scenario {} --seed {}",
            path.display(),
            planned.seed
        );
        Ok((path, repeat))
    }

    /// Writes the evidence of one drill and tells where.
    pub fn keep(&self, rehearsal: &Rehearsal) -> Result<PathBuf> {
        let seed = rehearsal.seed.map_or_else(String::new, |seed| format!("-{seed}"));
        let name = format!(
            "drill-{}-{}{seed}.json",
            rehearsal.started_at.strftime("%Y%m%d-%H%M%S"),
            rehearsal.scenario,
        );
        let path = self.0.join(name);
        let mut document = serde_json::to_vec_pretty(rehearsal)
            .map_err(|cause| Error::new(Kind::Internal, "cannot write the evidence").caused_by(cause))?;
        document.push(b'\n');
        replace(&path, &document)?;
        Ok(path)
    }
}

/// A log of drills that was found to hold a table and to be writable.
#[derive(Clone, Debug)]
pub struct DrillLog(PathBuf);

impl DrillLog {
    /// Makes sure that a row can be added to the file, which need not exist.
    pub fn open(path: &Path) -> Result<Self> {
        // A link is followed now: replacing the file must not replace the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let log = Self(path);
        drill_log::append(&log.text()?, &DrillLogRow::default())?;
        let is_writable = match std::fs::OpenOptions::new().append(true).open(&log.0) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
            outcome => outcome.map(drop),
        };
        is_writable
            .and_then(|()| NamedTempFile::new_in(folder_of(&log.0)).map(drop))
            .map_err(|cause| unwritable(&log.0, cause).hint("name another file with --log"))?;
        Ok(log)
    }

    /// Adds a row. The file is replaced as a whole, so a crash leaves the old one or the new one.
    pub fn add(&self, row: &DrillLogRow) -> Result<()> {
        replace(&self.0, drill_log::append(&self.text()?, row)?.as_bytes())
    }

    fn text(&self) -> Result<String> {
        match std::fs::read_to_string(&self.0) {
            Ok(text) if text.trim().is_empty() => Ok(drill_log::empty()),
            Ok(text) => Ok(text),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(drill_log::empty()),
            Err(cause) => Err(
                Error::new(Kind::Usage, format!("cannot read {}", self.0.display()))
                    .caused_by(cause)
                    .hint("name another file with --log"),
            ),
        }
    }
}

/// The log's row about one drill.
pub fn log_row(rehearsal: &Rehearsal, operator: &str) -> DrillLogRow {
    use crate::model::comparison::ContentComparison;
    let equal = rehearsal
        .tables
        .iter()
        .filter(|table| table.content == ContentComparison::Equal)
        .count();
    DrillLogRow {
        date: rehearsal.started_at.strftime("%Y-%m-%d").to_string(),
        operator: operator.to_owned(),
        backup_restored: rehearsal
            .backup
            .as_ref()
            .map_or_else(|| "none".to_owned(), |backup| backup.key.clone()),
        rto_observed: rehearsal.rto.map_or_else(
            || "not reached".to_owned(),
            |rto| format!("{:.1} s", rto.measured_seconds),
        ),
        tables_verified: format!("{equal} of {}", rehearsal.tables.len()),
        outcome: rehearsal.verdict.to_string(),
        notes: match rehearsal.seed {
            Some(_) => format!("{}, synthetic data, `{}`", rehearsal.scenario, rehearsal.repeat),
            None => format!("the real backup, `{}`", rehearsal.repeat),
        },
    }
}
