//! `paycraft-dr list`.

use std::fmt::Write;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::{StoreArguments, worded};
use crate::cli::outcome::{Outcome, Report};
use crate::cli::run::Context;
use crate::cli::units::{duration, size};
use crate::error::Result;
use crate::model::key::parse_day;
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
        let mut text = format!(
            "{:<46} {:<10} {:>14} {:>11} {:>12}\n",
            "KEY", "STATE", "AGE", "SIZE", "ROWS"
        );
        for backup in &self.0 {
            let state = backup.state.name();
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
        }
        text
    }
}
