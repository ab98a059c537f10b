//! The signals that end a run.

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Kind};

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
