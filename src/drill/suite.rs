//! Several drills, side by side, and what they add up to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::quiet::Quiet;
use super::rehearsal::Rehearsal;
use super::rehearse::{Options, RehearsalInput, rehearse};
use super::scenario::Scenario;
use super::substrate::Environment;
use crate::child::reaper;
use crate::error::{Error, Kind, Result};
use crate::postgres::tools::Tools;

/// Timeout for the end of cancelled drills.
const ENDING: Duration = Duration::from_secs(20);

/// What all drills of a suite need.
#[derive(Debug)]
pub struct Equipment {
    /// Where their servers run.
    pub environment: Environment,
    pub tools: Tools,
    /// How many connections work side by side in each.
    pub jobs: usize,
    /// How many drills run at the same time.
    pub at_once: usize,
    /// COPY text in each, in bytes, if not as much as its scenario says.
    pub scale_bytes: Option<u64>,
    /// This program, for verbs that are ended from outside.
    pub program: PathBuf,
}

/// One drill to run.
#[derive(Clone, Debug)]
pub struct PlannedDrill {
    /// What happens in it.
    pub scenario: Scenario,
    /// Picks its data, and what faults leave to chance.
    pub seed: u64,
}

/// What several drills came to.
#[derive(Debug, Default, Serialize)]
pub struct Scorecard {
    /// Each drill that ran, in the order they were asked for.
    pub drills: Vec<Rehearsal>,
    /// How many ended as they had to.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// How many could not run here.
    pub skipped: usize,
    /// Which those were, and why.
    pub skips: Vec<Skip>,
}

/// A drill that could not run here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skip {
    pub scenario: String,
    pub why: &'static str,
}

impl Scorecard {
    /// Whether all ran that was asked for, and ended as it had to.
    pub fn is_clean(&self) -> bool {
        self.failed == 0 && self.skipped == 0 && self.passed > 0
    }

    fn of(drills: Vec<Rehearsal>, skips: Vec<Skip>) -> Self {
        let passed = drills.iter().filter(|drill| drill.verdict.is_proven()).count();
        Self {
            passed,
            failed: drills.len() - passed,
            skipped: skips.len(),
            drills,
            skips,
        }
    }
}

/// Runs every drill. Each goes through `ended` as soon as it is over, so that a later one cannot lose it. Dropped, it ends those
/// that are under way; [`reaper`] waits until their servers are gone.
pub async fn run(
    plan: Vec<PlannedDrill>,
    equipment: &Arc<Equipment>,
    mut ended: impl FnMut(&Rehearsal) -> Result<()>,
) -> Result<Scorecard> {
    let (runnable, skips) = sort_out(plan);
    let mut waiting = runnable.into_iter().enumerate();
    let mut under_way = UnderWay::new();
    let mut done = BTreeMap::new();
    loop {
        while under_way.drills.len() < equipment.at_once.max(1)
            && let Some((place, planned)) = waiting.next()
        {
            under_way.begin(place, planned, equipment);
        }
        let Some(over) = under_way.drills.join_next().await else {
            break;
        };
        let (place, drill) =
            over.map_err(|cause| Error::new(Kind::Internal, "a drill broke off").caused_by(cause))?;
        let Some(drill) = drill.transpose()? else {
            continue;
        };
        ended(&drill)?;
        done.insert(place, drill);
    }
    Ok(Scorecard::of(done.into_values().collect(), skips))
}

/// The drills that run at the moment.
struct UnderWay {
    drills: JoinSet<(usize, Option<Result<Rehearsal>>)>,
    /// Dropped, it ends them.
    wanted: Option<watch::Sender<()>>,
    /// Each drill has a copy for as long as anything of it is there.
    presence: Option<mpsc::Sender<Infallible>>,
    absence: Option<mpsc::Receiver<Infallible>>,
}

impl UnderWay {
    fn new() -> Self {
        let (presence, absence) = mpsc::channel();
        Self {
            drills: JoinSet::new(),
            wanted: Some(watch::Sender::new(())),
            presence: Some(presence),
            absence: Some(absence),
        }
    }

    /// Begins a drill on a thread of its own: one that a fault blocks must block no other.
    fn begin(&mut self, place: usize, planned: PlannedDrill, equipment: &Arc<Equipment>) {
        let equipment = Arc::clone(equipment);
        let presence = self.presence.clone();
        let wanted = self.wanted.as_ref().map(watch::Sender::subscribe);
        self.drills.spawn_blocking(move || {
            let drill = Handle::current().block_on(async {
                tokio::select! {
                    drill = run_one(&planned, &equipment) => Some(drill),
                    () = unwanted(wanted) => None,
                }
            });
            drop(equipment);
            drop(presence);
            (place, drill)
        });
    }
}

/// Ends when the drills are cancelled.
async fn unwanted(wanted: Option<watch::Receiver<()>>) {
    if let Some(mut wanted) = wanted {
        // Nothing is ever sent: the only change is the end of the sender.
        while wanted.changed().await.is_ok() {}
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.wanted.take();
        self.presence.take();
        if let Some(absence) = self.absence.take() {
            reaper::hand_over(move || {
                // What is left after that is cleared away by those who watch over this process.
                let _ = absence.recv_timeout(ENDING);
            });
        }
    }
}

/// Runs one drill of a suite.
async fn run_one(planned: &PlannedDrill, equipment: &Equipment) -> Result<Rehearsal> {
    let options = Options {
        origin: RehearsalInput::Synthetic {
            scenario: &planned.scenario,
            seed: planned.seed,
            scale_bytes: equipment.scale_bytes,
        },
        environment: &equipment.environment,
        tools: &equipment.tools,
        jobs: equipment.jobs,
        clock: &Timestamp::now,
        program: &equipment.program,
    };
    Box::pin(rehearse(options, &Quiet)).await
}

fn sort_out(plan: Vec<PlannedDrill>) -> (Vec<PlannedDrill>, Vec<Skip>) {
    let (runnable, rest): (Vec<_>, Vec<_>) = plan
        .into_iter()
        .partition(|planned| cfg!(target_os = "linux") || !planned.scenario.needs_linux());
    let skip = |planned: PlannedDrill| Skip {
        scenario: planned.scenario.name,
        why: "only Linux tells of processes and limits their files",
    };
    (runnable, rest.into_iter().map(skip).collect())
}

/// The smallest scenario with which the drill still does not end as it has to, found by leaving out one thing after the other.
pub async fn shrink(failing: PlannedDrill, equipment: &Equipment) -> Result<PlannedDrill> {
    let mut smallest = failing;
    'again: loop {
        for smaller in smaller_ones(&smallest.scenario) {
            let smaller = PlannedDrill {
                scenario: smaller,
                seed: smallest.seed,
            };
            if !run_one(&smaller, equipment).await?.verdict.is_proven() {
                smallest = smaller;
                continue 'again;
            }
        }
        return Ok(smallest);
    }
}

/// The scenario with one thing left out, for each thing that can be.
fn smaller_ones(scenario: &Scenario) -> Vec<Scenario> {
    let mut smaller = Vec::new();
    if scenario.faults.len() > 1 {
        smaller.extend((0..scenario.faults.len()).map(|place| {
            let mut without = scenario.clone();
            without.faults.remove(place);
            without
        }));
    }
    if scenario.cuts_over {
        smaller.push(Scenario {
            cuts_over: false,
            ..scenario.clone()
        });
    }
    if !scenario.history_days.is_empty() {
        let mut without = scenario.clone();
        without.history_days.pop();
        smaller.push(without);
    }
    if scenario.scale_bytes > SMALLEST_BYTES {
        smaller.push(Scenario {
            scale_bytes: SMALLEST_BYTES,
            ..scenario.clone()
        });
    }
    smaller
}

const SMALLEST_BYTES: u64 = 1 << 20;
