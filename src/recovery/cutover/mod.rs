//! Putting a restored target into service, step by step, with a journal that lets a run go on where another broke off.

mod command;
mod journal;
mod polling;
pub mod statistics;

use std::ffi::OsStr;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use self::journal::JournalFile;
use super::backup::Clock;
use crate::error::{Error, Kind, Result};
use crate::http::Address;
use crate::model::cutover::Secrets;
use crate::model::cutover::journal::{self as records, JournalRecord, Opening, Remaining, StepState};
use crate::model::cutover::step::{Action, Step};
use crate::model::redaction::Redactor;
use crate::model::timeline::{Event, Observer, Phase};

/// What is to be done, and where it is written down.
#[derive(Clone, Copy)]
pub struct CutoverRequest<'a> {
    /// Every step, in order.
    pub steps: &'a [Step],
    /// The database that goes into service, without secrets.
    pub target: &'a str,
    pub journal: &'a Path,
    /// Whether to begin again in spite of the journal.
    pub restart: bool,
    /// What the steps are run with.
    pub means: StepContext<'a>,
    pub clock: Clock<'a>,
}

/// What steps are run with.
#[derive(Clone, Copy)]
pub struct StepContext<'a> {
    /// The secrets that steps name.
    pub secrets: &'a Secrets,
    /// Knows every secret that what a step says may repeat.
    pub redactor: &'a Redactor,
    /// Variables of ours that no step inherits.
    pub withheld: &'a [String],
    /// The variable `PATH`.
    pub path: Option<&'a OsStr>,
}

/// A cutover that can begin, with its journal locked.
pub struct Prepared<'a> {
    request: CutoverRequest<'a>,
    remaining: Remaining,
    journal: JournalFile,
}

/// A cutover that was done, or stopped at its first failure.
#[derive(Debug)]
pub struct Applied {
    /// Every step and what became of it.
    pub steps: Vec<StepReport>,
    pub failure: Option<Error>,
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    pub name: String,
    /// What became of it.
    pub outcome: StepOutcome,
    /// How long it took, where it was run.
    pub seconds: Option<f64>,
    /// What was seen, for a person.
    pub detail: String,
}

/// What becomes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOutcome {
    Done,
    /// An earlier run did it.
    DoneBefore,
    Failed,
    /// It was not begun, as one before it failed.
    NotRun,
}

/// Why a step failed. Neither part repeats a secret.
#[derive(Debug)]
struct StepFailure {
    what: String,
    said: Vec<String>,
}

impl StepFailure {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            said: Vec::new(),
        }
    }

    /// The error that ends the cutover at the step so labelled.
    fn stops(&self, label: &str) -> Error {
        let message = format!("the cutover stopped at {label}: {}", self.what);
        let error = Error::new(Kind::NotProven, message)
            .hint("mend it, then run `paycraft-dr cutover apply`, which goes on with this step");
        if self.said.is_empty() {
            error
        } else {
            error.caused_by(self.said.join("\n  "))
        }
    }
}

/// What `apply` would do. Nothing is changed, and nothing is run.
pub fn plan(request: &CutoverRequest<'_>) -> Result<Remaining> {
    check_configured(request.steps)?;
    request.remaining(&journal::peek(request.journal)?)
}

fn check_configured(steps: &[Step]) -> Result<()> {
    if !steps.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Usage, "no cutover step is configured")
        .hint("write the steps into a TOML file after fixtures/paycraft-dr.toml, and name it with --config"))
}

/// What would keep each step from being run, where that can be known first.
pub fn problems(steps: &[Step], means: &StepContext<'_>) -> Vec<Option<String>> {
    steps.iter().map(|step| means.problem(step)).collect()
}

impl CutoverRequest<'_> {
    fn remaining(&self, written: &[JournalRecord]) -> Result<Remaining> {
        let now = (self.clock)();
        records::remaining(self.steps, written, self.target, now, self.restart)
    }
}

impl StepContext<'_> {
    fn problem(&self, step: &Step) -> Option<String> {
        let missing = step.secrets().find(|source| !self.secrets.contains_key(source));
        if let Some(source) = missing {
            return Some(format!("{source} is not there"));
        }
        match &step.action {
            Action::Command(line) => command::problem(line, self),
            Action::Http(check) => Address::parse(&check.url)
                .err()
                .map(|problem| format!("its url {problem}")),
            Action::Dns(_) => None,
        }
    }

    async fn run(&self, step: &Step, observer: &dyn Observer) -> Result<String, StepFailure> {
        match &step.action {
            Action::Command(line) => command::run(line, self).await,
            Action::Http(check) => polling::health(check, observer).await,
            Action::Dns(check) => polling::name(check, observer).await,
        }
    }
}

impl<'a> Prepared<'a> {
    /// Locks the journal and looks for anything that would stop a step halfway. Nothing is run, and nothing is written down yet.
    pub fn new(request: CutoverRequest<'a>) -> Result<Self> {
        check_configured(request.steps)?;
        for (step, problem) in request.steps.iter().zip(problems(request.steps, &request.means)) {
            if let Some(problem) = problem {
                return Err(Error::new(
                    Kind::Usage,
                    format!("step {:?} cannot be run: {problem}", step.name),
                )
                .hint("mend that first; no step was run"));
            }
        }
        let journal = JournalFile::open(request.journal)?;
        let remaining = request.remaining(journal.written())?;
        Ok(Self {
            request,
            remaining,
            journal,
        })
    }

    /// Runs what remains, and stops at the first failure. An error means that the journal could not be kept.
    pub async fn apply(mut self, observer: &dyn Observer) -> Result<Applied> {
        observer.observe(Event::Began(Phase::Cutover));
        let CutoverRequest { steps, clock, .. } = self.request;
        if let Opening::BeginsInstead(why) = &self.remaining.opening {
            observer.observe(Event::Noted(format!("the cutover begins anew: {why}")));
        }
        if self.remaining.opening != Opening::GoesOn {
            let opened = JournalRecord::opened(clock(), self.request.target);
            self.journal.append(&opened)?;
        }
        let mut applied = Applied {
            steps: Vec::new(),
            failure: None,
        };
        for (place, step) in steps.iter().enumerate() {
            let report = match self.remaining.states[place] {
                _ if applied.failure.is_some() => StepReport::of(step, StepOutcome::NotRun, String::new()),
                StepState::Done(at) if place < self.remaining.first => {
                    let detail = format!("at {}", at.strftime("%Y-%m-%d %H:%M:%S UTC"));
                    StepReport::of(step, StepOutcome::DoneBefore, detail)
                }
                _ => self.run(place, &mut applied.failure, observer).await?,
            };
            applied.steps.push(report);
        }
        if applied.failure.is_none() {
            if self.remaining.first < steps.len() {
                self.journal.append(&JournalRecord::Completed { at: clock() })?;
            }
            observer.observe(Event::Ended(Phase::Cutover));
        }
        Ok(applied)
    }

    /// Runs one step. It is written down before it begins, and how it ended before the next does.
    async fn run(
        &mut self,
        place: usize,
        failure: &mut Option<Error>,
        observer: &dyn Observer,
    ) -> Result<StepReport> {
        let CutoverRequest {
            steps, means, clock, ..
        } = self.request;
        let step = &steps[place];
        let label = format!("step {} of {}, {}", place + 1, steps.len(), step.name);
        observer.observe(Event::Noted(format!("{label}: {}", step.why)));
        let (name, digest) = (step.name.clone(), step.digest());
        self.journal.append(&JournalRecord::Began {
            at: clock(),
            step: name.clone(),
            digest: digest.clone(),
        })?;
        let began = Instant::now();
        let outcome = means.run(step, observer).await;
        let seconds = Some(began.elapsed().as_secs_f64());
        let (at, step_name) = (clock(), name);
        let report = match outcome {
            Ok(detail) => {
                self.journal.append(&JournalRecord::Ended {
                    at,
                    step: step_name,
                    digest,
                })?;
                StepReport::of(step, StepOutcome::Done, detail)
            }
            Err(trouble) => {
                self.journal.append(&JournalRecord::Failed {
                    at,
                    step: step_name,
                    digest,
                    error: trouble.what.clone(),
                })?;
                *failure = Some(trouble.stops(&label));
                StepReport::of(step, StepOutcome::Failed, trouble.what)
            }
        };
        Ok(StepReport { seconds, ..report })
    }
}

impl StepReport {
    fn of(step: &Step, outcome: StepOutcome, detail: String) -> Self {
        Self {
            name: step.name.clone(),
            outcome,
            seconds: None,
            detail,
        }
    }
}
