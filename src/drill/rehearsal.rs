//! One rehearsal from seed to verdict, with the verbs that production uses.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::cluster::Cluster;
use super::sentinel::Sentinel;
use super::substrate::Substrate;
use super::workload::Workload;
use crate::error::{Error, Result};
use crate::model::comparison::TableReport;
use crate::model::key::Selector;
use crate::model::objective::{Measured, RPO_OBJECTIVE, RTO_OBJECTIVE};
use crate::model::timeline::{Event, Observer, Phase, Span};
use crate::model::verdict::{Check, Verdict};
use crate::postgres::conninfo::{Conninfo, Side};
use crate::postgres::session::Session;
use crate::postgres::tools::Tools;
use crate::recovery::backup::{self, Clock};
use crate::recovery::recorder::Recorder;
use crate::recovery::restore;

/// Name of the synthetic database, on both sides.
const DATABASE: &str = "paycraft";

/// What a rehearsal is to do.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Picks the synthetic data.
    pub seed: u64,
    /// COPY text to generate, in bytes.
    pub size_bytes: u64,
    /// PostgreSQL's programs.
    pub tools: &'a Tools,
    /// How many connections work side by side.
    pub jobs: usize,
    /// Tells the time.
    pub clock: Clock<'a>,
}

/// What a rehearsal showed: the evidence.
#[derive(Debug, Serialize)]
pub struct Rehearsal {
    /// What was rehearsed.
    pub scenario: &'static str,
    /// The seed of its data.
    pub seed: u64,
    /// COPY text asked for, in bytes.
    pub scale_bytes: u64,
    /// Where its servers ran.
    pub substrate: &'static str,
    /// When it began (UTC).
    pub started_at: Timestamp,
    /// Version of this program.
    pub tool_version: &'static str,
    /// The servers' version.
    pub server_version: String,
    /// What it all adds up to.
    pub verdict: Verdict,
    /// What had to happen.
    pub expected: &'static str,
    /// From the declared start of recovery to *verified*, where it came so far.
    pub rto: Option<Measured>,
    /// Age of the backed-up data at the declared start of recovery.
    pub rpo: Option<Measured>,
    /// Every phase that ended, in order.
    pub phases: Vec<Span>,
    /// The most memory this program had at once, its own S3 server included, where the system tells.
    pub peak_rss_bytes: Option<u64>,
    /// The backup that was made and restored.
    pub backup: Option<BackupFacts>,
    /// Each table as it was found in the target.
    pub tables: Vec<TableReport>,
    /// Every check.
    pub checks: Vec<Check>,
    /// What ended the drill before its verdict.
    #[serde(rename = "error", skip_serializing_if = "Option::is_none")]
    pub failure: Option<Error>,
    /// What was broken on purpose.
    pub faults: Vec<FaultReport>,
    /// The command that does the same again.
    pub repeat: String,
}

/// The backup of a rehearsal, in figures.
#[derive(Clone, Debug, Serialize)]
pub struct BackupFacts {
    /// Its key.
    pub key: String,
    /// Size of the archive in bytes.
    pub raw_bytes: u64,
    /// Size of the object in bytes.
    pub stored_bytes: u64,
    /// Rows in all tables.
    pub rows: u64,
}

/// One fault and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct FaultReport {
    /// Its name.
    pub fault: String,
    /// When it was to strike.
    pub phase: Phase,
    /// Whether it struck.
    pub fired: bool,
    /// Whether it was healed.
    pub healed: bool,
}

/// Seeds a database, backs it up, restores it into a fresh cluster and holds what happened against the objectives. Nothing is
/// left running or lying about, whatever the outcome.
///
/// An error means that no drill could begin; a drill that failed is a rehearsal with a failure in it.
pub async fn rehearse(options: Options<'_>, observer: &dyn Observer) -> Result<Rehearsal> {
    let recorder = Recorder::new(observer);
    let started_at = (options.clock)();
    let substrate = Substrate::start(options.tools, options.size_bytes).await?;
    let mut rehearsal = Rehearsal {
        scenario: "baseline",
        seed: options.seed,
        scale_bytes: options.size_bytes,
        substrate: Substrate::NAME,
        started_at,
        tool_version: env!("CARGO_PKG_VERSION"),
        server_version: substrate.server_version(),
        verdict: Verdict::NotProven,
        expected: "recovers",
        rto: None,
        rpo: None,
        phases: Vec::new(),
        peak_rss_bytes: None,
        backup: None,
        tables: Vec::new(),
        checks: Vec::new(),
        failure: None,
        faults: Vec::new(),
        repeat: format!(
            "paycraft-dr drill --seed {} --scale {}",
            options.seed, options.size_bytes
        ),
    };
    rehearsal.failure = cycle(options, &substrate, &mut rehearsal, &recorder).await.err();
    let left = substrate.tear_down().await;
    rehearsal
        .checks
        .push(Check::none_of("tear-down", &left, "nothing left behind"));
    rehearsal.phases = recorder.spans();
    rehearsal.peak_rss_bytes = peak_rss_bytes();
    let is_met = |objective: Option<Measured>| objective.is_some_and(|measured| measured.met);
    if rehearsal.failure.is_none() && is_met(rehearsal.rto) && is_met(rehearsal.rpo) {
        rehearsal.verdict = Verdict::over(&rehearsal.checks);
    }
    Ok(rehearsal)
}

/// One cycle: seed, back up, lose everything, recover. What it shows goes into `rehearsal` as it becomes known.
async fn cycle(
    options: Options<'_>,
    substrate: &Substrate,
    rehearsal: &mut Rehearsal,
    observer: &dyn Observer,
) -> Result<()> {
    observer.observe(Event::Began(Phase::Seed));
    observer.observe(Event::Expected(options.size_bytes));
    let source = substrate.cluster("source", false).await?;
    let sentinel = Sentinel::plant(&source.conninfo(Side::Source, "postgres")?).await?;
    let database = create_database(&source, Side::Source).await?;
    let session = Session::connect(&database).await?;
    let workload = Workload::new(options.seed, options.size_bytes);
    workload
        .load(session.client(), &mut |bytes| {
            observer.observe(Event::Bytes(bytes));
        })
        .await?;
    drop(session);
    observer.observe(Event::Ended(Phase::Seed));

    let request = backup::Request {
        source: &database,
        tools: options.tools,
        store: substrate.store(),
        clock: options.clock,
    };
    let made = backup::backup(request, observer).await?;
    rehearsal.backup = Some(BackupFacts {
        key: made.key.to_string(),
        raw_bytes: made.manifest.raw_bytes,
        stored_bytes: made.manifest.stored_bytes,
        rows: made.manifest.rows(),
    });

    let declared = Instant::now();
    let data_age = (options.clock)().duration_since(made.manifest.started_at);
    let data_age = Duration::try_from(data_age).unwrap_or(Duration::MAX);
    rehearsal.rpo = Some(Measured::against(data_age, RPO_OBJECTIVE));
    let request = restore::Request {
        store: substrate.store(),
        selector: Selector::Latest,
        tools: options.tools,
        jobs: options.jobs,
    };
    let mut target = None;
    let provision = async || {
        let cluster = target.insert(substrate.cluster("target", true).await?);
        create_database(cluster, Side::Target).await
    };
    let restored = restore::restore(request, provision, observer).await?;
    rehearsal.rto = Some(Measured::against(declared.elapsed(), RTO_OBJECTIVE));
    rehearsal.checks = restored.verification.checks;
    rehearsal.tables = restored.verification.tables;
    let changes = sentinel.changes().await?;
    rehearsal
        .checks
        .push(Check::none_of("production", &changes, "untouched"));
    Ok(())
}

/// What Linux says of this process alone; the servers' memory is their own.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

async fn create_database(cluster: &Cluster, side: Side) -> Result<Conninfo> {
    let admin = cluster.conninfo(side, "postgres")?;
    let session = Session::connect(&admin).await?;
    let created = session
        .client()
        .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
        .await;
    created.map_err(|cause| session.failed(format!("cannot create the database {DATABASE}"), cause))?;
    Ok(admin.with_database(side, DATABASE))
}
