//! Checks and what they add up to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The answer is the one a proof needs.
    Passed,
    /// It is not.
    Failed,
    /// The question could not be asked.
    Skipped,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The question's stable name.
    pub name: &'static str,
    /// Its answer.
    pub outcome: Outcome,
    /// What was seen, for a person.
    pub detail: String,
    /// Differences that take nothing from a proof and that a person should know of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
}

impl Check {
    /// A check that passed when there are no `problems`, and failed naming the first of them otherwise.
    pub fn none_of(name: &'static str, problems: &[String], otherwise: impl Into<String>) -> Self {
        const NAMED: usize = 5;
        let (outcome, detail) = match problems.len() {
            0 => (Outcome::Passed, otherwise.into()),
            1..=NAMED => (Outcome::Failed, problems.join("; ")),
            all => (
                Outcome::Failed,
                format!("{}; and {} more", problems[..NAMED].join("; "), all - NAMED),
            ),
        };
        Self {
            name,
            outcome,
            detail,
            told: Vec::new(),
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
            outcome: Outcome::Skipped,
            detail: why.into(),
            told: Vec::new(),
        }
    }
}

/// What all checks of a run add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Every check was made and passed.
    #[serde(rename = "proven")]
    Proven,
    /// Some check failed or was skipped, or none was made.
    #[serde(rename = "not proven")]
    NotProven,
}

impl Verdict {
    /// The verdict over `checks`. No checks prove nothing.
    pub fn over<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Self {
        let mut any = false;
        for check in checks {
            if check.outcome != Outcome::Passed {
                return Self::NotProven;
            }
            any = true;
        }
        if any { Self::Proven } else { Self::NotProven }
    }

    /// Whether this is [`Verdict::Proven`].
    pub fn is_proven(self) -> bool {
        self == Self::Proven
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_proven() { "proven" } else { "not proven" })
    }
}
