//! What a cutover would do, shown.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::runbook::Runbook;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::text::line;
use crate::cli::units::duration;
use crate::error::{Error, Kind, Result};
use crate::model::cutover::journal::{Opening, Remaining, StepState};
use crate::model::cutover::step::{Action, Step};
use crate::recovery::cutover;

/// Looks at the steps and the journal. What could not be run is a failure, and nothing is run.
pub(super) fn plan(runbook: &Runbook) -> Result<Report> {
    let request = runbook.request();
    let remaining = cutover::plan(&request)?;
    let problems = cutover::problems(&runbook.steps, &request.means);
    let failure = problems.iter().any(Option::is_some).then(|| {
        Error::new(Kind::NotProven, "the cutover could not be run like this")
            .hint("mend what the steps' problems name")
    });
    let planned = CutoverPlanned {
        target: runbook.target.clone(),
        journal: runbook.journal.clone(),
        steps: runbook.steps.clone(),
        remaining,
        problems,
    };
    Ok(Report {
        done: Box::new(planned),
        failure,
    })
}

/// What would be done.
#[derive(Debug)]
struct CutoverPlanned {
    target: String,
    journal: PathBuf,
    steps: Vec<Step>,
    remaining: Remaining,
    problems: Vec<Option<String>>,
}

impl CutoverPlanned {
    /// What would become of the step at `place`, in words.
    fn prospect(&self, place: usize) -> String {
        let at = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        match self.remaining.states[place] {
            StepState::Pending => "not begun".to_owned(),
            StepState::UnderWay(began) => format!(
                "was under way when the last run ended, begun {}; runs again",
                at(began)
            ),
            StepState::Failed(failed) => format!("failed {}; runs again", at(failed)),
            StepState::Done(done) if place < self.remaining.first => format!("done {}", at(done)),
            StepState::Done(done) => format!("done {}; runs again after those before it", at(done)),
        }
    }

    fn opening(&self) -> String {
        match &self.remaining.opening {
            Opening::GoesOn if self.remaining.first == self.steps.len() => {
                "all is done; --restart runs it again".to_owned()
            }
            Opening::GoesOn => "goes on where the last run ended".to_owned(),
            Opening::Begins => "a cutover begins".to_owned(),
            Opening::BeginsInstead(why) => format!("a cutover begins: {why}"),
        }
    }
}

impl Outcome for CutoverPlanned {
    fn fields(&self) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .enumerate()
            .map(|(place, step)| {
                json!({
                    "name": step.name,
                    "why": step.why,
                    "action": step.action,
                    "standing": self.remaining.states[place],
                    "runs": place >= self.remaining.first,
                    "problem": self.problems[place],
                })
            })
            .collect();
        json!({
            "action": "plan",
            "target": self.target,
            "journal": self.journal,
            "opening": self.opening(),
            "steps": steps,
        })
    }

    fn text(&self, _: bool) -> String {
        let mut text = String::new();
        line(&mut text, "target", &self.target);
        let journal = format!("{}: {}", self.journal.display(), self.opening());
        line(&mut text, "journal", &journal);
        for (place, step) in self.steps.iter().enumerate() {
            let _ = writeln!(text, "\n{}. {}: {}", place + 1, step.name, self.prospect(place));
            let _ = writeln!(text, "   {}", step.why);
            for (name, value) in particulars(&step.action) {
                let _ = writeln!(text, "   {name:<10} {value}");
            }
            if let Some(problem) = &self.problems[place] {
                let _ = writeln!(text, "   {:<10} {problem}", "PROBLEM");
            }
        }
        text.push_str(
            "\nSteps are run in this order, each only after the one before ended well. A step that was cut short is run again,\n\
             so each must be one that can be.\n",
        );
        text
    }
}

/// What a step does, line by line, without any secret.
fn particulars(action: &Action) -> Vec<(&'static str, String)> {
    let seconds = |time: Duration| duration(time.as_secs_f64());
    match action {
        Action::Command(command) => {
            let words = [&command.program].into_iter().chain(&command.arguments);
            let words: Vec<String> = words.map(|word| quoted(word)).collect();
            let mut lines = vec![("runs", words.join(" "))];
            let directory = command.directory.as_ref();
            lines.extend(directory.map(|directory| ("in", directory.display().to_string())));
            let variables = command.environment.iter();
            lines.extend(variables.map(|(name, value)| ("env", format!("{name}={}", quoted(value)))));
            let secrets = command.secret_environment.iter();
            lines.extend(secrets.map(|(name, source)| ("secret env", format!("{name} from {source}"))));
            let input = command.input.as_ref();
            lines.extend(input.map(|source| ("stdin", source.to_string())));
            lines.push(("at most", seconds(command.timeout)));
            lines
        }
        Action::Http(check) => {
            let json = if check.json.is_empty() {
                String::new()
            } else {
                format!(" with {}", Value::Object(check.json.clone()))
            };
            vec![
                ("asks", check.url.clone()),
                ("until", format!("status {}{json}", check.status)),
                (
                    "at most",
                    format!("{}, every {}", seconds(check.patience), seconds(check.every)),
                ),
            ]
        }
        Action::Dns(check) => {
            let addresses: Vec<String> = check.expects.iter().map(ToString::to_string).collect();
            let expected = check.expects_host.clone();
            vec![
                ("looks up", check.name.clone()),
                (
                    "until",
                    format!("it leads to {}", expected.unwrap_or(addresses.join(", "))),
                ),
                (
                    "at most",
                    format!("{}, every {}", seconds(check.patience), seconds(check.every)),
                ),
            ]
        }
    }
}

/// A word as a shell would take it.
fn quoted(word: &str) -> String {
    let is_plain = |mark: char| mark.is_ascii_alphanumeric() || "-_./:=@%+,".contains(mark);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
