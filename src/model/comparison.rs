//! What was found against what a manifest says, check by check.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use serde::Serialize;

use super::acceptance::{Acceptance, accept};
use super::check_names;
use super::fingerprint::Fingerprint;
use super::manifest::{EntryDigest, Sequence, Table};
use super::product::{CountRule, CountedTable, CountedTables, TableCounts};
use super::verdict::{Check, Verdict};

/// How the content of one table compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ContentComparison {
    /// The same rows, byte for byte, in any order.
    #[serde(rename = "equal")]
    Equal,
    #[serde(rename = "different")]
    Different,
    /// The table could not be read, or only its rows were counted.
    #[serde(rename = "not compared")]
    NotCompared,
}

/// One table of the manifest and what was found of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableReport {
    pub schema: String,
    pub name: String,
    /// Rows found, where the table is there.
    pub rows: Option<u64>,
    /// Rows the manifest tells of.
    pub expected_rows: u64,
    /// How the content compares.
    pub content: ContentComparison,
    /// Why it was not to be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<&'static str>,
}

impl TableReport {
    /// A table of the manifest whose rows were left out of the target, and why.
    pub fn left_out(expected: &Table, why: &'static str) -> Self {
        Self {
            left_out: Some(why),
            ..Self::of(expected, None)
        }
    }

    /// A table of the manifest of which only the rows were counted, where it is there.
    pub fn counted(expected: &Table, rows: Option<u64>) -> Self {
        Self {
            rows,
            ..Self::of(expected, None)
        }
    }

    /// Compares a table of the manifest with what was found of it, if anything.
    pub fn of(expected: &Table, found: Option<Fingerprint>) -> Self {
        Self {
            schema: expected.schema.clone(),
            name: expected.name.clone(),
            rows: found.map(|found| found.rows),
            expected_rows: expected.content.rows,
            content: match found {
                None => ContentComparison::NotCompared,
                Some(found) if found == expected.content => ContentComparison::Equal,
                Some(_) => ContentComparison::Different,
            },
            left_out: None,
        }
    }
}

/// Each of the `expected` tables with what was found of it. Of several with one name the first counts.
pub fn tables(expected: &[Table], found: &[Table]) -> Vec<TableReport> {
    let found_by_name: HashMap<(&str, &str), Fingerprint> = found
        .iter()
        .rev()
        .map(|found| ((found.schema.as_str(), found.name.as_str()), found.content))
        .collect();
    let compared = expected.iter().map(|table| {
        let found = found_by_name.get(&(table.schema.as_str(), table.name.as_str()));
        TableReport::of(table, found.copied())
    });
    compared.collect()
}

/// Every check that was made, and what they add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    pub checks: Vec<Check>,
    /// The tables, in the manifest's order.
    pub tables: Vec<TableReport>,
    /// What the checks add up to.
    pub verdict: Verdict,
}

impl Verification {
    /// The checks with the verdict over them.
    pub fn over(checks: Vec<Check>, tables: Vec<TableReport>) -> Self {
        let verdict = Verdict::over(&checks);
        Self {
            checks,
            tables,
            verdict,
        }
    }

    /// The same with one more check.
    #[must_use]
    pub fn and(mut self, check: Check) -> Self {
        self.checks.push(check);
        Self::over(self.checks, self.tables)
    }

    /// The same where these differences are accepted, as of the day `today`.
    #[must_use]
    pub fn accepting(self, acceptances: &[Acceptance], today: Date) -> Self {
        let checks = self.checks.into_iter();
        let checks = checks.map(|check| accept(check, acceptances, today));
        Self::over(checks.collect(), self.tables)
    }

    /// The rows found in the tables that are `counted`, where they are there.
    pub fn counts_of(&self, counted: &CountedTables) -> TableCounts {
        let rows = |table: &CountedTable| report_of(&self.tables, table).and_then(|found| found.rows);
        counted
            .iter()
            .map(|table| (table.short_name(), rows(table)))
            .collect()
    }

    /// The same with the check that tables whose counts never change have these rows, where the backup has any of them.
    #[must_use]
    pub fn counting(self, counted: &CountedTables) -> Self {
        match counts(&self.tables, counted) {
            Some(check) => self.and(check),
            None => self,
        }
    }
}

/// What was found of a counted table.
fn report_of<'a>(tables: &'a [TableReport], counted: &CountedTable) -> Option<&'a TableReport> {
    tables.iter().find(|table| counted.is(&table.schema, &table.name))
}

/// The comparison of the tables that are `counted` with another database, each by its rule.
pub fn counts_against(counted: &CountedTables, found: &TableCounts, other: &TableCounts) -> Check {
    let problem = |table: &CountedTable| {
        let name = table.short_name();
        let rows = |counts: &TableCounts| counts.get(&name).copied().flatten();
        let tolerance = match table.rule {
            CountRule::Exact | CountRule::Always(_) => 0,
            CountRule::Within(rows) => rows,
        };
        match (rows(found), rows(other), table.rule) {
            (Some(found), _, CountRule::Always(rows)) if found != rows => {
                Some(format!("{name} has {found} rows, and there are always {rows}"))
            }
            (Some(found), Some(other), _) if found.abs_diff(other) > tolerance => {
                Some(format!("{name} has {found} rows and {other} there"))
            }
            (Some(_), Some(_), _) => None,
            (None, _, _) => Some(format!("{name} is missing")),
            (_, None, _) => Some(format!("{name} is missing there")),
        }
    };
    let problems: Vec<String> = counted.iter().filter_map(problem).collect();
    Check::none_of(check_names::AGAINST, &problems, "the counted tables agree")
}

/// The tables whose row counts never change have these rows; nothing where the backup has none of them.
fn counts(tables: &[TableReport], counted: &CountedTables) -> Option<Check> {
    let always: Vec<(&CountedTable, &TableReport, u64)> = counted
        .iter()
        .filter_map(|table| match table.rule {
            CountRule::Always(rows) => Some((table, report_of(tables, table)?, rows)),
            CountRule::Exact | CountRule::Within(_) => None,
        })
        .collect();
    if always.is_empty() {
        return None;
    }
    let wrong = always.iter().filter(|(_, found, rows)| found.rows != Some(*rows));
    let problems: Vec<String> = wrong
        .map(|(table, found, rows)| {
            let found = found
                .rows
                .map_or_else(|| "no".to_owned(), |rows| rows.to_string());
            format!("{table} has {found} rows, and always has {rows}")
        })
        .collect();
    let all_well: Vec<String> = always
        .iter()
        .map(|(table, _, rows)| format!("{rows} rows in {table}"))
        .collect();
    Some(Check::none_of(
        check_names::COUNTS,
        &problems,
        all_well.join(", "),
    ))
}

/// Every table has as many rows as recorded.
pub fn rows(tables: &[TableReport]) -> Check {
    let compared = || tables.iter().filter(|table| table.left_out.is_none());
    let wrong = compared().filter(|table| table.rows != Some(table.expected_rows));
    let problems: Vec<String> = wrong
        .map(|table| match table.rows {
            Some(rows) => format!(
                "{}.{} has {rows} rows instead of {}",
                table.schema, table.name, table.expected_rows
            ),
            None => format!("{}.{} is missing", table.schema, table.name),
        })
        .collect();
    let rows: u64 = compared().map(|table| table.expected_rows).sum();
    Check::none_of(
        check_names::ROWS,
        &problems,
        format!("{rows} rows in {} tables", compared().count()),
    )
}

/// Every table holds the rows recorded, byte for byte.
pub fn content(tables: &[TableReport]) -> Check {
    let compared = || tables.iter().filter(|table| table.left_out.is_none());
    let problems: Vec<String> = compared()
        .filter(|table| table.content != ContentComparison::Equal)
        .map(|table| format!("{}.{} holds other content", table.schema, table.name))
        .collect();
    Check::none_of(
        check_names::CONTENT,
        &problems,
        format!("{} tables equal", compared().count()),
    )
}

/// The large objects are those recorded.
pub fn large_objects(expected: Fingerprint, found: Fingerprint) -> Check {
    let problem = match (expected == found, expected.rows == found.rows) {
        (true, _) => None,
        (false, true) => Some("large objects hold other content".to_owned()),
        (false, false) => Some(format!(
            "{} large objects instead of {}",
            found.rows, expected.rows
        )),
    };
    Check::none_of(
        check_names::LARGE_OBJECTS,
        problem.as_slice(),
        format!("{} equal", expected.rows),
    )
}

/// Every definition is there as recorded, and no other.
///
/// Servers and pg_dumps of different major versions word the same definition differently. Between them, what is worded
/// differently is held to its kind and name alone, and the check says so. What is wrong with `row_security` comes first.
pub fn definitions(
    expected: &[EntryDigest],
    found: &[EntryDigest],
    wording: Wording,
    row_security: &[String],
) -> Check {
    let (expected_in_order, found_in_order) = (in_order(expected), in_order(found));
    let mut problems = row_security.to_vec();
    let mut extra = Vec::new();
    let mut by_name_alone = 0;
    let (mut then, mut now) = (&expected_in_order[..], &found_in_order[..]);
    while let Some(name) = first_name(then, now) {
        let (wanted, there) = (split_named(&mut then, name), split_named(&mut now, name));
        let told = || format!("{} {}.{}", name.0, name.1, name.2);
        let digests = |entries: &[&EntryDigest]| entries.iter().map(|entry| entry.digest).collect::<Vec<_>>();
        if there.is_empty() {
            problems.push(format!("{} is missing", told()));
        } else if wanted.is_empty() {
            extra.push(format!("{} is not in the backup", told()));
        } else if digests(wanted) != digests(there) {
            match wording {
                Wording::OfAnotherVersion => by_name_alone += wanted.len(),
                Wording::Same => problems.push(format!("{} is defined differently", told())),
            }
        }
    }
    problems.extend(extra);
    let all_well = match (expected.len() - by_name_alone, by_name_alone) {
        (equal, 0) => format!("{equal} entries equal"),
        (equal, named) => {
            format!("{equal} entries equal, {named} by name alone: another version words them differently")
        }
    };
    Check::none_of(check_names::SCHEMA, &problems, all_well)
}

/// Whether two dumps word definitions alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wording {
    /// They are of the same major version.
    Same,
    OfAnotherVersion,
}

/// Kind, schema and name, which several entries may share.
type EntryName<'a> = (&'a str, &'a str, &'a str);

fn name_of(entry: &EntryDigest) -> EntryName<'_> {
    (&entry.kind, &entry.schema, &entry.name)
}

/// The entries by name, and those of one name by digest. There may be a million: nothing of them is copied.
fn in_order(entries: &[EntryDigest]) -> Vec<&EntryDigest> {
    let mut ordered: Vec<&EntryDigest> = entries.iter().collect();
    ordered.sort_unstable();
    ordered
}

/// The name that comes first in either of both.
fn first_name<'a>(left: &[&'a EntryDigest], right: &[&'a EntryDigest]) -> Option<EntryName<'a>> {
    match (left.first(), right.first()) {
        (Some(left), Some(right)) => Some(name_of(left).min(name_of(right))),
        (Some(entry), None) | (None, Some(entry)) => Some(name_of(entry)),
        (None, None) => None,
    }
}

/// Takes the entries of that name, where they come first.
fn split_named<'s, 'a>(entries: &mut &'s [&'a EntryDigest], name: EntryName<'_>) -> &'s [&'a EntryDigest] {
    let length = entries.iter().take_while(|entry| name_of(entry) == name).count();
    let (named, rest) = entries.split_at(length);
    *entries = rest;
    named
}

/// Every sequence has the value that it had.
pub fn sequences(expected: &[Sequence], found: &[Sequence]) -> Check {
    let by_name: HashMap<(&str, &str), &Sequence> = found
        .iter()
        .rev()
        .map(|found| ((found.schema.as_str(), found.name.as_str()), found))
        .collect();
    let problem = |sequence: &Sequence| {
        let place = format!("sequence {}.{}", sequence.schema, sequence.name);
        match by_name.get(&(sequence.schema.as_str(), sequence.name.as_str())) {
            None => Some(format!("{place} is missing")),
            Some(found) if *found != sequence => Some(format!(
                "{place} stands at {} instead of {}",
                found.last_value, sequence.last_value
            )),
            Some(_) => None,
        }
    };
    let problems: Vec<String> = expected.iter().filter_map(problem).collect();
    Check::none_of(
        check_names::SEQUENCES,
        &problems,
        format!("{} where they stood", expected.len()),
    )
}

/// Every constraint was checked against the rows, save those that the backup has NOT VALID.
pub fn constraints(unvalidated: &[String], in_backup: &[String]) -> Check {
    let in_backup: HashSet<&String> = in_backup.iter().collect();
    let wrong = unvalidated.iter().filter(|name| !in_backup.contains(name));
    let problems: Vec<String> = wrong.map(|name| format!("{name} was not validated")).collect();
    Check::none_of(check_names::CONSTRAINTS, &problems, "all validated")
}

/// Every row of a platform's table refers to rows that are there. They were loaded unchecked.
pub fn references(broken: &[String]) -> Check {
    let problems: Vec<String> = broken.iter().map(|name| format!("{name} is broken")).collect();
    Check::none_of(check_names::PLATFORM_REFERENCES, &problems, "all hold")
}

/// Every index can be used.
pub fn indexes(invalid: &[String]) -> Check {
    let problems: Vec<String> = invalid
        .iter()
        .map(|name| format!("{name} is not valid"))
        .collect();
    Check::none_of(check_names::INDEXES, &problems, "all valid")
}

/// Every materialized view that held data holds data.
pub fn populated_views(expected: &[String], found: &[String]) -> Check {
    let found: HashSet<&String> = found.iter().collect();
    let empty = expected.iter().filter(|view| !found.contains(view));
    let problems: Vec<String> = empty
        .map(|view| format!("materialized view {view} is not populated"))
        .collect();
    Check::none_of(
        check_names::MATERIALIZED_VIEWS,
        &problems,
        format!("{} populated", expected.len()),
    )
}
