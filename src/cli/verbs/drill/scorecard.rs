//! What several drills came to: what goes wrong in a cycle, and what this program does about it.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::colour;
use crate::cli::outcome::Outcome;
use crate::cli::units::duration;
use crate::drill::rehearsal::Rehearsal;
use crate::drill::suite::Scorecard;
use crate::model::notice::RunFacts;
use crate::model::verdict;

/// Several drills ran to their end.
#[derive(Debug)]
pub(super) struct SuiteReport {
    pub(super) scorecard: Scorecard,
    pub(super) seed: u64,
    /// The file of the smallest scenario that fails, and the command that runs it, where one was looked for.
    pub(super) smallest: Option<(PathBuf, String)>,
    /// The file of the scorecard itself.
    pub(super) evidence: PathBuf,
}

/// A drill as a row.
pub(super) fn in_a_line(drill: &Rehearsal) -> String {
    format!("{}  {}", mark(drill), row(drill))
}

/// The same without its mark.
fn row(drill: &Rehearsal) -> String {
    format!(
        "{:<30} {:<27} {:<27} {:>9} {:>7}",
        drill.scenario,
        drill.expected,
        drill.happened,
        took(drill),
        drill.retries
    )
}

fn mark(drill: &Rehearsal) -> &'static str {
    if drill.verdict.is_proven() {
        "passed"
    } else {
        "FAILED"
    }
}

fn took(drill: &Rehearsal) -> String {
    drill
        .rto
        .map_or_else(|| "-".to_owned(), |rto| duration(rto.measured_seconds))
}

/// Why a drill did not end as it had to.
fn problems(drill: &Rehearsal) -> Vec<String> {
    let checks = drill
        .checks
        .iter()
        .filter(|check| check.outcome != verdict::CheckOutcome::Passed);
    let mut problems: Vec<String> = checks
        .map(|check| format!("{}: {}", check.name, check.detail.replace('\n', "; ")))
        .collect();
    if let Some(failure) = &drill.failure {
        let causes = failure.causes().join(": ");
        problems.push(format!("the drill broke off: {failure}: {causes}"));
    }
    if problems.is_empty() {
        problems.push("an objective was missed".to_owned());
    }
    problems
}

impl SuiteReport {
    /// How many ended how.
    pub(super) fn summary(&self) -> String {
        let Scorecard { failed, skipped, .. } = self.scorecard;
        format!("{failed} failed, {skipped} skipped")
    }

    /// The scorecard for a program.
    pub(super) fn document(&self) -> Value {
        let mut document = json!(self.scorecard);
        document["scenario"] = json!("all");
        document["seed"] = json!(self.seed);
        if let Some((file, repeat)) = &self.smallest {
            document["smallest"] = json!({ "file": file, "repeat": repeat });
        }
        document
    }

    /// The scorecard for a page.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!(
            "# Scorecard\n\nSeed {}: {} passed, {}.\n\n| | Scenario | Expected | Happened | RTO | Retries | Repeat |\n|---|---|---|---|---|---|---|\n",
            self.seed,
            self.scorecard.passed,
            self.summary()
        );
        for drill in &self.scorecard.drills {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | `{}` |",
                mark(drill),
                drill.scenario,
                drill.expected,
                drill.happened,
                took(drill),
                drill.retries,
                drill.repeat
            );
        }
        for skip in &self.scorecard.skips {
            let _ = writeln!(text, "| SKIPPED | {} | | {} | | | |", skip.scenario, skip.why);
        }
        text
    }
}

impl Outcome for SuiteReport {
    fn fields(&self) -> Value {
        let mut document = self.document();
        document["evidence"] = json!(self.evidence);
        document
    }

    fn run_facts(&self) -> RunFacts {
        RunFacts {
            drills: Some((self.scorecard.passed, self.scorecard.failed)),
            ..RunFacts::default()
        }
    }

    fn text(&self, _: bool) -> String {
        let mut text = format!(
            "        {:<30} {:<27} {:<27} {:>9} {:>7}\n",
            "SCENARIO", "EXPECTED", "HAPPENED", "RTO", "RETRIES"
        );
        for drill in &self.scorecard.drills {
            let mark = match drill.verdict.is_proven() {
                true => colour::good(mark(drill)),
                false => colour::bad(mark(drill)),
            };
            let _ = writeln!(text, "{mark}  {}", row(drill));
            if drill.verdict.is_proven() {
                continue;
            }
            for problem in problems(drill) {
                let _ = writeln!(text, "          {problem}");
            }
            let _ = writeln!(text, "          repeat: {}", drill.repeat);
        }
        for skip in &self.scorecard.skips {
            let _ = writeln!(text, "SKIPPED  {:<29} {}", skip.scenario, skip.why);
        }
        let _ = writeln!(
            text,
            "\n{} passed, {}\nseed       {}\nevidence   {}\nrepeat one paycraft-dr drill --scenario NAME --seed {}",
            self.scorecard.passed,
            self.summary(),
            self.seed,
            self.evidence.display(),
            self.seed
        );
        if let Some((file, repeat)) = &self.smallest {
            let _ = writeln!(text, "smallest   {}\n           {repeat}", file.display());
        }
        text
    }
}
