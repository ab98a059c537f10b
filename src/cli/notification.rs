//! Telling those who are not there how a run went. Nothing here decides how it went.

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::args::Arguments;
use super::config_file;
use super::interruption::interruption;
use super::outcome::{self, Report};
use super::progress::screen;
use super::settings::Settings;
use crate::error::Error;
use crate::http::Address;
use crate::model::notice::Notice;
use crate::recovery::notify::Channels;

/// The channels of a run, and the message that it begins.
#[derive(Debug, Default)]
pub(super) struct Notification {
    channels: Channels,
    start: Option<JoinHandle<Vec<String>>>,
}

impl Notification {
    /// Finds the channels, and tells them that a run begins where that is wanted. The run does not wait for it.
    pub(super) fn begin(arguments: &Arguments, runtime: &Runtime) -> Self {
        if !Notice::is_told_of(arguments.command.name()) {
            return Self::default();
        }
        // A configuration that cannot be read ends the run, and that is to be told to those whom the environment names.
        let read = |name: &str| std::env::var(name).ok();
        let loaded = config_file::load(arguments, &read).ok();
        let config = loaded.map(|(config, _)| config).unwrap_or_default();
        let settings = Settings {
            environment: &read,
            config,
        };
        let channels = Channels {
            webhook: address(&settings, "PAYCRAFT_WEBHOOK_URL"),
            ping: address(&settings, "PAYCRAFT_PING_URL"),
        };
        let starts = settings.config.notify.ping_start && Notice::tells_start(arguments.command.name());
        let start = starts.then(|| {
            let channels = channels.clone();
            runtime.spawn(async move { channels.started().await })
        });
        Self { channels, start }
    }

    /// What there is to tell of a run.
    pub(super) fn notice(&self, arguments: &Arguments, outcome: &Result<Report, Error>) -> Option<Notice> {
        let has_listeners = self.channels.webhook.is_some() || self.channels.ping.is_some();
        let end = || Notice::of(&outcome::end(arguments.command.name(), outcome));
        has_listeners.then(end).flatten()
    }

    /// Tells how the run ended. A signal ends the telling.
    pub(super) async fn end(self, notice: Option<Notice>) {
        let Some(notice) = notice else { return };
        let told = async {
            let mut problems = match self.start {
                Some(start) if start.is_finished() => start.await.unwrap_or_default(),
                Some(start) => {
                    start.abort();
                    Vec::new()
                }
                None => Vec::new(),
            };
            problems.extend(self.channels.ended(&notice).await);
            problems
        };
        tokio::select! {
            problems = told => problems.iter().for_each(|problem| warn(problem)),
            _ = interruption() => {}
        }
    }
}

/// The address that `name` holds. It is a secret: what is wrong with it is told without it.
fn address(settings: &Settings<'_>, name: &str) -> Option<Address> {
    let text = settings.value(name).map_err(|error| warn(&error.to_string()));
    let parsed = Address::parse(&text.ok()??);
    parsed.map_err(|problem| warn(&format!("{name} {problem}"))).ok()
}

fn warn(what: &str) {
    screen::write_above(format!("warning: {what}\n"));
}
