//! `paycraft-dr status`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::{checks, line};
use crate::error::{Error, Kind, Result};
use crate::model::exposition;
use crate::model::notice::RunFacts;
use crate::model::objective::Measured;
use crate::model::standing::{Drill, Standing, look_at_suspicion};
use crate::model::verdict::{Check, CheckOutcome};
use crate::recovery::status::{self, DrillSources, Promises};
use crate::recovery::whole_file;

/// Say whether backups, storage and drills are as promised.
#[derive(Args, Debug)]
pub struct StatusArguments {
    /// The Markdown table of past drills
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// The directory of their evidence
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Leave the drills out
    #[arg(long, conflicts_with_all = ["log", "report"])]
    pub no_drill: bool,
    /// Write the figures here as Prometheus text, also when something is missed or the store does not answer
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Asks the store and the log of drills.
pub async fn run(context: &Context<'_>, own: &StatusArguments) -> Result<Report> {
    let now = Timestamp::now();
    let configured = &context.settings.config.status;
    let product = context.settings.product();
    let metrics = own.metrics.as_deref().or(configured.metrics.as_deref());
    let sources = DrillSources {
        log: own.log.clone().or_else(|| configured.drill_log.clone()),
        evidence: own.report.clone().or_else(|| configured.drill_evidence.clone()),
    };
    let drill = (!own.no_drill).then(|| status::drills(&sources, now, product.schedule));
    let look = async {
        let store = context.settings.open_store(&own.store)?;
        let among = context.settings.among(None)?;
        status::look_among(
            &store,
            Promises {
                rpo: product.objectives.rpo,
                budget_bytes: configured.storage_budget_bytes,
            },
            &among,
            now,
            context.observer,
        )
        .await
    };
    let standing = look.await;
    write_metrics(metrics, now, standing.as_ref().ok(), drill.as_ref())?;
    let standing = standing?;
    let mut checks = standing.checks(now, product.schedule).to_vec();
    checks.extend(drill.as_ref().map(Drill::check));
    checks.push(standing.suspicion_check());
    let failure = missed(&checks, &standing);
    let mut report = Report::done(StatusTold {
        standing,
        drill,
        checks,
    });
    report.failure = failure;
    Ok(report)
}

fn write_metrics(
    path: Option<&Path>,
    now: Timestamp,
    standing: Option<&Standing>,
    drill: Option<&Drill>,
) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text = exposition::metrics(now, standing, drill);
    whole_file::replace(path, text.as_bytes()).map_err(|error| error.hint("name another file with --metrics"))
}

/// The error that names what is not as promised, where something is not.
fn missed(checks: &[Check], standing: &Standing) -> Option<Error> {
    let names = |outcome: CheckOutcome| {
        let named = checks.iter().filter(|check| check.outcome == outcome);
        named.map(|check| check.name).collect::<Vec<_>>().join(", ")
    };
    let parts = [
        ("missed", names(CheckOutcome::Failed)),
        ("not checked", names(CheckOutcome::Skipped)),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {names}"))
        .collect();
    if parts.is_empty() {
        return None;
    }
    let unwell = checks
        .iter()
        .filter(|check| check.outcome != CheckOutcome::Passed);
    let mut steps: Vec<String> = unwell.map(|check| next_step(check, standing)).collect();
    steps.dedup();
    Some(Error::new(Kind::NotProven, parts.join("; ")).hint(steps.join("; ")))
}

fn next_step(check: &Check, standing: &Standing) -> String {
    let step = match (check.name, check.outcome) {
        ("rpo" | "suspicion", CheckOutcome::Skipped) => {
            "set SUPABASE_DB_URL, of which only the names are read, or give each source a key prefix"
        }
        ("suspicion", _) => {
            let newest = standing.suspicious.first();
            return newest.map_or_else(String::new, |(key, _)| look_at_suspicion(*key));
        }
        ("rpo", _) => "run `paycraft-dr backup`, and see why the last scheduled one made none",
        ("storage", _) => "see `paycraft-dr prune --dry-run`, and what else the bucket holds",
        (_, CheckOutcome::Skipped) => {
            "name the log of drills with --log, or leave the drills out with --no-drill"
        }
        _ => "hold one: `paycraft-dr drill --from-store --log FILE`",
    };
    step.to_owned()
}

/// The promises were looked at.
#[derive(Debug)]
struct StatusTold {
    standing: Standing,
    drill: Option<Drill>,
    checks: Vec<Check>,
}

impl Outcome for StatusTold {
    fn fields(&self) -> Value {
        let suspicious = self.standing.suspicious.iter();
        let suspicion = suspicious.map(|(key, reasons)| json!({ "key": key, "reasons": reasons }));
        json!({
            "source": self.standing.source,
            "newest": self.standing.newest,
            "suspicion": suspicion.collect::<Vec<_>>(),
            "rpo": self.standing.rpo,
            "storage": self.standing.storage,
            "drill": self.drill,
            "checks": self.checks,
        })
    }

    fn run_facts(&self) -> RunFacts {
        let Standing { source, rpo, .. } = &self.standing;
        let measured = rpo.age_seconds.map(|age| {
            let promised = Duration::from_secs(rpo.objective_seconds);
            ("RPO", Measured::against(Duration::from_secs(age), promised))
        });
        RunFacts {
            source: source.as_ref().map(ToString::to_string),
            objectives: measured.into_iter().collect(),
            ..RunFacts::default()
        }
    }

    fn text(&self, _: bool) -> String {
        let mut text = String::new();
        let newest = self
            .standing
            .newest
            .map_or_else(|| "none".to_owned(), |key| key.to_string());
        if let Some(source) = &self.standing.source {
            line(&mut text, "source", &source.to_string());
        }
        line(&mut text, "newest", &newest);
        checks(&mut text, &self.checks);
        text
    }
}
