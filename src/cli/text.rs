//! The shapes that the text of several commands shares.

use std::fmt::Write;

use super::colour;
use super::units::{duration, rate, size};
use crate::error::Error;
use crate::model::comparison::{ContentComparison, TableReport};
use crate::model::missing::Missing;
use crate::model::objective::Measured;
use crate::model::product::TableCounts;
use crate::model::timeline::Span;
use crate::model::verdict::{Check, CheckOutcome};
use crate::recovery::plan::SkippedEntry;

/// The error as a person reads it: what happened, why, and what to do next.
pub(super) fn error(error: &Error) -> String {
    let mut text = format!("{} {error}\n", colour::bad("error:"));
    for cause in error.causes() {
        let _ = writeln!(text, "caused by: {cause}");
    }
    if let Some(hint) = error.next_step() {
        let _ = write!(text, "\nhint: {hint}\n");
    }
    text
}

/// A name and a value, in two columns.
pub(super) fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:<10} {value}");
}

/// A backup's key, and that its contents are not recorded where that is so.
pub(super) fn backup_line(key: &str, is_attested: bool) -> String {
    let state = if is_attested { "" } else { " (unattested)" };
    format!("{key}{state}")
}

/// What was left out: with `verbose` every entry, otherwise how many for each reason.
pub(super) fn skipped(text: &mut String, skipped: &[SkippedEntry], verbose: bool) {
    if verbose {
        for entry in skipped {
            line(text, "skipped", &format!("{}: {}", entry.entry, entry.reason));
        }
        return;
    }
    let mut counted: Vec<(&SkippedEntry, usize)> = Vec::new();
    for entry in skipped {
        match counted.iter_mut().find(|(first, _)| first.rule == entry.rule) {
            Some((_, count)) => *count += 1,
            None => counted.push((entry, 1)),
        }
    }
    for (first, count) in counted {
        let what = match count {
            1 => first.entry.clone(),
            _ => format!("{count} by the rule \"{}\"", first.rule),
        };
        line(text, "skipped", &format!("{what}: {}", first.reason));
    }
}

/// Every phase with what it took.
pub(super) fn timeline(text: &mut String, phases: &[Span]) {
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

/// Which parts of the backup could not be made: what keeps rows from people first.
pub(super) fn missing(text: &mut String, missing: &[Missing]) {
    if missing.is_empty() {
        return;
    }
    text.push_str("MISSING\n");
    let (first, rest): (Vec<&Missing>, Vec<&Missing>) = missing.iter().partition(|entry| entry.is_guard());
    for entry in first.iter().chain(&rest) {
        let _ = writeln!(
            text,
            "  {}: {}\n      {}",
            entry.entry, entry.reason, entry.consequence
        );
    }
    text.push('\n');
}

/// The rows of the counted tables.
pub(super) fn counts(text: &mut String, counts: &TableCounts) {
    if counts.is_empty() {
        return;
    }
    for (table, rows) in counts {
        let rows = rows.map_or_else(|| "not in this database".to_owned(), |rows| rows.to_string());
        let _ = writeln!(text, "{table:<18} {rows:>12}");
    }
    text.push('\n');
}

/// An outcome in a column: problems stand out.
pub(super) fn mark(outcome: CheckOutcome) -> String {
    match outcome {
        CheckOutcome::Passed => colour::good("passed "),
        CheckOutcome::Accepted => colour::doubtful("accept "),
        CheckOutcome::Failed => colour::bad("FAILED "),
        CheckOutcome::Skipped => colour::doubtful("SKIPPED"),
    }
}

/// Every check, one on a line.
pub(super) fn checks(text: &mut String, checks: &[Check]) {
    for check in checks {
        let mark = mark(check.outcome);
        let _ = writeln!(text, "{mark}  {:<18} {}", check.name, check.detail);
        for told in &check.told {
            let _ = writeln!(text, "         {:<18} {told}", "");
        }
    }
}

/// The tables that differ, or with `verbose` all of them.
pub(super) fn tables(text: &mut String, tables: &[TableReport], verbose: bool) {
    for table in tables
        .iter()
        .filter(|table| verbose || table.content != ContentComparison::Equal)
    {
        let rows = table.rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
        let content = match table.content {
            ContentComparison::Equal => "equal",
            ContentComparison::Different => "DIFFERENT",
            ContentComparison::NotCompared if table.left_out.is_some() => "left out",
            ContentComparison::NotCompared => "NOT COMPARED",
        };
        let _ = writeln!(
            text,
            "  {content:<12} {rows:>12} of {:>12}  {}.{}",
            table.expected_rows, table.schema, table.name
        );
        if let Some(why) = table.left_out.filter(|_| verbose) {
            let _ = writeln!(text, "  {:12} {why}", "");
        }
    }
}

/// What was measured against what was promised.
pub(super) fn objective(text: &mut String, name: &str, measured: Option<&Measured>) {
    let what = measured.map_or_else(
        || "not reached".to_owned(),
        |measured| {
            let met = if measured.met {
                "met".to_owned()
            } else {
                colour::bad("MISSED")
            };
            let (took, promised) = (
                duration(measured.measured_seconds),
                duration(measured.objective_seconds),
            );
            format!("{took} of {promised}  {met}")
        },
    );
    line(text, name, &what);
}
