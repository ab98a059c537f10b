//! A process that clears away what this one leaves behind when it is killed.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::child::reaper;
use crate::deadline::Deadline;
use crate::error::{Error, Kind, Result};

const POLL: Duration = Duration::from_millis(10);

/// Holds the other end of a process's standard input. When it is dropped, or with this process, the other sees the end of
/// its input and clears away. [`reaper`] waits for that.
#[derive(Debug)]
pub(super) struct StdinLeash {
    /// Nothing once it was dropped.
    process: Option<Child>,
    /// How long the process may take to clear away.
    patience: Duration,
}

impl StdinLeash {
    /// Starts `command`, which must wait for the end of its standard input.
    pub(super) fn hold(mut command: Command, patience: Duration) -> Result<Self> {
        let process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C on the terminal is not for it.
            .process_group(0)
            .spawn()
            .map_err(|cause| {
                Error::new(Kind::Usage, "cannot start the process that clears away").caused_by(cause)
            })?;
        Ok(Self {
            process: Some(process),
            patience,
        })
    }

    /// Whether the process still runs.
    pub(super) fn holds(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// Lets the process clear away, and waits for its end.
    pub(super) async fn close(self) {
        drop(self);
        reaper::settled().await;
    }

    /// Tells the process `word` before the end of its input, and waits for its end.
    pub(super) async fn release(mut self, word: &str) {
        if let Some(input) = self.process.as_mut().and_then(|process| process.stdin.as_mut()) {
            // One that has ended needs no telling.
            let _ = input.write_all(word.as_bytes());
        }
        self.close().await;
    }
}

impl Drop for StdinLeash {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        drop(process.stdin.take());
        let deadline = Deadline::after(self.patience);
        reaper::hand_over(move || {
            // One that takes longer goes on without us.
            while matches!(process.try_wait(), Ok(None)) && deadline.pause_thread(POLL) {}
        });
    }
}
