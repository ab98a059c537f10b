//! `paycraft-dr pin` and `paycraft-dr unpin`.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::line;
use crate::cli::values::worded;
use crate::error::{Error, Kind, Result};
use crate::model::key::{BackupKey, Selector, parse_day, parse_key};
use crate::model::pin::{Pin, PinState};
use crate::model::why::parse_why;
use crate::recovery::pin;

/// Keep a backup from being pruned.
#[derive(Args, Debug)]
pub struct PinArguments {
    /// The backup: `latest`, a day (UTC) as YYYY/MM/DD, or a key as `list` prints it
    #[arg(value_name = "BACKUP", value_parser = |text: &str| worded(text.parse::<Selector>()))]
    pub backup: Selector,
    /// Why it is kept, in one line; it is written into the store
    #[arg(long, value_name = "TEXT", value_parser = |text: &str| worded(parse_pin_why(text)))]
    pub why: String,
    /// The last day (UTC) on which it is kept, as YYYY/MM/DD [default: until it is unpinned]
    #[arg(long, value_name = "DAY", value_parser = |text: &str| worded(parse_day(text)))]
    pub until: Option<Date>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Let a pinned backup be pruned again.
#[derive(Args, Debug)]
pub struct UnpinArguments {
    /// The backup's key, as `list` prints it
    #[arg(value_name = "KEY", value_parser = |text: &str| worded(parse_key(text)))]
    pub key: BackupKey,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Reads the reason of a pin.
pub(super) fn parse_pin_why(text: &str) -> Result<String> {
    parse_why(text, "before the migration of the billing tables")
}

/// A last day that has passed would keep nothing.
pub(super) fn check_until(until: Option<Date>, now: Timestamp) -> Result<()> {
    match until {
        Some(until) if !Pin::new(BackupKey::at(now), "", Some(until), now).holds_at(now) => Err(Error::new(
            Kind::Usage,
            format!("{until} has passed: the pin would keep nothing"),
        )
        .hint("name a day that is to come with --until, or leave it out")),
        _ => Ok(()),
    }
}

/// Writes the pin.
pub async fn run(context: &Context<'_>, own: &PinArguments) -> Result<Report> {
    let now = Timestamp::now();
    check_until(own.until, now)?;
    let pin = pin::pin(context.store()?, own.backup, &own.why, own.until, now).await?;
    Ok(Report::done(BackupPinned(pin)))
}

/// Removes the pin.
pub async fn take_off(context: &Context<'_>, own: &UnpinArguments) -> Result<Report> {
    let was = pin::unpin(context.store()?, own.key).await?;
    Ok(Report::done(BackupUnpinned { key: own.key, was }))
}

/// A backup was pinned.
#[derive(Debug)]
struct BackupPinned(Pin);

impl Outcome for BackupPinned {
    fn fields(&self) -> Value {
        json!({ "backup_key": self.0.key, "pin": self.0 })
    }

    fn text(&self, _: bool) -> String {
        let mut text = String::new();
        line(&mut text, "pinned", &self.0.key);
        let until = self.0.until.map_or_else(
            || "it is unpinned".to_owned(),
            |day| format!("the end of {day} (UTC)"),
        );
        line(&mut text, "until", &until);
        line(&mut text, "why", &self.0.why);
        text
    }
}

/// A backup was unpinned.
#[derive(Debug)]
struct BackupUnpinned {
    key: BackupKey,
    was: PinState,
}

impl Outcome for BackupUnpinned {
    fn fields(&self) -> Value {
        json!({ "backup_key": self.key, "pin": self.was })
    }

    fn text(&self, _: bool) -> String {
        let mut text = String::new();
        line(&mut text, "unpinned", &self.key.to_string());
        if let Some(was) = self.was.reason(Timestamp::MIN) {
            line(&mut text, "was", &was);
        }
        text
    }
}
