//! `paycraft-dr history`.

use std::fmt::Write;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::line;
use crate::cli::units::size;
use crate::cli::values::worded;
use crate::error::Result;
use crate::model::rescue::condition::RowCondition;
use crate::model::rescue::name::{RelationName, shown, shown_relation};
use crate::model::rescue::row_changes::{NamedRow, RowChange};
use crate::recovery::rescue::history::{self, TableDay, TableHistory};

/// So many digits of a fingerprint tell two days apart for a person.
const SHOWN_DIGITS: usize = 8;
/// So much of a value is shown in a line of text.
const SHOWN_LETTERS: usize = 60;

/// Follow one table through all backups, oldest first: its rows, its content, its definition, and single rows.
#[derive(Args, Debug)]
pub struct HistoryArguments {
    /// Which table: SCHEMA.TABLE, or TABLE where one schema has it; as in SQL, in double quotes where it has capitals or dots. A
    /// partitioned table means all its partitions
    #[arg(value_name = "SCHEMA.TABLE", value_parser = |text: &str| worded(RelationName::parse(text)))]
    pub table: RelationName,
    /// Show also the rows for which this holds, and what became of them: COLUMN=VALUE, with = != < <= > or >=, 'COLUMN IS NULL' or
    /// 'COLUMN IS NOT NULL'; may be given several times, and then all must hold
    #[arg(long = "where", value_name = "CONDITION", value_parser = |text: &str| worded(RowCondition::parse(text)))]
    pub conditions: Vec<RowCondition>,
    /// Take the backups of this source, as `list` names it: PROJECT/DATABASE, or one of both
    #[arg(long, value_name = "NAME")]
    pub from_source: Option<String>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Reads the manifests, and the rows that are asked for.
pub async fn run(context: &Context<'_>, own: &HistoryArguments) -> Result<Report> {
    let among = context.settings.among(own.from_source.as_deref())?;
    let request = history::HistoryRequest {
        store: context.store()?,
        among: &among,
        table: &own.table,
        conditions: &own.conditions,
    };
    let history = history::history(request, context.observer).await?;
    Ok(Report::done(Followed(history)))
}

/// A table was followed.
#[derive(Debug)]
struct Followed(TableHistory);

impl Outcome for Followed {
    fn fields(&self) -> Value {
        let history = &self.0;
        json!({
            "source": history.source,
            "schema": history.schema,
            "table": history.name,
            "days": history.days.iter().map(day).collect::<Vec<Value>>(),
            "fetches": history.fetches,
            "fetched_bytes": history.fetched_bytes,
        })
    }

    fn text(&self, verbose: bool) -> String {
        let history = &self.0;
        let mut text = String::new();
        line(&mut text, "source", &history.source.to_string());
        line(
            &mut text,
            "table",
            &shown_relation(&history.schema, &history.name),
        );
        if history.days.iter().any(|day| day.rows.is_some()) {
            let fetched = format!(
                "{} of {} backups, {}",
                history.fetches,
                history.days.len(),
                size(history.fetched_bytes)
            );
            line(&mut text, "fetched", &fetched);
        }
        let _ = writeln!(text, "\n{:<42} {:>10} {:<8}  CHANGE", "KEY", "ROWS", "CONTENT");
        let mut before: Option<&TableDay> = None;
        for day in &history.days {
            let (rows, content) = day.content.map_or_else(
                || ("-".to_owned(), "-".to_owned()),
                |content| {
                    let digits = format!("{:032x}", content.hash);
                    (content.rows.to_string(), digits[..SHOWN_DIGITS].to_owned())
                },
            );
            let told = change(before, day);
            let row = format!("{:<42} {rows:>10} {content:<8}  {told}", day.key.to_string());
            let _ = writeln!(text, "{}", row.trim_end());
            rows_of(&mut text, day, before.is_none() || verbose);
            before = Some(day);
        }
        text
    }
}

/// A day for programs.
fn day(day: &TableDay) -> Value {
    let content = day.content.as_ref().map(|content| json!(content));
    let part = |name: &str| content.as_ref().map(|content| content[name].clone());
    json!({
        "key": day.key,
        "started_at": day.started_at,
        "rows": part("rows"),
        "fingerprint": part("fingerprint"),
        "changed": day.changed,
        "definition_changed": day.definition_changed,
        "row": day.rows.as_ref().and_then(|rows| rows.first()),
        "matching": day.rows,
        "changes": day.changes.iter().map(row_change).collect::<Vec<Value>>(),
    })
}

fn row_change(change: &RowChange) -> Value {
    match change {
        RowChange::Appeared(row) => json!({ "change": "appeared", "after": row }),
        RowChange::Vanished(row) => json!({ "change": "vanished", "before": row }),
        RowChange::Altered { before, after } => {
            let columns = after.differences(before).into_iter().map(|(column, ..)| column);
            json!({
                "change": "altered",
                "before": before,
                "after": after,
                "columns": columns.collect::<Vec<&str>>(),
            })
        }
    }
}

/// What became of the table since the backup before.
fn change(before: Option<&TableDay>, day: &TableDay) -> String {
    let Some(before) = before else {
        return "first backup".to_owned();
    };
    let mut told = Vec::new();
    match (before.content, day.content) {
        (Some(then), Some(now)) if day.changed == Some(true) => {
            let difference = i128::from(now.rows) - i128::from(then.rows);
            told.push(match difference {
                0 => "changed, as many rows".to_owned(),
                _ => format!("changed, {difference:+} rows"),
            });
        }
        (None, Some(_)) => told.push("appeared".to_owned()),
        (Some(_), None) => told.push("gone".to_owned()),
        _ => {}
    }
    if day.definition_changed == Some(true) && before.content.is_some() && day.content.is_some() {
        told.push("definition changed".to_owned());
    }
    told.join("; ")
}

/// The rows that are asked for, all of them or those that something became of.
fn rows_of(text: &mut String, day: &TableDay, shows_all: bool) {
    let mut tell = |what: &str, row: &str| {
        let _ = writeln!(text, "  {what:<9} {row}");
    };
    if shows_all {
        for row in day.rows.iter().flatten() {
            tell("row", &values(row));
        }
    }
    for change in &day.changes {
        match change {
            RowChange::Appeared(row) => tell("appeared", &values(row)),
            RowChange::Vanished(row) => tell("vanished", &values(row)),
            RowChange::Altered { before, after } => {
                let differences = after.differences(before).into_iter();
                let told = differences.map(|(column, then, now)| {
                    format!("{}: {} -> {}", shown(column), short(then), short(now))
                });
                tell("was", &values(before));
                tell("changed", &told.collect::<Vec<String>>().join(", "));
            }
        }
    }
}

fn values(row: &NamedRow) -> String {
    let told = row.0.iter();
    let told = told.map(|(column, value)| format!("{}={}", shown(column), short(value.as_deref())));
    told.collect::<Vec<String>>().join(", ")
}

/// A value in one line, cut where it is long.
fn short(value: Option<&str>) -> String {
    let Some(value) = value else {
        return "NULL".to_owned();
    };
    let cut: String = value.chars().take(SHOWN_LETTERS).collect();
    let end = if cut.len() < value.len() { "…" } else { "" };
    format!("'{}{end}'", cut.escape_debug())
}
