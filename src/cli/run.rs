//! One verb for one command, and what a signal does to it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{Arguments, BackupArguments, Command, ListArguments, RestoreArguments, VerifyArguments};
use super::progress::Progress;
use super::report::{Done, Report};
use super::settings::{Environment, jobs};
use crate::error::{Error, Kind, Result};
use crate::model::timeline::{Event, Observer, Phase};
use crate::postgres::tools::Tools;
use crate::recovery::recorder::Recorder;
use crate::recovery::{backup, catalog, restore, verify};
use crate::store::Store;

/// How long the store may take to let go of uploads after a signal.
const ABORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the command until it ends or a signal does.
///
/// A signal drops the verb where it stands: its children, servers and directories go with it. What only the store can undo is
/// undone afterwards.
pub async fn run(arguments: &Arguments) -> Result<Report> {
    let progress = Progress::new(arguments.quiet);
    let read = |name: &str| std::env::var(name).ok();
    let environment = Environment(&read);
    let store = store_of(&arguments.command, &environment)?;
    let outcome = tokio::select! {
        outcome = dispatch(arguments, &environment, store.as_ref(), &progress) => return outcome,
        signal = interruption() => signal,
    };
    if let Some(store) = &store {
        let undone = tokio::time::timeout(ABORT_TIMEOUT, store.abort_open_uploads()).await;
        let left = match undone {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the store did not answer in time".to_owned()),
        };
        if let Some(left) = left {
            progress.observe(Event::Warned(format!("an upload may be left behind: {left}")));
        }
    }
    Err(outcome)
}

/// The store that the command works on, where it works on one.
fn store_of(command: &Command, environment: &Environment<'_>) -> Result<Option<Store>> {
    let flags = match command {
        Command::Backup(arguments) => &arguments.store,
        Command::List(arguments) => &arguments.store,
        Command::Restore(arguments) => &arguments.store,
        Command::Verify(arguments) => &arguments.store,
        #[cfg(feature = "drill")]
        Command::Drill(_) => return Ok(None),
    };
    Ok(Some(Store::new(&environment.store(flags)?)))
}

async fn dispatch(
    arguments: &Arguments,
    environment: &Environment<'_>,
    store: Option<&Store>,
    observer: &dyn Observer,
) -> Result<Report> {
    let store = || store.ok_or_else(|| Error::new(Kind::Internal, "the command has no store"));
    match &arguments.command {
        Command::Backup(own) => back_up(arguments, own, environment, store()?, observer).await,
        Command::List(own) => list(own, store()?, observer).await,
        Command::Restore(own) => restore(arguments, own, environment, store()?, observer).await,
        Command::Verify(own) => verify(arguments, own, environment, store()?, observer).await,
        #[cfg(feature = "drill")]
        Command::Drill(own) => drill(arguments, own, environment, observer).await,
    }
}

async fn find_tools(arguments: &Arguments) -> Result<Tools> {
    Tools::find(arguments.pg_bin.as_deref(), std::env::var_os("PATH").as_deref()).await
}

async fn back_up(
    arguments: &Arguments,
    own: &BackupArguments,
    environment: &Environment<'_>,
    store: &Store,
    observer: &dyn Observer,
) -> Result<Report> {
    let source = environment.source(own.source.as_deref())?;
    let tools = find_tools(arguments).await?;
    let began = Instant::now();
    let request = backup::Request {
        source: &source,
        tools: &tools,
        store,
        clock: &Timestamp::now,
    };
    let made = backup::backup(request, observer).await?;
    for table in crate::model::CANONICAL_TABLES {
        if made.manifest.public_table(table).is_none() {
            observer.observe(Event::Warned(format!(
                "the source has no table public.{table}: is it the right database?"
            )));
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(Report::of(Done::Backup {
        made: Box::new(made),
        seconds,
    }))
}

async fn list(own: &ListArguments, store: &Store, observer: &dyn Observer) -> Result<Report> {
    let backups = catalog::list(store, own.day, Timestamp::now(), observer).await?;
    Ok(Report::of(Done::List(backups)))
}

async fn restore(
    arguments: &Arguments,
    own: &RestoreArguments,
    environment: &Environment<'_>,
    store: &Store,
    observer: &dyn Observer,
) -> Result<Report> {
    let target = environment.target(own.target.as_deref())?;
    let tools = find_tools(arguments).await?;
    let request = restore::Request {
        store,
        selector: own.backup,
        tools: &tools,
        jobs: jobs(arguments.jobs),
    };
    let recorder = Recorder::new(observer);
    let restored = restore::restore(request, async || Ok(target), &recorder).await?;
    let phases = recorder.spans();
    Ok(Report::of(Done::Restore {
        restored: Box::new(restored),
        phases,
    }))
}

async fn verify(
    arguments: &Arguments,
    own: &VerifyArguments,
    environment: &Environment<'_>,
    store: &Store,
    observer: &dyn Observer,
) -> Result<Report> {
    observer.observe(Event::Began(Phase::Verify));
    let manifest = catalog::select(store, own.backup).await?;
    let verification = if own.object {
        verify::object(store, &manifest, observer).await?
    } else {
        let target = environment.target(own.target.as_deref())?;
        let tools = find_tools(arguments).await?;
        verify::target(&manifest, &target, &tools, jobs(arguments.jobs), observer).await?
    };
    observer.observe(Event::Ended(Phase::Verify));
    Ok(Report::of(Done::Verify {
        key: manifest.key,
        verification,
    }))
}

#[cfg(feature = "drill")]
async fn drill(
    arguments: &Arguments,
    own: &super::args::DrillArguments,
    environment: &Environment<'_>,
    observer: &dyn Observer,
) -> Result<Report> {
    use crate::drill::evidence::{DrillLog, EvidenceDirectory, log_row};
    use crate::drill::rehearsal::{Options, rehearse};

    let log = own.log.as_deref().map(DrillLog::open).transpose()?;
    let evidence = EvidenceDirectory::open(&own.report)?;
    let operator = environment.operator(own.operator.as_deref())?;
    let tools = find_tools(arguments).await?;
    let options = Options {
        seed: own.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
        size_bytes: own.scale,
        tools: &tools,
        jobs: jobs(arguments.jobs),
        clock: &Timestamp::now,
    };
    observer.observe(Event::Noted(format!(
        "seed {}, {} bytes of data",
        options.seed, options.size_bytes
    )));
    let rehearsal = rehearse(options, observer).await?;
    let kept = evidence.keep(&rehearsal)?;
    if let Some(log) = log {
        log.add(&log_row(&rehearsal, &operator))?;
    }
    Ok(Report::of(Done::Drill {
        rehearsal: Box::new(rehearsal),
        evidence: kept,
    }))
}

/// Waits for a signal that asks us to end.
async fn interruption() -> Error {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return std::future::pending().await;
    };
    let name = tokio::select! {
        _ = interrupt.recv() => "Ctrl-C",
        _ = terminate.recv() => "TERM",
        _ = hang_up.recv() => "HUP",
    };
    Error::new(Kind::Interrupted, format!("interrupted by {name}")).hint("run the command again")
}
