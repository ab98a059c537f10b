//! `paycraft-dr drill`.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::StoreArguments;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::run::Context;
use crate::cli::text::{checks, line, objective, tables, timeline};
use crate::cli::units::{parse_size, size};
use crate::drill::evidence::{DrillLog, EvidenceDirectory, log_row};
use crate::drill::rehearsal::{Options, Origin, Rehearsal, rehearse};
use crate::drill::scenario::{self, BASELINE, Scenario};
use crate::drill::substrate::Ground;
use crate::error::{Error, Kind, Result};
use crate::model::timeline::Event;

/// Rehearse the whole cycle on private servers.
#[derive(Args, Debug)]
pub struct DrillArguments {
    /// Restore the newest backup of the real store instead of synthetic data; the store is only read
    #[arg(long, conflicts_with_all = ["scenario", "seed", "scale"])]
    pub from_store: bool,
    /// Picks the synthetic data; the same seed and scale give the same bytes [default: drawn and printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What to rehearse: a scenario that `scenarios` lists, or the file of one
    #[arg(long, value_name = "NAME|FILE", default_value = BASELINE)]
    pub scenario: String,
    /// How much data to rehearse with, as COPY text [default: as the scenario says]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub scale: Option<u64>,
    /// Add a row to this Markdown table of drills, or begin one
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Who drills, for the log [env: USER]
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
    /// Where the evidence of each drill is kept
    #[arg(long, value_name = "DIR", default_value = "drills")]
    pub report: PathBuf,
    /// Where the real backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

impl DrillArguments {
    /// The scenario that is meant. What looks like a path is one.
    fn scenario(&self) -> Result<Scenario> {
        if self.scenario.contains(['/', '.']) {
            Scenario::read(Path::new(&self.scenario))
        } else {
            scenario::find(&self.scenario)
        }
    }
}

/// Holds one drill and keeps its evidence.
pub async fn run(context: &Context<'_>, own: &DrillArguments) -> Result<Report> {
    let log = own.log.as_deref().map(DrillLog::open).transpose()?;
    let evidence = EvidenceDirectory::open(&own.report)?;
    let operator = context.settings.operator(own.operator.as_deref())?;
    let tools = context.tools().await?;
    let scenario = own.scenario()?;
    let origin = if own.from_store {
        Origin::Store(context.store()?)
    } else {
        let seed = own.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let bytes = own.scale.unwrap_or(scenario.scale_bytes);
        let what = format!("scenario {}, seed {seed}, {bytes} bytes of data", scenario.name);
        context.observer.observe(Event::Noted(what));
        Origin::Synthetic {
            scenario: &scenario,
            seed,
            scale_bytes: own.scale,
        }
    };
    let program = std::env::current_exe()
        .map_err(|cause| Error::new(Kind::Internal, "cannot tell which program this is").caused_by(cause))?;
    let ground = Ground::prepare(&tools)?;
    let options = Options {
        origin,
        ground: &ground,
        tools: &tools,
        jobs: context.jobs(),
        clock: &Timestamp::now,
        program: &program,
    };
    let mut rehearsal = rehearse(options, context.observer).await?;
    let left = ground.leave();
    let evidence = evidence.keep(&rehearsal)?;
    if let Some(log) = log {
        log.add(&log_row(&rehearsal, &operator))?;
    }
    let failure = rehearsal.failure.take();
    let mut report = Report::judged(rehearsal.verdict, DrillHeld { rehearsal, evidence });
    report.failure = failure.or(left.err()).or(report.failure);
    Ok(report)
}

/// A drill was held.
#[derive(Debug)]
struct DrillHeld {
    rehearsal: Rehearsal,
    evidence: PathBuf,
}

impl Outcome for DrillHeld {
    fn fields(&self) -> Value {
        let mut document = json!(self.rehearsal);
        document["evidence"] = json!(self.evidence);
        document
    }

    fn text(&self, verbose: bool) -> String {
        let rehearsal = &self.rehearsal;
        let mut text = String::new();
        let scenario = format!("{} (expected: {})", rehearsal.scenario, rehearsal.expected);
        line(&mut text, "scenario", &scenario);
        if let Some(seed) = rehearsal.seed {
            line(&mut text, "seed", &seed.to_string());
        }
        let substrate = format!("{}, PostgreSQL {}", rehearsal.substrate, rehearsal.server_version);
        line(&mut text, "substrate", &substrate);
        if let Some(backup) = &rehearsal.backup {
            line(&mut text, "backup", &backup.key);
            let sizes = format!(
                "{} archive, {} stored, {} rows",
                size(backup.raw_bytes),
                size(backup.stored_bytes),
                backup.rows
            );
            line(&mut text, "size", &sizes);
        }
        timeline(&mut text, &rehearsal.phases);
        objective(&mut text, "RTO", rehearsal.rto.as_ref());
        objective(&mut text, "RPO", rehearsal.rpo.as_ref());
        if let Some(bytes) = rehearsal.peak_rss_bytes {
            let memory = format!("{} at most, servers not counted", size(bytes));
            line(&mut text, "memory", &memory);
        }
        text.push('\n');
        checks(&mut text, &rehearsal.checks);
        tables(&mut text, &rehearsal.tables, verbose);
        text.push('\n');
        line(&mut text, "evidence", &self.evidence.display().to_string());
        line(&mut text, "repeat", &rehearsal.repeat);
        line(&mut text, "verdict", &rehearsal.verdict.to_string());
        text
    }
}
