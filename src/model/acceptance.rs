//! Differences that an operator knows and accepts, each by name, with a reason, and until a day.

use jiff::civil::Date;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::check_names;
use super::verdict::{Check, CheckOutcome};

/// How what is wrong with an entry goes on behind its name.
const WHAT_IS_WRONG: [&str; 6] = [" is ", " was ", " has ", " holds ", " stands ", ": "];

/// One accepted difference: `[[accept]]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// What differs, as the check names it: `VIEW public.totals`, `public.rates`.
    pub entry: String,
    /// The check that says so: `schema`, `content`, …
    #[serde(deserialize_with = "known_check")]
    pub check: String,
    /// Why it may differ.
    pub reason: String,
    /// The last day (UTC) on which it may.
    pub until: Date,
}

/// A name that no check has would accept nothing, without a word.
fn known_check<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    match check_names::ALL.contains(&name.as_str()) {
        true => Ok(name),
        false => Err(D::Error::custom(format!(
            "no check has that name; the names are {}",
            check_names::ALL.join(", ")
        ))),
    }
}

impl Acceptance {
    /// Whether it is about this problem of that check, on any day.
    fn is_about(&self, check: &str, problem: &str) -> bool {
        let rest = problem.strip_prefix(self.entry.as_str());
        self.check == check
            && rest.is_some_and(|rest| WHAT_IS_WRONG.iter().any(|words| rest.starts_with(words)))
    }
}

/// The check as it is with these acceptances on the day `today`: accepted where all that is wrong is. What is accepted is told with its
/// reason, and also whose time is over.
#[must_use]
pub fn accept(check: Check, acceptances: &[Acceptance], today: Date) -> Check {
    if check.outcome != CheckOutcome::Failed {
        return check;
    }
    let about = |problem: &String| {
        let mut about = acceptances.iter();
        about.find(|acceptance| acceptance.is_about(check.name, problem))
    };
    let (mut accepted, mut others, mut over) = (Vec::new(), Vec::new(), Vec::new());
    for problem in &check.problems {
        match about(problem) {
            Some(Acceptance { reason, until, .. }) if today <= *until => {
                accepted.push(format!("accepted until {until}: {problem} ({reason})"));
            }
            Some(Acceptance { until, .. }) => {
                over.push(format!("what accepts this ended on {until}"));
                others.push(problem.clone());
            }
            None => others.push(problem.clone()),
        }
    }
    over.dedup();
    let told: Vec<String> = over.into_iter().chain(accepted).collect();
    if told.is_empty() || check.problems.is_empty() {
        return check;
    }
    if others.is_empty() {
        return Check {
            outcome: CheckOutcome::Accepted,
            detail: told.join("; "),
            ..check
        };
    }
    let left = Check::none_of(check.name, &others, "");
    Check {
        detail: format!("{}; {}", left.detail, told.join("; ")),
        ..left
    }
}
