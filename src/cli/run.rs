//! One verb for one command, and what a signal does to it.

use std::time::Duration;

use clap::CommandFactory;
use tracing::info;

use super::args::{Arguments, Command};
use super::config_file;
use super::context::Context;
use super::interruption::interruption;
use super::log::{Log, LoggedEvents};
use super::outcome::Report;
use super::progress::{self, Progress};
use super::settings::{LOCK_TIMEOUT, Settings};
use super::verbs;
use crate::error::Result;
use crate::model::product::Product;
use crate::model::timeline::{Event, Observer};
use crate::recovery::scratch;

/// How long the store may take to let go of uploads after a signal.
const ABORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the command until it ends or a signal does.
///
/// A signal drops the verb: its children, servers and directories go with it. What only the store can undo is
/// undone afterwards.
pub(super) async fn run(arguments: &Arguments, log: Option<&Log>) -> Result<Report> {
    let progress = Progress::new(arguments.global.quiet, progress::steps(&arguments.command));
    let logged = log.map(|log| LoggedEvents::new(log.run(), &progress));
    let observer: &dyn Observer = match &logged {
        Some(logged) => logged,
        None => &progress,
    };
    let read = |name: &str| match (name, &arguments.global.lock_timeout) {
        (LOCK_TIMEOUT, Some(flag)) => Some(flag.clone()),
        _ => std::env::var(name).ok(),
    };
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
        arguments: &arguments.global,
        settings,
        observer,
        store: store.as_ref(),
    };
    let clearing = tokio::task::spawn_blocking(scratch::clear_leftovers);
    let interrupted = async {
        // A signal is how that one ends, and no interruption.
        match arguments.command.name() == "serve" {
            true => std::future::pending().await,
            false => interruption().await,
        }
    };
    let outcome = tokio::select! {
        outcome = dispatch(&arguments.command, &context) => {
            // Seldom there is anything to clear, and more seldom it takes longer than the command.
            let _ = clearing.await;
            return outcome;
        }
        signal = interrupted => signal,
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

async fn dispatch(command: &Command, context: &Context<'_>) -> Result<Report> {
    match command {
        Command::Backup(own) => verbs::backup::run(context, own).await,
        Command::List(own) => verbs::list::run(context, own).await,
        Command::Restore(own) => verbs::restore::run(context, own).await,
        Command::Verify(own) => verbs::verify::run(context, own).await,
        Command::Extract(own) => verbs::extract::run(context, own).await,
        Command::History(own) => verbs::history::run(context, own).await,
        Command::Attest(own) => verbs::attest::run(context, own).await,
        Command::Confirm(own) => verbs::confirm::run(context, own).await,
        Command::Diff(own) => verbs::diff::run(context, own).await,
        Command::Pin(own) => verbs::pin::run(context, own).await,
        Command::Unpin(own) => verbs::pin::take_off(context, own).await,
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
        Command::Serve(own) => verbs::serve::run(context, own).await,
        #[cfg(feature = "drill")]
        Command::ClearContainers(own) => verbs::clear_containers::run(own).await,
        Command::Completions(own) => Ok(verbs::completions::run(own, &Arguments::command())),
        Command::Man(own) => verbs::man::run(own, Arguments::command()),
    }
}
