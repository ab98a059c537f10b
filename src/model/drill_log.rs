//! The Markdown table of past drills.
//!
//! `Date | Operator | Backup restored | RTO observed | Tables verified | Outcome | Notes`. The row whose cells hold
//! `bootstrap` is a placeholder that the first drill replaces. Whatever else stands in the file stays as it is, byte for byte.

use crate::error::{Error, Kind, Result};

const COLUMNS: [&str; 7] = [
    "Date",
    "Operator",
    "Backup restored",
    "RTO observed",
    "Tables verified",
    "Outcome",
    "Notes",
];

/// One drill, as the table's cells.
#[expect(missing_docs, reason = "the fields are the table's columns")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub date: String,
    pub operator: String,
    pub backup_restored: String,
    pub rto_observed: String,
    pub tables_verified: String,
    pub outcome: String,
    pub notes: String,
}

impl Row {
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

/// `text` with `row` at the end of its drill table, or in the placeholder's stead.
pub fn append(text: &str, row: &Row) -> Result<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
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
    let placeholder = (body..end).find(|&at| {
        lines[at].split('|').any(|cell| {
            cell.trim()
                .trim_matches(['`', '*', '_'])
                .eq_ignore_ascii_case("bootstrap")
        })
    });

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
