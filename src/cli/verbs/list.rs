//! `paycraft-dr list`.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::{StoreArguments, worded};
use crate::cli::outcome::{Outcome, Report};
use crate::cli::run::Context;
use crate::cli::text::line;
use crate::cli::units::{duration, size};
use crate::error::Result;
use crate::model::key::parse_day;
use crate::model::source::SourceName;
use crate::recovery::catalog::{self, Cataloged};

/// Show the backups in the store.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// Only those of this day (UTC), as YYYY/MM/DD
    #[arg(value_name = "DAY", value_parser = |text: &str| worded(parse_day(text)))]
    pub day: Option<jiff::civil::Date>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Reads the catalog.
pub async fn run(context: &Context<'_>, own: &ListArguments) -> Result<Report> {
    let backups = catalog::list(context.store()?, own.day, Timestamp::now(), context.observer).await?;
    Ok(Report::done(Catalog(backups)))
}

/// The catalog was read.
#[derive(Debug)]
struct Catalog(Vec<Cataloged>);

impl Outcome for Catalog {
    fn fields(&self) -> Value {
        json!({ "backups": self.0 })
    }

    fn text(&self, _: bool) -> String {
        if self.0.is_empty() {
            return "no backups\n".to_owned();
        }
        let sources: BTreeSet<&SourceName> = self
            .0
            .iter()
            .filter_map(|backup| backup.source.as_ref())
            .collect();
        let mut text = String::new();
        match sources.len() {
            0 | 1 => self.table(&mut text, |_| true, sources.first().map(ToString::to_string)),
            _ => {
                for source in sources {
                    let is_its = |backup: &Cataloged| backup.source.as_ref() == Some(source);
                    self.table(&mut text, is_its, Some(source.to_string()));
                    text.push('\n');
                }
                if self.0.iter().any(|backup| backup.source.is_none()) {
                    let unknown = "not known, as no manifest tells it";
                    self.table(
                        &mut text,
                        |backup| backup.source.is_none(),
                        Some(unknown.to_owned()),
                    );
                }
            }
        }
        text
    }
}

impl Catalog {
    /// The backups that `is_meant`, below the name of their source.
    fn table(&self, text: &mut String, is_meant: impl Fn(&Cataloged) -> bool, source: Option<String>) {
        if let Some(source) = source {
            line(text, "source", &source);
        }
        let _ = writeln!(
            text,
            "{:<46} {:<10} {:>14} {:>11} {:>12}",
            "KEY", "STATE", "AGE", "SIZE", "ROWS"
        );
        for backup in self.0.iter().filter(|backup| is_meant(backup)) {
            let state = match backup.suspicion.is_empty() {
                true => backup.state.name(),
                false => "suspicious",
            };
            #[expect(clippy::cast_precision_loss, reason = "an age is shown in days")]
            let age = match backup.age_seconds {
                ..0 => "in the future".to_owned(),
                seconds => duration(seconds as f64),
            };
            let stored = backup.stored_bytes.map_or_else(|| "-".to_owned(), size);
            let rows = backup
                .rows
                .map_or_else(|| "-".to_owned(), |rows| rows.to_string());
            let _ = writeln!(
                text,
                "{:<46} {state:<10} {age:>14} {stored:>11} {rows:>12}",
                backup.key.to_string()
            );
            for reason in &backup.suspicion {
                let _ = writeln!(text, "  {reason}");
            }
        }
    }
}
