//! A process that clears away what this one leaves behind when it is killed.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};

const POLL: Duration = Duration::from_millis(10);

/// Holds the other end of a process's standard input. When it is dropped, or with this process, the other sees the end of
/// its input and clears away.
#[derive(Debug)]
pub(super) struct StdinLeash {
    process: Child,
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
        Ok(Self { process, patience })
    }

    /// Whether the process still runs.
    pub(super) fn holds(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Tells the process `word` before the end of its input, and waits for its end.
    pub(super) fn release(mut self, word: &str) {
        if let Some(input) = &mut self.process.stdin {
            // One that has ended needs no telling.
            let _ = input.write_all(word.as_bytes());
        }
    }
}

impl Drop for StdinLeash {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let asked = Instant::now();
        while self.holds() {
            if asked.elapsed() > self.patience {
                // It goes on without us.
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}
