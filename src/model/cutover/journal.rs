//! What was done, record by record, and what remains.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::step::Step;
use crate::error::{Error, Kind, Result};

/// The version of the records.
const VERSION: u32 = 1;
/// A cutover that was not continued for so long is another day's; its steps are not taken as done.
const STALE_AFTER: Duration = Duration::from_hours(24);

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum JournalRecord {
    /// A cutover to a target begins. What comes before it belongs to another.
    Opened {
        at: Timestamp,
        /// Version of the records.
        version: u32,
        /// The database that goes into service, without secrets.
        target: String,
    },
    /// A step is about to be run.
    Began {
        at: Timestamp,
        step: String,
        /// Digest of its definition.
        digest: String,
    },
    Ended {
        at: Timestamp,
        step: String,
        /// Digest of its definition.
        digest: String,
    },
    Failed {
        at: Timestamp,
        step: String,
        /// Digest of its definition.
        digest: String,
        /// Why, without secrets.
        error: String,
    },
    /// Every step ended well.
    Completed { at: Timestamp },
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "at")]
pub enum StepState {
    /// It was not begun.
    Pending,
    /// It was under way when the last run ended without a word.
    UnderWay(Timestamp),
    Failed(Timestamp),
    Done(Timestamp),
}

/// How a run relates to what the journal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It goes on with the journal's last cutover.
    GoesOn,
    /// It begins one: the first, or another because that was asked for.
    Begins,
    /// It begins one because the journal's last is none of its own, for this reason.
    BeginsInstead(String),
}

/// What remains to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// How the run relates to what the journal holds.
    pub opening: Opening,
    /// How far each step has come.
    pub states: Vec<StepState>,
    /// From which step on they are run; as many as there are when nothing remains.
    pub first: usize,
}

impl JournalRecord {
    /// The record that begins a cutover.
    pub fn opened(at: Timestamp, target: &str) -> Self {
        Self::Opened {
            at,
            version: VERSION,
            target: target.to_owned(),
        }
    }

    /// When it was written.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Opened { at, .. }
            | Self::Began { at, .. }
            | Self::Ended { at, .. }
            | Self::Failed { at, .. }
            | Self::Completed { at } => *at,
        }
    }

    /// The step it is about, and the digest of that.
    fn step(&self) -> Option<(&str, &str)> {
        match self {
            Self::Began { step, digest, .. }
            | Self::Ended { step, digest, .. }
            | Self::Failed { step, digest, .. } => Some((step, digest)),
            Self::Opened { .. } | Self::Completed { .. } => None,
        }
    }
}

/// The whole lines of a journal. A last line without an end is the leftover of a crash.
pub fn whole_lines(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte == b'\n');
    &text[..end.map_or(0, |end| end + 1)]
}

/// Reads the records in whole lines. A line that means nothing is an error: what was done must not be guessed.
pub fn read(lines: &[u8]) -> Result<Vec<JournalRecord>> {
    let refuse = |number: usize, what: &str| {
        Error::new(Kind::Usage, format!("line {number} of the journal {what}"))
            .hint("name another file with --journal, or move this one away")
    };
    let lines = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty());
    let mut records = Vec::new();
    for (number, line) in lines.enumerate() {
        let record = serde_json::from_slice(line)
            .map_err(|cause| refuse(number + 1, "is no record").caused_by(cause))?;
        match &record {
            JournalRecord::Opened { version, .. } if *version != VERSION => {
                return Err(refuse(
                    number + 1,
                    "was written by another version of this program",
                ));
            }
            JournalRecord::Opened { .. } => {}
            _ if records.is_empty() => return Err(refuse(number + 1, "belongs to no cutover")),
            _ => {}
        }
        records.push(record);
    }
    Ok(records)
}

/// Which of `steps` remain to be done to put `target` into service.
///
/// Gone on with is the journal's last cutover, if it was to the same target and not long ago, and `restart` does not ask for
/// another. Once a step has to be run, all behind it are: what they do may rest on it.
pub fn remaining(
    steps: &[Step],
    records: &[JournalRecord],
    target: &str,
    now: Timestamp,
    restart: bool,
) -> Result<Remaining> {
    let opened = records
        .iter()
        .rposition(|record| matches!(record, JournalRecord::Opened { .. }));
    let last = opened.map_or(&records[..0], |opened| &records[opened..]);
    let opening = opening(last, target, now, restart);
    if opening != Opening::GoesOn {
        return Ok(Remaining {
            opening,
            states: vec![StepState::Pending; steps.len()],
            first: 0,
        });
    }
    let states: Vec<StepState> = steps
        .iter()
        .map(|step| state_of(step, last))
        .collect::<Result<_>>()?;
    let first = states
        .iter()
        .position(|state| !matches!(state, StepState::Done(_)))
        .unwrap_or(steps.len());
    Ok(Remaining {
        opening,
        states,
        first,
    })
}

fn opening(last: &[JournalRecord], target: &str, now: Timestamp, restart: bool) -> Opening {
    match last {
        [] => Opening::Begins,
        _ if restart => Opening::Begins,
        [JournalRecord::Opened { target: other, .. }, ..] if other != target => {
            Opening::BeginsInstead(format!("the journal's last cutover was to {other}"))
        }
        [.., newest] => {
            let age = Duration::try_from(now.duration_since(newest.at())).unwrap_or_default();
            if age > STALE_AFTER {
                Opening::BeginsInstead(format!("the journal's last cutover ended at {}", newest.at()))
            } else {
                Opening::GoesOn
            }
        }
    }
}

fn state_of(step: &Step, records: &[JournalRecord]) -> Result<StepState> {
    let mut own = records
        .iter()
        .filter(|record| record.step().is_some_and(|(name, _)| name == step.name));
    let Some(last) = own.next_back() else {
        return Ok(StepState::Pending);
    };
    let at = last.at();
    let has_changed = last.step().is_some_and(|(_, digest)| digest != step.digest());
    match last {
        JournalRecord::Ended { .. } if has_changed => Err(Error::new(
            Kind::Refused,
            format!("step {:?} was changed after it was done at {at}", step.name),
        )
        .hint("add --restart to run every step again, or undo the change")),
        JournalRecord::Ended { .. } => Ok(StepState::Done(at)),
        JournalRecord::Failed { .. } => Ok(StepState::Failed(at)),
        _ => Ok(StepState::UnderWay(at)),
    }
}
