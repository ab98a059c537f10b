//! `paycraft-dr config show`.

mod rows;

use std::fmt::Write;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::rows::SettingRow;
use crate::cli::context::Context;
use crate::cli::examples;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::error::Result;

/// Show which settings hold.
#[derive(Args, Debug)]
pub struct ConfigArguments {
    /// What to do with the settings.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Show every setting with its value and where it is set; of a secret only that it is
    #[command(after_help = examples::CONFIG)]
    Show(ShowArguments),
}

/// The flags that may set something.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// The database that is backed up, without its password [env: SUPABASE_DB_URL or SOURCE_DB_URL]
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// The database to restore into, without its password [env: TARGET_DB_URL]
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Tells the settings. Nothing is contacted.
pub fn run(context: &Context<'_>, own: &ConfigArguments) -> Result<Report> {
    let ConfigAction::Show(own) = &own.action;
    Ok(Report::done(SettingsShown(rows::rows(context, own)?)))
}

/// The settings were told.
#[derive(Debug)]
struct SettingsShown(Vec<SettingRow>);

impl Outcome for SettingsShown {
    fn fields(&self) -> Value {
        json!({ "settings": self.0 })
    }

    fn text(&self, _: bool) -> String {
        let mut text = String::new();
        let value = |row: &SettingRow| match (&row.value, row.is_set) {
            (Some(value), _) => value.clone(),
            (None, true) => "set".to_owned(),
            (None, false) => "-".to_owned(),
        };
        let widest = |width: usize, length: usize| width.max(length);
        let names = self.0.iter().map(|row| row.setting.len()).fold(0, widest);
        let values = self.0.iter().map(|row| value(row).chars().count());
        let values = values.filter(|length| *length <= 40).fold(0, widest);
        for row in &self.0 {
            let _ = writeln!(
                text,
                "{:<names$}  {:<values$}  {}",
                row.setting,
                value(row),
                row.from
            );
        }
        text
    }
}
