//! `paycraft-dr list`.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::line;
use crate::cli::units::size;
use crate::cli::values::worded;
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

pub async fn run(context: &Context<'_>, own: &ListArguments) -> Result<Report> {
    let now = Timestamp::now();
    let backups = catalog::list(context.store()?, own.day, now, context.observer).await?;
    Ok(Report::done(Catalog { backups, now }))
}

/// The catalog was read.
#[derive(Debug)]
struct Catalog {
    backups: Vec<Cataloged>,
    /// Pins hold as of then.
    now: Timestamp,
}

impl Outcome for Catalog {
    fn fields(&self) -> Value {
        json!({ "backups": self.backups })
    }

    fn text(&self, _: bool) -> String {
        if self.backups.is_empty() {
            return "no backups\n".to_owned();
        }
        let sources: BTreeSet<&SourceName> = self
            .backups
            .iter()
            .filter_map(|backup| backup.source.as_ref())
            .collect();
        let mut text = String::new();
        match sources.len() {
            0 => self.table(&mut text, |_| true, None),
            1 if self.backups.iter().all(|backup| backup.source.is_some()) => {
                self.table(&mut text, |_| true, sources.first().map(ToString::to_string));
            }
            _ => {
                for source in sources {
                    let is_its = |backup: &Cataloged| backup.source.as_ref() == Some(source);
                    self.table(&mut text, is_its, Some(source.to_string()));
                    text.push('\n');
                }
                if self.backups.iter().any(|backup| backup.source.is_none()) {
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
            "{:<42} {:<10} {:>6} {:>10} {:>8}",
            "KEY", "STATE", "AGE", "SIZE", "ROWS"
        );
        for backup in self.backups.iter().filter(|backup| is_meant(backup)) {
            let state = match backup.suspicion.is_empty() {
                true => backup.state.name(),
                false => "suspicious",
            };
            let stored = backup.stored_bytes.map_or_else(|| "-".to_owned(), size);
            let rows = backup.rows.map_or_else(|| "-".to_owned(), count);
            let _ = writeln!(
                text,
                "{:<42} {state:<10} {:>6} {stored:>10} {rows:>8}",
                backup.key.to_string(),
                age(backup.age_seconds)
            );
            if let Some(pin) = backup.pin.as_ref().and_then(|pin| pin.reason(self.now)) {
                let _ = writeln!(text, "  {pin}");
            }
            for reason in &backup.suspicion {
                let _ = writeln!(text, "  {reason}");
            }
        }
    }
}

/// An age in its largest whole unit.
fn age(seconds: i64) -> String {
    match seconds {
        ..0 => "future".to_owned(),
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A count that is exact as long as it is short.
fn count(rows: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M")];
    let unit = UNITS
        .iter()
        .find(|(unit, _)| rows >= 100_000_000 && rows >= *unit);
    unit.map_or_else(
        || rows.to_string(),
        |(unit, name)| format!("{}.{} {name}", rows / unit, rows % unit * 10 / unit),
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Catalog, age, count};
    use crate::cli::outcome::Outcome;
    use crate::model::catalog::BackupState;
    use crate::model::key::BackupKey;
    use crate::model::source::SourceName;
    use crate::recovery::catalog::Cataloged;

    fn backup(rows: u64, source: Option<&str>) -> Cataloged {
        let key = BackupKey::at(Timestamp::UNIX_EPOCH);
        Cataloged {
            key,
            day: key.day(),
            state: BackupState::Unattested,
            age_seconds: 9_999 * 86_400,
            stored_bytes: Some(1_072_693_248),
            globals_bytes: None,
            rows: Some(rows),
            source: source.map(|database| SourceName {
                project_ref: Some("mlwfgytjxlqyfxcgpysm".to_owned()),
                database: database.to_owned(),
            }),
            suspicion: Vec::new(),
            confirmed: None,
            pin: None,
        }
    }

    #[test]
    fn a_list_fits_80_columns_and_names_each_source() {
        let catalog = Catalog {
            backups: vec![
                backup(999_900_000_000, Some("a")),
                backup(99_999_999, Some("b")),
                backup(0, None),
            ],
            now: Timestamp::UNIX_EPOCH,
        };
        let text = catalog.text(false);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for source in ["mlwfgytjxlqyfxcgpysm/a", "mlwfgytjxlqyfxcgpysm/b", "not known"] {
            assert!(text.contains(source), "{text}");
        }
    }

    #[test]
    fn ages_and_counts_are_short() {
        let ages = [-1, 0, 59, 60, 3599, 3600, 172_799, 172_800].map(age);
        assert_eq!(
            ages,
            ["future", "0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d"]
        );
        let counts = [0, 99_999_999, 100_000_000, 1_234_567_890, 20_000_000_000_000].map(count);
        assert_eq!(counts, ["0", "99999999", "100.0 M", "1.2 G", "20.0 T"]);
    }
}
