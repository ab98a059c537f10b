//! What an examination found, and what to do about it.

use serde::Serialize;

use crate::error::Error;
use crate::model::verdict::{Check, CheckOutcome};

/// One question about a restore tonight, its answer, and the next thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The question and its answer.
    #[serde(flatten)]
    pub check: Check,
    /// What to do, where there is something to do. One that passed may have something to heed.
    pub hint: Option<String>,
}

impl Finding {
    /// Nothing is in the way.
    pub fn passed(name: &'static str, detail: impl Into<String>) -> Self {
        Self::told(name, CheckOutcome::Passed, detail)
    }

    /// This would stop a restore.
    pub fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self::told(name, CheckOutcome::Failed, detail)
    }

    /// The question could not be asked, and why.
    pub fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self::told(name, CheckOutcome::Skipped, why)
    }

    /// This would stop a restore, in the words of the error it would end with.
    pub fn of_error(name: &'static str, error: &Error) -> Self {
        let detail = error.causes().iter().fold(error.to_string(), |detail, cause| {
            format!("{detail}: {}", cause.lines().next().unwrap_or_default())
        });
        Self {
            hint: error.next_step().map(str::to_owned),
            ..Self::failed(name, detail)
        }
    }

    /// What came of asking: the answer's detail, or the error.
    pub fn of(name: &'static str, answer: Result<String, Error>) -> Self {
        match answer {
            Ok(detail) => Self::passed(name, detail),
            Err(error) => Self::of_error(name, &error),
        }
    }

    /// The same finding with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with its texts as `worded` words them.
    #[must_use]
    pub fn worded(mut self, worded: impl Fn(&str) -> String) -> Self {
        self.check.detail = worded(&self.check.detail);
        self.hint = self.hint.as_deref().map(worded);
        self
    }

    /// Whether a restore would be stopped.
    pub fn is_failed(&self) -> bool {
        self.check.outcome == CheckOutcome::Failed
    }

    fn told(name: &'static str, outcome: CheckOutcome, detail: impl Into<String>) -> Self {
        Self {
            check: Check {
                name,
                outcome,
                detail: detail.into(),
                told: Vec::new(),
                problems: Vec::new(),
            },
            hint: None,
        }
    }
}
