//! One rehearsal from seed to verdict, with the verbs that production uses.

use jiff::Timestamp;
use serde::Serialize;

use super::cycle::cycle;
use super::substrate::Substrate;
use crate::error::{Error, Result};
use crate::model::catalog::{choose, read_listing};
use crate::model::comparison::TableReport;
use crate::model::key::Selector;
use crate::model::objective::Measured;
use crate::model::timeline::{Observer, Phase, Span};
use crate::model::verdict::{Check, Verdict};
use crate::postgres::tools::Tools;
use crate::recovery::backup::Clock;
use crate::recovery::recorder::Recorder;
use crate::store::Store;

/// Rows take about so many times the room of their compressed form.
const RAW_PER_STORED: u64 = 6;

/// What a rehearsal restores.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// Synthetic data, backed up first.
    Synthetic {
        /// Picks the data.
        seed: u64,
        /// COPY text to generate, in bytes.
        size_bytes: u64,
    },
    /// The newest backup in a real store, which is only read.
    Store(&'a Store),
}

/// What a rehearsal is to do.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// What is restored.
    pub origin: Origin<'a>,
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
    /// The seed of its data, where that was synthetic.
    pub seed: Option<u64>,
    /// COPY text asked for, in bytes, where it was synthetic.
    pub scale_bytes: Option<u64>,
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

/// Restores what `options` name into a fresh cluster and holds what happened against the objectives. Nothing is left running or
/// lying about, whatever the outcome.
///
/// An error means that no drill could begin; a drill that failed is a rehearsal with a failure in it.
pub async fn rehearse(options: Options<'_>, observer: &dyn Observer) -> Result<Rehearsal> {
    let recorder = Recorder::new(observer);
    let started_at = (options.clock)();
    let substrate = Substrate::start(options.tools, options.origin.size_bytes().await?).await?;
    let (scenario, seed, scale_bytes) = match options.origin {
        Origin::Synthetic { seed, size_bytes } => ("baseline", Some(seed), Some(size_bytes)),
        Origin::Store(_) => ("from-store", None, None),
    };
    let mut rehearsal = Rehearsal {
        scenario,
        seed,
        scale_bytes,
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
        repeat: options.origin.repeat(),
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

impl Origin<'_> {
    /// About how much data will be restored, as COPY text.
    async fn size_bytes(self) -> Result<u64> {
        let store = match self {
            Self::Synthetic { size_bytes, .. } => return Ok(size_bytes),
            Self::Store(store) => store,
        };
        let found = read_listing(&store.list("").await?);
        let newest = choose(&found, Selector::Latest)?;
        Ok(newest.stored_bytes.unwrap_or(0).saturating_mul(RAW_PER_STORED))
    }

    /// The command that does the same again.
    fn repeat(self) -> String {
        match self {
            Self::Synthetic { seed, size_bytes } => {
                format!("paycraft-dr drill --seed {seed} --scale {size_bytes}")
            }
            Self::Store(_) => "paycraft-dr drill --from-store".to_owned(),
        }
    }
}

/// What Linux says of this process alone; the servers' memory is their own.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
