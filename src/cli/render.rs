//! What was done, as text.

use std::fmt::Write;

use super::report::{Done, Report};
use super::units::{duration, rate, size};
use crate::error::Error;
use crate::model::comparison::{Content, TableReport, Verification};
use crate::model::manifest::Manifest;
use crate::model::timeline::Span;
use crate::model::verdict::{Check, Outcome};
use crate::recovery::catalog::Listed;

/// The report as a person reads it. `verbose` shows also what is as it should be, table by table.
pub fn text(report: &Report, verbose: bool) -> String {
    let mut text = String::new();
    match &report.done {
        Done::Backup { made, seconds } => backup(&mut text, &made.manifest, *seconds, verbose),
        Done::List(backups) => list(&mut text, backups),
        Done::Restore { restored, phases } => {
            line(&mut text, "backup", &restored.manifest.key);
            line(&mut text, "target", &restored.target.to_string());
            timeline(&mut text, phases);
            for skipped in &restored.skipped {
                line(
                    &mut text,
                    "skipped",
                    &format!("{}: {}", skipped.entry, skipped.reason),
                );
            }
            counts(&mut text, &restored.verification);
            checks(&mut text, &restored.verification.checks);
            tables(&mut text, &restored.verification.tables, verbose);
            line(&mut text, "verdict", &restored.verification.verdict.to_string());
        }
        Done::Verify { key, verification } => {
            line(&mut text, "backup", key);
            checks(&mut text, &verification.checks);
            tables(&mut text, &verification.tables, verbose);
            line(&mut text, "verdict", &verification.verdict.to_string());
        }
        #[cfg(feature = "drill")]
        Done::Drill { rehearsal, evidence } => drill(&mut text, rehearsal, evidence, verbose),
    }
    text
}

/// The error as a person reads it: what happened, why, and what to do next.
pub fn error(error: &Error) -> String {
    let mut text = format!("error: {error}\n");
    for cause in error.causes() {
        let _ = writeln!(text, "caused by: {cause}");
    }
    if let Some(hint) = error.next_step() {
        let _ = write!(text, "\nhint: {hint}\n");
    }
    text
}

fn backup(text: &mut String, manifest: &Manifest, seconds: f64, verbose: bool) {
    line(text, "backup", &manifest.key);
    let sizes = format!(
        "{} archive, {} stored in {} blocks",
        size(manifest.raw_bytes),
        size(manifest.stored_bytes),
        manifest.blocks.len()
    );
    line(text, "size", &sizes);
    line(
        text,
        "rows",
        &format!("{} in {} tables", manifest.rows(), manifest.tables.len()),
    );
    line(
        text,
        "took",
        &format!("{} ({})", duration(seconds), rate(manifest.raw_bytes, seconds)),
    );
    if verbose {
        for table in &manifest.tables {
            let _ = writeln!(
                text,
                "  {:>12}  {:032x}  {}.{}",
                table.content.rows, table.content.hash, table.schema, table.name
            );
        }
    }
}

fn list(text: &mut String, backups: &[Listed]) {
    if backups.is_empty() {
        text.push_str("no backups\n");
        return;
    }
    let _ = writeln!(
        text,
        "{:<46} {:<10} {:>14} {:>11} {:>12}",
        "KEY", "STATE", "AGE", "SIZE", "ROWS"
    );
    for backup in backups {
        let state = format!("{:?}", backup.state).to_lowercase();
        #[expect(clippy::cast_precision_loss, reason = "an age is shown in days")]
        let age = duration(backup.age_seconds as f64);
        let stored = backup.stored_bytes.map_or_else(|| "-".to_owned(), size);
        let rows = backup
            .rows
            .map_or_else(|| "-".to_owned(), |rows| rows.to_string());
        let _ = writeln!(
            text,
            "{:<46} {state:<10} {age:>14} {stored:>11} {rows:>12}",
            backup.key.to_string()
        );
    }
}

fn timeline(text: &mut String, phases: &[Span]) {
    text.push_str("\nPHASE        SECONDS       BYTES        RATE\n");
    for span in phases {
        let bytes = if span.bytes == 0 {
            String::new()
        } else {
            size(span.bytes)
        };
        let row = format!(
            "{:<10} {:>9.2} {bytes:>11} {:>11}",
            span.name,
            span.seconds,
            rate(span.bytes, span.seconds)
        );
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text.push('\n');
}

fn counts(text: &mut String, verification: &Verification) {
    for (table, rows) in verification.canonical_counts() {
        let rows = rows.map_or_else(|| "not in this database".to_owned(), |rows| rows.to_string());
        let _ = writeln!(text, "{table:<18} {rows:>12}");
    }
    text.push('\n');
}

fn checks(text: &mut String, checks: &[Check]) {
    for check in checks {
        let mark = match check.outcome {
            Outcome::Passed => "passed ",
            Outcome::Failed => "FAILED ",
            Outcome::Skipped => "SKIPPED",
        };
        let _ = writeln!(text, "{mark}  {:<18} {}", check.name, check.detail);
    }
}

fn tables(text: &mut String, tables: &[TableReport], verbose: bool) {
    for table in tables
        .iter()
        .filter(|table| verbose || table.content != Content::Equal)
    {
        let rows = table.rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
        let content = match table.content {
            Content::Equal => "equal",
            Content::Different => "DIFFERENT",
            Content::NotCompared => "NOT COMPARED",
        };
        let _ = writeln!(
            text,
            "  {content:<12} {rows:>12} of {:>12}  {}.{}",
            table.expected_rows, table.schema, table.name
        );
    }
}

#[cfg(feature = "drill")]
fn drill(
    text: &mut String,
    rehearsal: &crate::drill::rehearsal::Rehearsal,
    evidence: &std::path::Path,
    verbose: bool,
) {
    line(
        text,
        "scenario",
        &format!("{} (expected: {})", rehearsal.scenario, rehearsal.expected),
    );
    line(text, "seed", &rehearsal.seed.to_string());
    line(
        text,
        "substrate",
        &format!("{}, PostgreSQL {}", rehearsal.substrate, rehearsal.server_version),
    );
    if let Some(backup) = &rehearsal.backup {
        line(text, "backup", &backup.key);
        let sizes = format!(
            "{} archive, {} stored, {} rows",
            size(backup.raw_bytes),
            size(backup.stored_bytes),
            backup.rows
        );
        line(text, "size", &sizes);
    }
    timeline(text, &rehearsal.phases);
    objective(text, "RTO", rehearsal.rto.as_ref());
    objective(text, "RPO", rehearsal.rpo.as_ref());
    if let Some(bytes) = rehearsal.peak_rss_bytes {
        line(
            text,
            "memory",
            &format!("{} at most, servers not counted", size(bytes)),
        );
    }
    text.push('\n');
    checks(text, &rehearsal.checks);
    tables(text, &rehearsal.tables, verbose);
    text.push('\n');
    line(text, "evidence", &evidence.display().to_string());
    line(text, "repeat", &rehearsal.repeat);
    line(text, "verdict", &rehearsal.verdict.to_string());
}

#[cfg(feature = "drill")]
fn objective(text: &mut String, name: &str, measured: Option<&crate::model::objective::Measured>) {
    let what = measured.map_or_else(
        || "not reached".to_owned(),
        |measured| {
            let met = if measured.met { "met" } else { "MISSED" };
            let (took, promised) = (
                duration(measured.measured_seconds),
                duration(measured.objective_seconds),
            );
            format!("{took} of {promised}  {met}")
        },
    );
    line(text, name, &what);
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:<10} {value}");
}
