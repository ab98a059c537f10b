//! `paycraft-dr backup --prove`: the backup that was just made, restored into a private server.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{SubstrateArgument, this_program};
use crate::cli::colour;
use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::text::{checks, line, objective};
use crate::cli::verbs::backup::BackupMade;
use crate::drill::rehearsal::Rehearsal;
use crate::drill::rehearse::{Options, RehearsalInput, Stored, rehearse};
use crate::drill::substrate::{Environment, EnvironmentOptions};
use crate::error::{Error, Kind, Result};
use crate::model::key::{BackupKey, Selector};
use crate::model::notice::RunFacts;
use crate::model::selection::Among;
use crate::model::timeline::Event;
use crate::postgres::tools::Tools;

/// Where a private server can be had.
pub(in crate::cli::verbs) struct Prover {
    environment: Environment,
    tools: Tools,
    program: PathBuf,
}

impl Prover {
    /// Fails where no private server can be had.
    pub(in crate::cli::verbs) async fn prepare(
        context: &Context<'_>,
        place: SubstrateArgument,
    ) -> Result<Self> {
        let tools = context.tools().await?;
        let program = this_program()?;
        let options = EnvironmentOptions {
            choice: place.into(),
            s3_program: None,
            images: context.settings.images(None, None)?,
            limits: context.settings.limits(),
            tools: &tools,
            program: &program,
        };
        let doing = "looking for a place for a private server";
        context.observer.observe(Event::Doing(doing.to_owned()));
        let environment = Environment::prepare(&options, context.observer).await?;
        Ok(Self {
            environment,
            tools,
            program,
        })
    }

    /// Restores the backup and verifies it there. The server is gone afterwards, and the backup stays.
    pub(in crate::cli::verbs) async fn prove(
        self,
        context: &Context<'_>,
        backup: BackupMade,
    ) -> Result<Report> {
        let key = backup.made.key;
        let options = Options {
            origin: RehearsalInput::Store(Stored {
                store: context.store()?,
                among: &Among::ANY,
                product: context.settings.product(),
                selector: Selector::Key(key),
                accepts_unknown_rights: false,
            }),
            environment: &self.environment,
            tools: &self.tools,
            jobs: context.jobs(),
            clock: &Timestamp::now,
            program: &self.program,
        };
        let mut proof = rehearse(options, context.observer)
            .await
            .map_err(|error| unproven(key, &error))?;
        let left = self.environment.leave().await;
        let failure = proof.failure.take().or(left.err());
        let is_proven = proof.verdict.is_proven();
        let failure = failure.or_else(|| {
            (!is_proven).then(|| {
                Error::new(Kind::NotProven, "a check failed").hint("read the checks that did not pass")
            })
        });
        Ok(Report {
            failure: failure.map(|failure| unproven(key, &failure)),
            done: Box::new(BackupProven { backup, proof }),
        })
    }
}

/// Who reads the error must know that the backup exists.
fn unproven(key: BackupKey, failure: &Error) -> Error {
    let message = format!("{key} was made and stays, but a restore of it is not proven: {failure}");
    let again = format!("`paycraft-dr drill --from-store --backup {key}` tries again");
    let hint = failure
        .next_step()
        .map_or(again.clone(), |hint| format!("{hint}; {again}"));
    let causes = failure.causes();
    let error = Error::new(failure.kind(), message);
    let error = if causes.is_empty() {
        error
    } else {
        error.caused_by(causes.join(": "))
    };
    error.hint(hint)
}

/// A backup was made and restored.
#[derive(Debug)]
struct BackupProven {
    backup: BackupMade,
    proof: Rehearsal,
}

impl Outcome for BackupProven {
    fn fields(&self) -> Value {
        let mut document = self.backup.fields();
        document["proof"] = json!(self.proof);
        document
    }

    fn run_facts(&self) -> RunFacts {
        self.backup.run_facts()
    }

    fn text(&self, verbose: bool) -> String {
        let mut text = self.backup.text(verbose);
        let Rehearsal {
            substrate,
            server_version,
            ..
        } = &self.proof;
        let place = format!("a private server, {substrate}, PostgreSQL {server_version}");
        line(&mut text, "restored", &place);
        objective(&mut text, "RTO", self.proof.rto.as_ref());
        text.push('\n');
        checks(&mut text, &self.proof.checks);
        text.push('\n');
        line(&mut text, "verdict", &colour::verdict(self.proof.verdict));
        text
    }
}
