//! What happened, beside what had to happen.

use std::fmt::Write;

use super::outcome::{Proven, VerbFailure};
use crate::drill::scenario::{Expectation, FallsBack, Refuses};
use crate::error::Kind;
use crate::model::check_names;
use crate::model::verdict::Check;

const SECONDS_PER_DAY: u64 = 86_400;

/// What happened, as a few words.
pub(super) fn happened(
    broken: &Result<Proven, VerbFailure>,
    afterwards: Option<&Result<Proven, VerbFailure>>,
) -> String {
    let mut text = match broken {
        Ok(proven) => proven.in_words(),
        Err(failed) => format!("exit {}", failed.exit_code),
    };
    match afterwards {
        Some(Ok(proven)) => {
            let _ = write!(text, ", then {}", proven.in_words());
        }
        Some(Err(failed)) => {
            let _ = write!(text, ", then exit {}", failed.exit_code);
        }
        None => {}
    }
    text
}

/// Whether that is what had to happen. `changes` is what a refused restore changed in its target, where one was tried.
pub(super) fn judge(
    expected: &Expectation,
    broken: &Result<Proven, VerbFailure>,
    afterwards: Option<&Result<Proven, VerbFailure>>,
    changes: Option<&[String]>,
    warnings: &[String],
) -> Check {
    let mut problems = Vec::new();
    match (expected, broken) {
        (Expectation::Recovers, Ok(proven)) if proven.days() == 0 => {}
        (Expectation::FallsBack(FallsBack { to_days, says }), Ok(proven))
            if proven.days() == u64::from(*to_days) =>
        {
            if !says.is_empty() && !warnings.iter().any(|warning| warning.contains(says.as_str())) {
                problems.push(format!("no warning said {says:?}"));
            }
        }
        (Expectation::Refuses(refuses), Err(failed)) => {
            problems.extend(refuses.problems(failed, changes));
        }
        (Expectation::KeepsTheInvariants | Expectation::TurnsRed(_), Ok(_)) => {}
        (Expectation::KeepsTheInvariants, Err(failed)) => {
            if failed.exit_code == Kind::Internal.exit_code() {
                problems.push(format!("it failed in an unexpected way: {}", failed.words));
            }
        }
        (_, Ok(proven)) => problems.push(format!("it {}", proven.in_words())),
        (_, Err(failed)) => problems.push(format!("exit {}: {}", failed.exit_code, failed.words)),
    }
    if let Some(Err(failed)) = afterwards {
        problems.push(format!(
            "once it was mended: exit {}: {}",
            failed.exit_code, failed.words
        ));
    }
    Check::none_of(
        check_names::EXPECTATION,
        &problems,
        format!("{expected}, as expected"),
    )
}

impl Refuses {
    fn problems(&self, failed: &VerbFailure, changes: Option<&[String]>) -> Vec<String> {
        let mut problems = Vec::new();
        if failed.exit_code != self.exit_code {
            problems.push(format!("exit {}, not {}", failed.exit_code, self.exit_code));
        }
        if !failed.words.contains(&self.says) {
            problems.push(format!("it does not say {:?}", self.says));
        }
        if self.target_unchanged {
            match changes {
                Some(changes) => problems.extend_from_slice(changes),
                None => problems.push("no target was looked at".to_owned()),
            }
        }
        if !problems.is_empty() {
            problems.push(format!("it says: {}", failed.words));
        }
        problems
    }
}

impl Proven {
    /// How many whole days old its backup was.
    fn days(&self) -> u64 {
        self.age.as_secs() / SECONDS_PER_DAY
    }

    fn in_words(&self) -> String {
        match self.days() {
            0 => "recovers".to_owned(),
            days => format!("falls back {days} d"),
        }
    }
}
