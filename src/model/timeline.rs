//! Phases, the events of a run, and how long each phase took.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A timed step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Servers of a rehearsal started and filled with synthetic data.
    Seed,
    /// Source dumped, compressed and stored.
    Backup,
    /// A backup chosen from the catalog.
    Select,
    /// A target made ready and cleared by the guard.
    Provision,
    /// Download, inflation and load, one pipe.
    Transfer,
    /// Sequences, indexes, constraints, triggers, materialized views.
    Finish,
    /// Planner statistics that were not gathered beside the phases before.
    Analyze,
    /// The target compared with the manifest.
    Verify,
    /// The target put into service.
    Cutover,
}

impl Phase {
    /// The stable name of the phase.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Backup => "backup",
            Self::Select => "select",
            Self::Provision => "provision",
            Self::Transfer => "transfer",
            Self::Finish => "finish",
            Self::Analyze => "analyze",
            Self::Verify => "verify",
            Self::Cutover => "cutover",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a verb tells while it runs. Progress, timeline and log are all read off this one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A phase begins. Phases never overlap.
    Began(Phase),
    /// The running phase will move about so many bytes.
    Expected(u64),
    /// The running phase moved so many bytes more.
    Bytes(u64),
    /// So many of so many things are done in the running phase.
    Counted {
        /// What they are, in the plural.
        what: &'static str,
        /// So many are done.
        done: u64,
        /// The total.
        of: u64,
    },
    /// What is done now, within a phase or between two. It takes the place of what was done before, and ends with the phase.
    Doing(String),
    /// The phase ended well.
    Ended(Phase),
    /// Something a person should know that is no failure.
    Warned(String),
    /// Something a person may want to know, such as the seed of what follows.
    Noted(String),
    /// The next step of the person who ends the run from here on. It takes the place of what was advised before.
    Advised(String),
}

pub trait Observer: Send + Sync {
    /// Takes note of `event`. Must not block.
    fn observe(&self, event: Event);
}

/// How long a phase took and what it moved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Span {
    pub name: Phase,
    /// Its length in seconds.
    pub seconds: f64,
    /// What it moved, in bytes; 0 for a phase that moves nothing countable.
    pub bytes: u64,
}

/// The phases of one run in the order they ran.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    ended: Vec<Span>,
    running: Option<(Phase, Duration, u64)>,
}

impl Timeline {
    /// Takes note of `event`, which happened `at` this long after the run's start.
    pub fn record(&mut self, at: Duration, event: &Event) {
        match event {
            Event::Began(phase) => self.running = Some((*phase, at, 0)),
            Event::Bytes(bytes) => {
                if let Some((_, _, moved)) = &mut self.running {
                    *moved += bytes;
                }
            }
            Event::Ended(phase) => {
                if let Some((name, began, bytes)) = self.running.take_if(|(name, ..)| name == phase) {
                    let seconds = at.saturating_sub(began).as_secs_f64();
                    self.ended.push(Span { name, seconds, bytes });
                }
            }
            Event::Expected(_)
            | Event::Counted { .. }
            | Event::Doing(_)
            | Event::Warned(_)
            | Event::Noted(_)
            | Event::Advised(_) => {}
        }
    }

    /// The phases that ended, in order.
    pub fn spans(&self) -> &[Span] {
        &self.ended
    }

    /// The phase that began and has not ended.
    pub fn running(&self) -> Option<Phase> {
        self.running.map(|(phase, ..)| phase)
    }
}
