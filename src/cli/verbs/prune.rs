//! `paycraft-dr prune`.

use std::fmt::Write;
use std::num::NonZeroU32;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::units::size;
use crate::error::Result;
use crate::model::retention::{DAYS, FLOOR, Policy};
use crate::recovery::abandoned;
use crate::recovery::prune::{self, PruneRequest, Pruned, PrunedItem};

/// Remove expired backups.
#[derive(Args, Debug)]
pub struct PruneArguments {
    /// Remove nothing, and say what would be
    #[arg(long)]
    pub dry_run: bool,
    /// Keep backups that are no older than so many days [default: 30]
    #[arg(long, value_name = "N")]
    pub days: Option<NonZeroU32>,
    /// Keep so many of the newest attested backups however old they are [default: 7]
    #[arg(long, value_name = "N")]
    pub keep: Option<NonZeroU32>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Plans, and does what was planned.
pub async fn run(context: &Context<'_>, own: &PruneArguments) -> Result<Report> {
    let (store, configured) = (context.store()?, &context.settings.config.retention);
    let request = PruneRequest {
        policy: Policy {
            days: own.days.or(configured.days).unwrap_or(DAYS),
            floor: own.keep.or(configured.keep).unwrap_or(FLOOR),
        },
        now: Timestamp::now(),
        dry_run: own.dry_run,
    };
    let among = context.settings.among(None)?;
    if !own.dry_run {
        abandoned::abort(store, context.observer).await;
    }
    let stock = prune::take_stock_among(store, &among, context.observer).await?;
    let mut pruned = prune::prune(store, stock, request, context.observer).await?;
    let failure = pruned.failure.take();
    let dry_run = own.dry_run;
    let mut report = Report::done(StorePruned { pruned, dry_run });
    report.failure = failure;
    Ok(report)
}

/// A store was pruned, or would be.
#[derive(Debug)]
struct StorePruned {
    pruned: Pruned,
    dry_run: bool,
}

impl Outcome for StorePruned {
    fn fields(&self) -> Value {
        json!({
            "kept": self.pruned.kept,
            "removed": self.pruned.removed,
            "foreign_objects": self.pruned.foreign,
            "dry_run": self.dry_run,
        })
    }

    fn text(&self, _: bool) -> String {
        let Pruned {
            kept,
            removed,
            foreign,
            ..
        } = &self.pruned;
        let mut text = String::new();
        if !(kept.is_empty() && removed.is_empty()) {
            let _ = writeln!(
                text,
                "{:<8} {:<46} {:<17} {:>11}  REASON",
                "", "KEY", "STATE", "SIZE"
            );
        }
        lines(&mut text, "keep", kept);
        lines(&mut text, "remove", removed);
        let freed = size(removed.iter().map(|line| line.stored_bytes).sum());
        let (done, removed, kept) = (
            if self.dry_run { "would remove" } else { "removed" },
            removed.len(),
            kept.len(),
        );
        let _ = writeln!(
            text,
            "{done} {removed} ({freed}), kept {kept}; {foreign} other objects are no backups and were left alone"
        );
        text
    }
}

fn lines(text: &mut String, decision: &str, lines: &[PrunedItem]) {
    for line in lines {
        let _ = writeln!(
            text,
            "{decision:<8} {:<46} {:<17} {:>11}  {}",
            line.key,
            line.state,
            size(line.stored_bytes),
            line.reason
        );
    }
}
