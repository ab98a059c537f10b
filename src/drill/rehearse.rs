//! One rehearsal from seed to verdict, with the verbs that production uses.

use std::path::Path;

use jiff::Timestamp;

pub use super::from_store::Stored;
use super::from_store::{self, RestoreTools};
use super::rehearsal::Rehearsal;
use super::scenario::{BASELINE, Expectation, Scenario};
use super::substrate::Environment;
use super::trial::{self, TrialOptions};
use crate::error::{Error, Kind, Result};
use crate::model::catalog::{choose, read_listing};
use crate::model::check_names;
use crate::model::key::Selector;
use crate::model::objective::Measured;
use crate::model::source::SourceChoice;
use crate::model::timeline::{Event, Observer};
use crate::model::verdict::{Check, Verdict};
use crate::postgres::tools::Tools;
use crate::recovery::backup::Clock;
use crate::recovery::recorder::Recorder;

/// Rows take about so many times the room of their compressed form.
const RAW_PER_STORED: u64 = 6;

/// What a rehearsal restores.
#[derive(Clone, Copy, Debug)]
pub enum RehearsalInput<'a> {
    /// Synthetic data, backed up first, and what a scenario does to it.
    Synthetic {
        scenario: &'a Scenario,
        /// Picks the data, and what faults leave to chance.
        seed: u64,
        /// COPY text to generate, in bytes, if not as much as the scenario says.
        scale_bytes: Option<u64>,
    },
    /// A backup of a real store, which is only read.
    Store(Stored<'a>),
}

/// What a rehearsal is to do.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    pub origin: RehearsalInput<'a>,
    /// Where its servers run.
    pub environment: &'a Environment,
    pub tools: &'a Tools,
    /// How many connections work side by side.
    pub jobs: usize,
    pub clock: Clock<'a>,
    /// This program, for verbs that are ended from outside.
    pub program: &'a Path,
}

/// Restores what `options` name into a fresh cluster and holds what happened against what had to happen. Nothing is left running
/// or lying about, with any outcome.
///
/// An error means that no drill could begin; a drill that failed is a rehearsal with a failure in it.
pub async fn rehearse(options: Options<'_>, observer: &dyn Observer) -> Result<Rehearsal> {
    let recorder = Recorder::new(observer);
    let started_at = (options.clock)();
    let doing = |what: &str| recorder.observe(Event::Doing(what.to_owned()));
    doing("starting private servers");
    let substrate = options
        .environment
        .substrate(options.origin.size_bytes(started_at).await?)
        .await?;
    let mut rehearsal = Rehearsal {
        scenario: options.origin.name().to_owned(),
        seed: options.origin.seed(),
        scale_bytes: options.origin.scale_bytes(),
        substrate: options.environment.name(),
        started_at,
        tool_version: env!("CARGO_PKG_VERSION"),
        server_version: options.environment.server_version(),
        verdict: Verdict::NotProven,
        expected: options.origin.expectation().to_string(),
        happened: String::new(),
        retries: 0,
        rto: None,
        rpo: None,
        phases: Vec::new(),
        peak_rss_bytes: None,
        backup: None,
        tables: Vec::new(),
        checks: Vec::new(),
        failure: None,
        faults: Vec::new(),
        repeat: format!("{}{}", options.origin.repeat(), options.environment.words()),
    };
    let outcome = match options.origin {
        RehearsalInput::Synthetic { scenario, seed, .. } => {
            let trial_options = TrialOptions {
                scenario,
                seed,
                scale_bytes: rehearsal.scale_bytes.unwrap_or(scenario.scale_bytes),
                tools: options.tools,
                jobs: options.jobs,
                clock: options.clock,
                program: options.program,
            };
            Box::pin(trial::run(trial_options, &substrate, &mut rehearsal, &recorder)).await
        }
        RehearsalInput::Store(stored) => {
            let means = RestoreTools {
                tools: options.tools,
                jobs: options.jobs,
                clock: options.clock,
            };
            Box::pin(from_store::recover(
                means,
                stored,
                &substrate,
                &mut rehearsal,
                &recorder,
            ))
            .await
        }
    };
    rehearsal.failure = outcome.err();
    if rehearsal.happened.is_empty() {
        rehearsal.happened = happened(&rehearsal);
    }
    doing("taking private servers away");
    let left = substrate.tear_down().await;
    rehearsal
        .checks
        .push(torn_down(options.origin.expectation(), &left));
    rehearsal.phases = recorder.spans();
    rehearsal.peak_rss_bytes = peak_rss_bytes();
    let is_met = |objective: Option<Measured>| objective.is_some_and(|measured| measured.met);
    let must_meet = *options.origin.expectation() == Expectation::Recovers;
    if rehearsal.failure.is_none() && (!must_meet || is_met(rehearsal.rto) && is_met(rehearsal.rpo)) {
        rehearsal.verdict = Verdict::over(&rehearsal.checks);
    }
    Ok(rehearsal)
}

/// What happened where nothing was to break.
fn happened(rehearsal: &Rehearsal) -> String {
    let verdict = Verdict::over(&rehearsal.checks);
    let unproven = (!verdict.is_proven()).then_some(Kind::NotProven);
    let ended = rehearsal.failure.as_ref().map(Error::kind).or(unproven);
    ended.map_or_else(
        || Expectation::Recovers.to_string(),
        |kind| format!("exit {}", kind.exit_code()),
    )
}

/// Whether nothing was left behind, or exactly what was to be.
fn torn_down(expected: &Expectation, left: &[String]) -> Check {
    const NAME: &str = check_names::TEAR_DOWN;
    let Expectation::TurnsRed(red) = expected else {
        return Check::none_of(NAME, left, "nothing left behind");
    };
    if left.iter().any(|left| left.contains(&red.says)) {
        return Check::none_of(
            NAME,
            &[],
            format!("{} was left behind, and told", left.join("; ")),
        );
    }
    let problem = format!("what was left behind was not told: {left:?}");
    Check::none_of(NAME, &[problem], "")
}

impl RehearsalInput<'_> {
    /// About how much data will be restored, as COPY text.
    async fn size_bytes(self, now: Timestamp) -> Result<u64> {
        let stored = match self {
            Self::Synthetic { .. } => return Ok(self.scale_bytes().unwrap_or(0)),
            Self::Store(stored) => stored,
        };
        let found = read_listing(&stored.store.list("").await?);
        let chosen = choose(&found, stored.selector, now)?;
        Ok(chosen.stored_bytes.unwrap_or(0).saturating_mul(RAW_PER_STORED))
    }

    fn name(&self) -> &str {
        match self {
            Self::Synthetic { scenario, .. } => &scenario.name,
            Self::Store(..) => "from-store",
        }
    }

    fn seed(self) -> Option<u64> {
        match self {
            Self::Synthetic { seed, .. } => Some(seed),
            Self::Store(..) => None,
        }
    }

    fn scale_bytes(self) -> Option<u64> {
        match self {
            Self::Synthetic {
                scenario,
                scale_bytes,
                ..
            } => scale_bytes.or(Some(scenario.scale_bytes)),
            Self::Store(..) => None,
        }
    }

    fn expectation(&self) -> &Expectation {
        match self {
            Self::Synthetic { scenario, .. } => &scenario.expect,
            Self::Store(..) => &Expectation::Recovers,
        }
    }

    /// The command that does the same again.
    fn repeat(self) -> String {
        let Self::Synthetic {
            scenario,
            seed,
            scale_bytes,
        } = self
        else {
            let mut repeat = "paycraft-dr drill --from-store".to_owned();
            if let Self::Store(stored) = self {
                if stored.selector != Selector::Latest {
                    repeat = format!("{repeat} --backup {}", stored.selector);
                }
                if let SourceChoice::Named(name) = &stored.among.source {
                    repeat = format!("{repeat} --from-source '{name}'");
                }
                if stored.accepts_unknown_rights {
                    repeat.push_str(" --accept-unknown-rights");
                }
            }
            return repeat;
        };
        let mut repeat = "paycraft-dr drill".to_owned();
        if scenario.argument != BASELINE {
            repeat = format!("{repeat} --scenario {}", scenario.argument);
        }
        repeat = format!("{repeat} --seed {seed}");
        match scale_bytes {
            None if scenario.argument == BASELINE => format!("{repeat} --scale {}", scenario.scale_bytes),
            None => repeat,
            Some(scale_bytes) => format!("{repeat} --scale {scale_bytes}"),
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
