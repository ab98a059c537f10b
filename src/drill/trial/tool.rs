//! A verb as a process of its own, which is ended from outside, or finds no room for its temporary files.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Command;

use super::Trial;
use super::outcome::{Verb, VerbFailure};
use super::servers::DATABASE;
use crate::drill::s3_faults::{FaultRule, RequestFailure};
use crate::drill::scenario::{Tool, ToolSignal};
use crate::drill::surroundings;
use crate::error::{Error, Kind, Result};
use crate::model::key::Selector;
use crate::postgres::conninfo::Side;

/// Runs a program for which every file is full. A signal that would end it for that is ignored, as a full disk sends none.
const WITHOUT_ROOM: &str = r#"trap "" XFSZ; ulimit -f 0; exec "$@""#;

/// Why a verb is a process of its own.
#[derive(Clone, Debug)]
pub(super) enum Apart {
    /// It is ended from outside.
    Ended(Tool),
    /// It finds no room for temporary files.
    WithoutRoom,
}

/// Backs up, and returns the key of the backup where it was made nevertheless.
pub(super) async fn back_up(trial: &Trial<'_>, apart: &Apart) -> Result<String, VerbFailure> {
    let failed = |error| VerbFailure::of(Verb::Backup, error);
    let command = command(trial, apart, &["backup"]).map_err(failed)?;
    let document = run_apart(trial, Verb::Backup, command, apart).await?;
    Ok(document["backup"]["key"].as_str().unwrap_or_default().to_owned())
}

/// Restores into the target that is there.
pub(super) async fn restore(trial: &Trial<'_>, selector: Selector, apart: &Apart) -> Result<(), VerbFailure> {
    let failed = |error| VerbFailure::of(Verb::Restore, error);
    let selector = match selector {
        Selector::Key(key) => key.to_string(),
        _ => "latest".to_owned(),
    };
    let mut command = command(trial, apart, &["restore", &selector]).map_err(failed)?;
    let target = trial.servers.url(Side::Target, DATABASE).map_err(failed)?;
    command.env("TARGET_DB_URL", target.reveal());
    run_apart(trial, Verb::Restore, command, apart).await.map(drop)
}

fn command(trial: &Trial<'_>, apart: &Apart, arguments: &[&str]) -> Result<Command> {
    let mut command = if matches!(apart, Apart::WithoutRoom) {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", WITHOUT_ROOM, "sh"]).arg(trial.options.program);
        shell
    } else {
        Command::new(trial.options.program)
    };
    let location = trial.servers.location();
    surroundings::bare(command.as_std_mut());
    command
        .args(arguments)
        .arg("--json")
        .env("TMPDIR", trial.servers.scratch()?)
        // An operator's own configuration is about another store.
        .env("PAYCRAFT_DR_CONFIG", "/dev/null")
        .env("R2_ENDPOINT_URL", &location.endpoint)
        .env("R2_BUCKET", &location.bucket)
        .env("R2_ACCESS_KEY_ID", &location.access_key_id)
        .env("R2_SECRET_ACCESS_KEY", location.secret_access_key.reveal())
        .env(
            "SUPABASE_DB_URL",
            trial.servers.url(Side::Source, DATABASE)?.reveal(),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

/// Runs the verb, ends it when its time has come, and returns what it told.
async fn run_apart(
    trial: &Trial<'_>,
    verb: Verb,
    mut command: Command,
    apart: &Apart,
) -> Result<Value, VerbFailure> {
    let failed = |error| VerbFailure::of(verb, error);
    let plan = trial.servers.requests().map_err(failed)?;
    let tool = match apart {
        Apart::Ended(tool) => Some(tool),
        Apart::WithoutRoom => None,
    };
    // The request that ends it is never answered, so that it cannot go on meanwhile.
    let rule = tool.map(|tool| {
        plan.add(FaultRule {
            operation: Some(tool.operation),
            key_suffix: tool.key_suffix.clone(),
            skip: tool.call.saturating_sub(1),
            times: Some(1),
            failure: RequestFailure::Silence,
        })
    });
    let child = command.spawn().map_err(|cause| {
        let message = "cannot start this program a second time";
        failed(Error::new(Kind::Internal, message).caused_by(cause))
    })?;
    let process = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let output = child.wait_with_output();
    tokio::pin!(output);
    let struck = async {
        match rule {
            Some(rule) => plan.strikes(rule).await,
            None => std::future::pending().await,
        }
    };
    let output = tokio::select! {
        output = &mut output => output,
        () = struck => {
            if let (Some(process), Some(tool)) = (process, tool) {
                // It may have ended by itself in this very moment.
                let _ = kill_process(process, tool.signal.number());
            }
            output.await
        }
    };
    let output = output.map_err(|cause| {
        failed(Error::new(Kind::Internal, "cannot wait for this program").caused_by(cause))
    })?;
    let Some(code) = output.status.code() else {
        return Err(VerbFailure::killed(verb));
    };
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if code == 0 {
        return Ok(document);
    }
    Err(VerbFailure::told(
        verb,
        u8::try_from(code).unwrap_or(1),
        &document,
    ))
}

impl ToolSignal {
    const fn number(self) -> Signal {
        match self {
            Self::Interrupt => Signal::INT,
            Self::Terminate => Signal::TERM,
            Self::Kill => Signal::KILL,
        }
    }
}
