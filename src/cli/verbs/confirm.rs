//! `paycraft-dr confirm`.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::line;
use crate::cli::values::worded;
use crate::error::Result;
use crate::model::key::{BackupKey, parse_key};
use crate::model::why::parse_why;
use crate::recovery::confirm::{self, Confirmed};

/// Say that a backup under suspicion is right.
#[derive(Args, Debug)]
pub struct ConfirmArguments {
    /// The backup's key, as `list` prints it
    #[arg(value_name = "KEY", value_parser = |text: &str| worded(parse_key(text)))]
    pub key: BackupKey,
    /// Why it is right, in one line; it is written into the store
    #[arg(long, value_name = "TEXT", value_parser = |text: &str| worded(parse_why(text, "the table events was emptied on purpose")))]
    pub why: String,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

pub async fn run(context: &Context<'_>, own: &ConfirmArguments) -> Result<Report> {
    let among = context.settings.among(None)?;
    let (store, now) = (context.store()?, Timestamp::now());
    let confirmed = confirm::confirm(store, own.key, &own.why, &among, now, context.observer).await?;
    Ok(Report::done(BackupConfirmed(confirmed)))
}

/// A backup was confirmed.
#[derive(Debug)]
struct BackupConfirmed(Confirmed);

impl Outcome for BackupConfirmed {
    fn fields(&self) -> Value {
        let Confirmed {
            confirmation,
            reasons,
        } = &self.0;
        json!({
            "backup": confirmation.key,
            "backup_key": confirmation.key,
            "confirmed_at": confirmation.confirmed_at,
            "why": confirmation.why,
            "suspicion": reasons,
        })
    }

    fn text(&self, _: bool) -> String {
        let Confirmed {
            confirmation,
            reasons,
        } = &self.0;
        let mut text = String::new();
        line(&mut text, "confirmed", &confirmation.key);
        for reason in reasons {
            line(&mut text, "suspicion", reason);
        }
        line(&mut text, "why", &confirmation.why);
        text
    }
}
