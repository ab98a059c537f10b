//! One verb for one command, and what a signal does to it.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use super::args::{Arguments, Command};
use super::config_file;
use super::log::{Log, LoggedEvents};
use super::outcome::Report;
use super::progress::Progress;
use super::settings::{Settings, jobs};
use super::verbs;
use crate::error::{Error, Kind, Result};
use crate::model::product::Product;
use crate::model::timeline::{Event, Observer};
use crate::postgres::tools::Tools;
use crate::recovery::scratch;
use crate::store::Store;

/// How long the store may take to let go of uploads after a signal.
const ABORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the command until it ends or a signal does.
///
/// A signal drops the verb: its children, servers and directories go with it. What only the store can undo is
/// undone afterwards.
pub(super) async fn run(arguments: &Arguments, log: Option<&Log>) -> Result<Report> {
    let progress = Progress::new(arguments.quiet);
    let logged = log.map(|log| LoggedEvents::new(log.run(), &progress));
    let observer: &dyn Observer = match &logged {
        Some(logged) => logged,
        None => &progress,
    };
    let read = |name: &str| std::env::var(name).ok();
    let (config, file) = config_file::load(arguments, &read)?;
    if let Some(log) = log {
        log.run().in_scope(|| {
            if let Some(file) = &file {
                info!(file = %file.path.display(), reason = file.reason(), "configuration");
            } else {
                info!("no configuration file");
            }
        });
    }
    let settings = Settings {
        environment: &read,
        config,
    };
    let product = settings.product();
    let observer = &Worded {
        product,
        next: observer,
    };
    let outcome = run_with(arguments, log, &settings, observer, &progress).await;
    outcome
        .map(|report| Report {
            failure: report
                .failure
                .map(|failure| failure.worded(|text| product.worded(text))),
            ..report
        })
        .map_err(|error| error.worded(|text| product.worded(text)))
}

async fn run_with(
    arguments: &Arguments,
    log: Option<&Log>,
    settings: &Settings<'_>,
    observer: &dyn Observer,
    progress: &Progress,
) -> Result<Report> {
    if let Some(log) = log {
        log.withhold(&settings.all_secrets());
    }
    let flags = arguments.command.store();
    let store = flags.map(|flags| settings.open_store(flags)).transpose()?;
    let context = Context {
        arguments,
        settings,
        observer,
        store: store.as_ref(),
    };
    let clearing = tokio::task::spawn_blocking(scratch::clear_leftovers);
    let outcome = tokio::select! {
        outcome = dispatch(&context) => {
            // Seldom there is anything to clear, and more seldom it takes longer than the command.
            let _ = clearing.await;
            return outcome;
        }
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
            observer.observe(Event::Warned(format!("an upload may be left behind: {left}")));
        }
    }
    Err(match progress.advice() {
        Some(advice) => outcome.hint(advice),
        None => outcome,
    })
}

/// Tells events with the names of settings that a product's users know.
struct Worded<'a> {
    product: &'a Product,
    next: &'a dyn Observer,
}

impl Observer for Worded<'_> {
    fn observe(&self, event: Event) {
        self.next.observe(match event {
            Event::Warned(text) => Event::Warned(self.product.worded(&text)),
            Event::Noted(text) => Event::Noted(self.product.worded(&text)),
            Event::Advised(text) => Event::Advised(self.product.worded(&text)),
            other => other,
        });
    }
}

/// What every command is given.
pub struct Context<'a> {
    /// The global flags.
    pub arguments: &'a Arguments,
    /// Environment and configuration.
    pub settings: &'a Settings<'a>,
    /// Who is told what happens.
    pub observer: &'a dyn Observer,
    store: Option<&'a Store>,
}

impl Context<'_> {
    /// The store that the command's arguments name.
    pub fn store(&self) -> Result<&Store> {
        self.store
            .ok_or_else(|| Error::new(Kind::Internal, "the command has no store"))
    }

    /// PostgreSQL's programs.
    pub async fn tools(&self) -> Result<Tools> {
        Tools::find(
            self.arguments.pg_bin.as_deref(),
            std::env::var_os("PATH").as_deref(),
        )
        .await
    }

    /// How many connections work side by side.
    pub fn jobs(&self) -> usize {
        jobs(self.arguments.jobs)
    }
}

async fn dispatch(context: &Context<'_>) -> Result<Report> {
    match &context.arguments.command {
        Command::Backup(own) => verbs::backup::run(context, own).await,
        Command::List(own) => verbs::list::run(context, own).await,
        Command::Restore(own) => verbs::restore::run(context, own).await,
        Command::Verify(own) => verbs::verify::run(context, own).await,
        Command::Attest(own) => verbs::attest::run(context, own).await,
        Command::Confirm(own) => verbs::confirm::run(context, own).await,
        Command::Config(own) => verbs::config::run(context, own),
        Command::Init(own) => verbs::init::run(context, own).await,
        Command::Cutover(own) => verbs::cutover::run(context, own).await,
        Command::Recover(own) => verbs::recover::run(context, own).await,
        Command::Prune(own) => verbs::prune::run(context, own).await,
        Command::Status(own) => verbs::status::run(context, own).await,
        Command::Doctor(own) => verbs::doctor::run(context, own).await,
        #[cfg(feature = "drill")]
        Command::Drill(own) => verbs::drill::run(context, own).await,
        #[cfg(feature = "drill")]
        Command::Scenarios(own) => verbs::scenarios::run(own),
        #[cfg(feature = "drill")]
        Command::ClearContainers(own) => verbs::clear_containers::run(own).await,
        Command::Completions(own) => Ok(verbs::completions::run(own)),
        Command::Man(own) => verbs::man::run(own),
    }
}

/// Waits for a signal that asks us to end.
pub(super) async fn interruption() -> Error {
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
