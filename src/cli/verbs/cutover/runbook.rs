//! The configured steps with everything they are run with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::settings::{inherited_secrets, withheld};
use crate::error::{Error, Kind, Result};
use crate::model::cutover::Secrets;
use crate::model::cutover::step::{KnownSecret, SecretSource, Step};
use crate::model::redaction::Redactor;
use crate::model::secret::Secret;
use crate::model::timeline::Event;
use crate::postgres::conninfo::{Conninfo, Side};
use crate::recovery::cutover::{CutoverRequest, StepContext, StepReport};

const DEFAULT_JOURNAL: &str = "cutover-journal.jsonl";

/// The configured steps with everything they are run with.
pub(in crate::cli::verbs) struct Runbook {
    pub(super) steps: Vec<Step>,
    pub(super) target: String,
    pub(super) journal: PathBuf,
    restart: bool,
    secrets: Secrets,
    redactor: Redactor,
    withheld: Vec<String>,
    path: Option<OsString>,
}

impl Runbook {
    /// Reads what the steps need. A secret that is not there is an error, or a warning where they are only looked at.
    pub(in crate::cli::verbs) fn gather(
        context: &Context<'_>,
        target: &Conninfo,
        journal: Option<&Path>,
        restart: bool,
        only_looking: bool,
    ) -> Result<Self> {
        let settings = context.settings;
        let section = &settings.config.cutover;
        let mut secrets = Secrets::new();
        for source in section.step.iter().flat_map(Step::secrets) {
            match settings.secret(source) {
                Ok(secret) => {
                    secrets.insert(source.clone(), secret);
                }
                Err(error) if only_looking => context.observer.observe(Event::Warned(error.to_string())),
                Err(error) => return Err(error),
            }
        }
        if let Some(url) = secrets.get(&SecretSource::From(KnownSecret::TargetUrl)) {
            check_same(target, &Conninfo::parse(Side::Target, url.reveal())?)?;
        }
        let known = settings.known_secrets().into_iter().chain(inherited_secrets());
        let known: Vec<Secret> = known.chain(secrets.values().cloned()).collect();
        let journal = journal.or(section.journal.as_deref());
        Ok(Self {
            steps: section.step.clone(),
            target: target.to_string(),
            journal: journal.unwrap_or(Path::new(DEFAULT_JOURNAL)).to_owned(),
            restart,
            secrets,
            redactor: Redactor::new(&known),
            withheld: withheld(),
            path: std::env::var_os("PATH"),
        })
    }

    /// As the engine takes it.
    pub(in crate::cli::verbs) fn request(&self) -> CutoverRequest<'_> {
        CutoverRequest {
            steps: &self.steps,
            target: &self.target,
            journal: &self.journal,
            restart: self.restart,
            means: StepContext {
                secrets: &self.secrets,
                redactor: &self.redactor,
                withheld: &self.withheld,
                path: self.path.as_deref(),
            },
            clock: &Timestamp::now,
        }
    }

    /// `failure` with the command that goes on where the steps stopped.
    pub(in crate::cli::verbs) fn resumable(&self, context: &Context<'_>, failure: Error) -> Error {
        let config = context.arguments.config.as_ref();
        let config = config.map_or_else(String::new, |path| format!(" --config {}", path.display()));
        let journal = if self.journal == Path::new(DEFAULT_JOURNAL) {
            String::new()
        } else {
            format!(" --journal {}", self.journal.display())
        };
        failure.hint(format!(
            "mend it, then go on with this step: paycraft-dr{config} cutover apply{journal}"
        ))
    }

    /// The journal's place and the steps, as JSON.
    pub(in crate::cli::verbs) fn fields(&self, steps: &[StepReport]) -> Value {
        json!({ "target": self.target, "journal": self.journal, "steps": steps })
    }
}

/// What is restored into must be what the steps put into service.
fn check_same(target: &Conninfo, given: &Conninfo) -> Result<()> {
    if target.to_string() == given.to_string() {
        return Ok(());
    }
    let message = format!("--target names {target}, and the steps would put {given} into service");
    Err(Error::new(Kind::Usage, message)
        .hint("leave --target out, or set TARGET_DB_URL to the same database"))
}
