//! Checks and what they add up to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckOutcome {
    /// The answer is the one a proof needs.
    Passed,
    /// It is not, and the operator knows what differs and accepts it.
    Accepted,
    Failed,
    /// The question could not be asked.
    Skipped,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The question's stable name.
    pub name: &'static str,
    pub outcome: CheckOutcome,
    /// What was seen, for a person.
    pub detail: String,
    /// Differences that take nothing from a proof and that a person should know of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
    /// All that is wrong, each by itself.
    #[serde(skip)]
    pub problems: Vec<String>,
}

impl Check {
    /// A check that passed when there are no `problems`, and failed naming the first of them otherwise.
    pub fn none_of(name: &'static str, problems: &[String], otherwise: impl Into<String>) -> Self {
        const NAMED: usize = 5;
        let (outcome, detail) = match problems.len() {
            0 => (CheckOutcome::Passed, otherwise.into()),
            1..=NAMED => (CheckOutcome::Failed, problems.join("; ")),
            all => (
                CheckOutcome::Failed,
                format!("{}; and {} more", problems[..NAMED].join("; "), all - NAMED),
            ),
        };
        Self {
            name,
            outcome,
            detail,
            told: Vec::new(),
            problems: problems.to_vec(),
        }
    }

    /// The same with differences that take nothing from a proof.
    #[must_use]
    pub fn telling(mut self, told: Vec<String>) -> Self {
        self.told = told;
        self
    }

    /// A check that could not be made, and why.
    pub fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self {
            name,
            outcome: CheckOutcome::Skipped,
            detail: why.into(),
            told: Vec::new(),
            problems: Vec::new(),
        }
    }
}

/// What all checks of a run add up to, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// Every check was made and passed.
    #[serde(rename = "proven")]
    Proven,
    /// Every check was made, and what did not pass is what the operator accepts.
    #[serde(rename = "proven with accepted differences")]
    ProvenWithAccepted,
    /// Some check failed or was skipped, or none was made.
    #[serde(rename = "not proven")]
    NotProven,
}

impl Verdict {
    /// The verdict over `checks`. No checks prove nothing.
    pub fn over<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Self {
        let worst = checks.into_iter().map(|check| match check.outcome {
            CheckOutcome::Passed => Self::Proven,
            CheckOutcome::Accepted => Self::ProvenWithAccepted,
            CheckOutcome::Failed | CheckOutcome::Skipped => Self::NotProven,
        });
        worst.max().unwrap_or(Self::NotProven)
    }

    /// Whether the target is the backup's equal, but for what the operator accepts.
    pub fn is_proven(self) -> bool {
        self != Self::NotProven
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proven => "proven",
            Self::ProvenWithAccepted => "proven with accepted differences",
            Self::NotProven => "not proven",
        })
    }
}
