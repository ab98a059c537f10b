//! What one drill came to.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::colour;
use crate::cli::outcome::Outcome;
use crate::cli::text::{checks, line, objective, tables, timeline};
use crate::cli::units::size;
use crate::drill::rehearsal::Rehearsal;
use crate::model::notice::RunFacts;

/// A drill ran to its end.
#[derive(Debug)]
pub(super) struct DrillReport {
    pub(super) rehearsal: Rehearsal,
    pub(super) evidence: PathBuf,
}

impl Outcome for DrillReport {
    fn fields(&self) -> Value {
        let mut document = json!(self.rehearsal);
        document["backup_key"] = json!(self.rehearsal.backup.as_ref().map(|backup| &backup.key));
        document["evidence"] = json!(self.evidence);
        document
    }

    fn run_facts(&self) -> RunFacts {
        let rehearsal = &self.rehearsal;
        let backup = rehearsal.backup.as_ref();
        let measured = [("RTO", rehearsal.rto), ("RPO", rehearsal.rpo)];
        RunFacts {
            backup: backup.map(|backup| backup.key.clone()),
            sizes: backup.map(|backup| (backup.raw_bytes, backup.stored_bytes)),
            objectives: measured
                .into_iter()
                .filter_map(|(name, measured)| Some((name, measured?)))
                .collect(),
            verdict: Some(rehearsal.verdict),
            ..RunFacts::default()
        }
    }

    fn text(&self, verbose: bool) -> String {
        let rehearsal = &self.rehearsal;
        let mut text = String::new();
        let scenario = format!("{} (expected: {})", rehearsal.scenario, rehearsal.expected);
        line(&mut text, "scenario", &scenario);
        if let Some(seed) = rehearsal.seed {
            line(&mut text, "seed", &seed.to_string());
        }
        let substrate = format!("{}, PostgreSQL {}", rehearsal.substrate, rehearsal.server_version);
        line(&mut text, "substrate", &substrate);
        if let Some(backup) = &rehearsal.backup {
            line(&mut text, "backup", &backup.key);
            let sizes = format!(
                "{} archive, {} stored, {} rows",
                size(backup.raw_bytes),
                size(backup.stored_bytes),
                backup.rows
            );
            line(&mut text, "size", &sizes);
        }
        timeline(&mut text, &rehearsal.phases);
        objective(&mut text, "RTO", rehearsal.rto.as_ref());
        objective(&mut text, "RPO", rehearsal.rpo.as_ref());
        if let Some(bytes) = rehearsal.peak_rss_bytes {
            let memory = format!("{} at most, servers not counted", size(bytes));
            line(&mut text, "memory", &memory);
        }
        text.push('\n');
        checks(&mut text, &rehearsal.checks);
        tables(&mut text, &rehearsal.tables, verbose);
        text.push('\n');
        line(&mut text, "evidence", &self.evidence.display().to_string());
        line(&mut text, "repeat", &rehearsal.repeat);
        line(&mut text, "verdict", &colour::verdict(rehearsal.verdict));
        text
    }
}
