//! `paycraft-dr cutover`.

mod plan;
mod runbook;

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::plan::plan;
pub(super) use self::runbook::Runbook;
use crate::cli::context::Context;
use crate::cli::examples;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::units::duration;
use crate::error::Result;
use crate::recovery::cutover::{Applied, Prepared, StepOutcome, StepReport, statistics};

/// Put a restored database into service.
#[derive(Args, Debug)]
pub struct CutoverArguments {
    /// What to do with the steps.
    #[command(subcommand)]
    pub action: CutoverAction,
}

/// What to do with the steps.
#[derive(Debug, Subcommand)]
pub enum CutoverAction {
    /// Show what would be done; change nothing and run nothing
    #[command(after_help = examples::CUTOVER_PLAN)]
    Plan(JournalArguments),
    /// Run the steps that are not done yet, and stop at the first that fails
    #[command(after_help = examples::CUTOVER_APPLY)]
    Apply(JournalArguments),
}

/// Where is written down what was done.
#[derive(Args, Clone, Debug)]
pub struct JournalArguments {
    /// Where is written down what was done [default: cutover-journal.jsonl]
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Run every step again, also those that were done
    #[arg(long)]
    pub restart: bool,
}

/// Shows or runs the configured steps.
pub async fn run(context: &Context<'_>, own: &CutoverArguments) -> Result<Report> {
    match &own.action {
        CutoverAction::Plan(own) => {
            let target = context.settings.target(None)?;
            plan(&Runbook::gather(
                context,
                &target,
                own.journal.as_deref(),
                own.restart,
                true,
            )?)
        }
        CutoverAction::Apply(own) => {
            let target = context.settings.target(None)?;
            let runbook = Runbook::gather(context, &target, own.journal.as_deref(), own.restart, false)?;
            statistics::warn_where_missing(&target, context.observer).await;
            let applied = Prepared::new(runbook.request())?.apply(context.observer).await?;
            Ok(report(context, &runbook, applied))
        }
    }
}

fn report(context: &Context<'_>, runbook: &Runbook, mut applied: Applied) -> Report {
    let failure = applied.failure.take();
    let failure = failure.map(|failure| runbook.resumable(context, failure));
    let fields = runbook.fields(&applied.steps);
    Report {
        done: Box::new(CutoverApplied {
            fields,
            steps: applied.steps,
        }),
        failure,
    }
}

#[derive(Debug)]
struct CutoverApplied {
    fields: Value,
    steps: Vec<StepReport>,
}

impl Outcome for CutoverApplied {
    fn fields(&self) -> Value {
        let mut fields = self.fields.clone();
        fields["action"] = json!("apply");
        fields
    }

    fn text(&self, _: bool) -> String {
        let mut text = String::new();
        step_lines(&mut text, &self.steps);
        if self
            .steps
            .iter()
            .all(|step| step.outcome == StepOutcome::DoneBefore)
        {
            text.push_str("\nNothing was run: all was done before. --restart runs it again.\n");
        }
        text
    }
}

/// Every step, one on a line.
pub(super) fn step_lines(text: &mut String, steps: &[StepReport]) {
    for step in steps {
        let mark = match step.outcome {
            StepOutcome::Done => "done",
            StepOutcome::DoneBefore => "done before",
            StepOutcome::Failed => "FAILED",
            StepOutcome::NotRun => "not run",
        };
        let took = step.seconds.map(duration).unwrap_or_default();
        let row = format!("{mark:<12} {:<18} {took:>10}  {}", step.name, step.detail);
        let _ = writeln!(text, "{}", row.trim_end());
    }
}
