//! The Markdown table of past drills.
//!
//! `Date | Operator | Backup restored | RTO observed | Tables verified | Outcome | Notes`. The row whose cells hold
//! `bootstrap` is a placeholder that the first drill replaces. Everything else in the file stays as it is, byte for byte.

use jiff::civil::Date;

use crate::error::{Error, Kind, Result};
use crate::model::key::parse_day;

const COLUMNS: [&str; 7] = [
    "Date",
    "Operator",
    "Backup restored",
    "RTO observed",
    "Tables verified",
    "Outcome",
    "Notes",
];

/// How many characters a day such as `2026-11-02` has.
const DAY_LENGTH: usize = 10;

/// How an outcome begins that counts.
const PROVEN_WORDS: [&str; 8] = [
    "proven",
    "success",
    "successful",
    "succeeded",
    "passed",
    "pass",
    "ok",
    "green",
];

/// One drill, as the table's cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrillLogRow {
    pub date: String,
    pub operator: String,
    pub backup_restored: String,
    pub rto_observed: String,
    pub tables_verified: String,
    pub outcome: String,
    pub notes: String,
}

impl DrillLogRow {
    /// The day of the drill, where the cell begins with one.
    pub fn day(&self) -> Option<Date> {
        parse_day(self.date.get(..DAY_LENGTH)?).ok()
    }

    /// Whether the drill proved what it set out to prove. A person may word that in several ways, so the first word decides.
    pub fn is_proven(&self) -> bool {
        let words = self.outcome.split(|mark: char| !mark.is_alphanumeric());
        let first = words.into_iter().find(|word| !word.is_empty());
        first.is_some_and(|word| {
            PROVEN_WORDS
                .iter()
                .any(|proven| word.eq_ignore_ascii_case(proven))
        })
    }

    fn read(line: &str) -> Option<Self> {
        let cells: Vec<String> = split_cells(line).collect();
        let [
            date,
            operator,
            backup_restored,
            rto_observed,
            tables_verified,
            outcome,
            notes,
        ] = <[String; 7]>::try_from(cells).ok()?;
        Some(Self {
            date,
            operator,
            backup_restored,
            rto_observed,
            tables_verified,
            outcome,
            notes,
        })
    }

    fn line(&self) -> String {
        let cells = [
            &self.date,
            &self.operator,
            &self.backup_restored,
            &self.rto_observed,
            &self.tables_verified,
            &self.outcome,
            &self.notes,
        ];
        let cells: Vec<String> = cells.into_iter().map(|cell| escape(cell)).collect();
        format!("| {} |", cells.join(" | "))
    }
}

/// A log that holds nothing but the table's head.
pub fn empty() -> String {
    let rule = COLUMNS.map(|_| "---").join(" | ");
    format!("# Drill log\n\n| {} |\n| {rule} |\n", COLUMNS.join(" | "))
}

/// The drills in the table of `text`, in its order. Neither the placeholder nor a row of other columns is one.
pub fn rows(text: &str) -> Result<Vec<DrillLogRow>> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (_, body, end) = table_in(&lines)?;
    let rows = lines[body..end].iter().filter(|line| !is_placeholder(line));
    Ok(rows.filter_map(|line| DrillLogRow::read(line)).collect())
}

/// `text` with `row` at the end of its drill table, or in the placeholder's stead.
pub fn append(text: &str, row: &DrillLogRow) -> Result<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (head, body, end) = table_in(&lines)?;
    let placeholder = (body..end).find(|&at| is_placeholder(lines[at]));

    let ending = if lines[head].ends_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let (before, after) = match placeholder {
        Some(at) => (&lines[..at], &lines[at + 1..]),
        None => (&lines[..end], &lines[end..]),
    };
    let mut whole = before.concat();
    if !whole.ends_with('\n') {
        whole.push_str(ending);
    }
    whole.push_str(&row.line());
    whole.push_str(ending);
    whole.push_str(&after.concat());
    Ok(whole)
}

/// Where the drill table is: the line of its head, its first row, and the line behind its last.
fn table_in(lines: &[&str]) -> Result<(usize, usize, usize)> {
    let head = lines.iter().position(|line| is_head(line)).ok_or_else(|| {
        Error::new(Kind::Usage, "the log holds no drill table").hint(format!(
            "give a file with a Markdown table of the columns {}, or one that does not exist yet",
            COLUMNS.join(", ")
        ))
    })?;
    let body = head + 2;
    let has_rule = lines.get(head + 1).is_some_and(|line| is_rule(line));
    if !has_rule {
        return Err(Error::new(
            Kind::Usage,
            "the log's drill table has no line of dashes under its head",
        )
        .hint("mend the table, or give another file"));
    }
    let end = lines[body..]
        .iter()
        .position(|line| !line.trim_start().starts_with('|'))
        .map_or(lines.len(), |rows| body + rows);
    Ok((head, body, end))
}

fn is_placeholder(line: &str) -> bool {
    line.split('|').any(|cell| {
        cell.trim()
            .trim_matches(['`', '*', '_'])
            .eq_ignore_ascii_case("bootstrap")
    })
}

/// The cells of a row, as they were before they were escaped.
fn split_cells(line: &str) -> impl Iterator<Item = String> {
    let line = line.trim();
    let inner = line.strip_prefix('|').unwrap_or(line);
    let mut cells = vec![String::new()];
    let mut marks = inner.chars().peekable();
    while let Some(mark) = marks.next() {
        let cell = cells.len() - 1;
        match mark {
            '\\' if marks.next_if_eq(&'|').is_some() => cells[cell].push('|'),
            '|' if marks.peek().is_some() => cells.push(String::new()),
            '|' => {}
            _ => cells[cell].push(mark),
        }
    }
    cells.into_iter().map(|cell| cell.trim().to_owned())
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.trim().trim_matches('|').split('|').map(str::trim)
}

fn is_head(line: &str) -> bool {
    line.trim_start().starts_with('|') && cells(line).eq(COLUMNS)
}

fn is_rule(line: &str) -> bool {
    let dashes = |cell: &str| !cell.is_empty() && cell.trim_matches(':').chars().all(|mark| mark == '-');
    cells(line).count() == COLUMNS.len() && cells(line).all(dashes)
}

/// A cell must stay one cell on one line.
fn escape(cell: &str) -> String {
    cell.replace('|', "\\|").replace(['\r', '\n'], " ")
}
