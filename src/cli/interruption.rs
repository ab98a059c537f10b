//! The signals that end a run.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Kind};

/// The signals that end a run, caught from here on.
pub(super) struct Interruption([(Signal, &'static str); 3]);

impl Interruption {
    /// Begins to catch them; nothing where the system does not let us.
    pub(super) fn catch() -> Option<Self> {
        Some(Self([
            (signal(SignalKind::interrupt()).ok()?, "Ctrl-C"),
            (signal(SignalKind::terminate()).ok()?, "TERM"),
            (signal(SignalKind::hangup()).ok()?, "HUP"),
        ]))
    }

    /// Waits for one of them.
    pub(super) async fn wait(self) -> Error {
        let [mut interrupt, mut terminate, mut hang_up] = self.0;
        let name = tokio::select! {
            _ = interrupt.0.recv() => interrupt.1,
            _ = terminate.0.recv() => terminate.1,
            _ = hang_up.0.recv() => hang_up.1,
        };
        Error::new(Kind::Interrupted, format!("interrupted by {name}")).hint("run the command again")
    }
}

/// Waits for a signal that asks us to end.
pub(super) async fn interruption() -> Error {
    match Interruption::catch() {
        Some(interruption) => interruption.wait().await,
        None => std::future::pending().await,
    }
}
