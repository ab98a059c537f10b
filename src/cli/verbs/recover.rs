//! `paycraft-dr recover`.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::cutover::{Runbook, step_lines};
use super::restore::{RestoreArguments, RestoreDone, without_rows};
use crate::cli::colour;
use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::text::{line, objective};
use crate::cli::values::{parse_instant, worded};
use crate::error::{Error, Kind, Result};
use crate::model::notice::RunFacts;
use crate::model::objective::Measured;
use crate::model::source::SourceName;
use crate::model::verdict::Verdict;
use crate::postgres::conninfo::Conninfo;
use crate::recovery::cutover::{Prepared, StepReport};
use crate::recovery::recorder::Recorder;
use crate::recovery::recover::{self, Recovered};

/// Restore, verify and cut over, on one clock.
#[derive(Args, Debug)]
pub struct RecoverArguments {
    /// The backup, the target, and what may be done to that.
    #[command(flatten)]
    pub restore: RestoreArguments,
    /// When the disaster was declared, such as 2026-11-23T02:10:00Z; RTO runs from there [default: now]
    #[arg(long, value_name = "INSTANT", value_parser = |text: &str| worded(parse_instant(text)))]
    pub declared_at: Option<Timestamp>,
    /// Where is written down which steps were done [default: cutover-journal.jsonl]
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
}

/// Recovers, and tells how long it took since the disaster was declared.
pub async fn run(context: &Context<'_>, own: &RecoverArguments) -> Result<Report> {
    let now = Timestamp::now();
    let declared_at = own.declared_at.unwrap_or(now);
    if declared_at > now {
        return Err(
            Error::new(Kind::Usage, format!("--declared-at {declared_at} is yet to come"))
                .hint("give the instant in UTC, and check this machine's clock"),
        );
    }
    let among = own.restore.among(context, own.declared_at, now)?;
    let target = context.settings.target(own.restore.target.as_deref())?;
    let production = context.settings.production()?;
    own.restore.permission.refuse_named(&production, &target)?;
    let tools = context.tools().await?;
    let consent = |target: &Conninfo| own.restore.permission.consent(target);
    let restore = own
        .restore
        .request(context, &tools, &production, &consent, &among)?;
    let runbook = Runbook::gather(context, &target, own.journal.as_deref(), true, false)?;
    let request = recover::RecoverRequest {
        restore,
        cutover: Prepared::new(runbook.request())?,
        declared_at,
        objectives: context.settings.product().objectives,
        clock: &Timestamp::now,
    };
    let recorder = Recorder::new(context.observer);
    let recovered = recover::recover(request, async |_| Ok(target), &recorder).await?;
    let Recovered {
        restored,
        cutover,
        rto,
        rpo,
        verdict,
    } = recovered;
    let is_proven = restored.verification.verdict.is_proven();
    let (steps, failure) = cutover.map_or_else(Default::default, |applied| (applied.steps, applied.failure));
    let failure = match failure {
        Some(failure) => Some(runbook.resumable(context, failure)),
        None if !is_proven => Some(without_rows(&restored).unwrap_or_else(unproven)),
        None => None,
    };
    let done = RecoveryDone {
        restore: RestoreDone {
            restored,
            phases: recorder.spans(),
        },
        cutover: runbook.fields(&steps),
        steps,
        declared_at,
        rto,
        rpo,
        verdict,
    };
    let mut report = Report::judged(verdict, done);
    report.failure = failure.or(report.failure);
    Ok(report)
}

fn unproven() -> Error {
    Error::new(
        Kind::NotProven,
        "the restored database is not proven, so the cutover was not begun",
    )
    .hint("read the checks that did not pass; recover from another backup, or if what differs can be lived with, run `paycraft-dr cutover apply`")
}

/// A recovery came to its end.
#[derive(Debug)]
struct RecoveryDone {
    restore: RestoreDone,
    cutover: Value,
    steps: Vec<StepReport>,
    declared_at: Timestamp,
    rto: Measured,
    rpo: Measured,
    verdict: Verdict,
}

impl Outcome for RecoveryDone {
    fn fields(&self) -> Value {
        let mut fields = self.restore.fields();
        fields["cutover"] = self.cutover.clone();
        fields["declared_at"] = json!(self.declared_at);
        fields["rto"] = json!(self.rto);
        fields["rpo"] = json!(self.rpo);
        fields["verdict"] = json!(self.verdict);
        fields
    }

    fn run_facts(&self) -> RunFacts {
        let manifest = &self.restore.restored.manifest;
        RunFacts {
            backup: Some(manifest.key.clone()),
            source: Some(SourceName::from(&manifest.source).to_string()),
            objectives: vec![("RTO", self.rto), ("RPO", self.rpo)],
            verdict: Some(self.verdict),
            ..RunFacts::default()
        }
    }

    fn text(&self, verbose: bool) -> String {
        let mut text = self.restore.facts(verbose);
        text.push('\n');
        step_lines(&mut text, &self.steps);
        text.push('\n');
        objective(&mut text, "RTO", Some(&self.rto));
        objective(&mut text, "RPO", Some(&self.rpo));
        line(&mut text, "verdict", &colour::verdict(self.verdict));
        text
    }
}
