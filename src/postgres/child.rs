//! A program of PostgreSQL's as a child process.
//!
//! Each child leads a process group of its own: a Ctrl-C on the terminal reaches us alone, and dropping the child ends all of
//! its group, also the workers of `pg_restore -j`.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::error::{Error, Kind, Result};

/// How long a child may take to end by itself once asked.
const GRACE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(5);
/// How much of what a child says is kept: its last lines.
const KEPT_LINES: usize = 20;
const KEPT_LINE_BYTES: usize = 1000;

/// A running program. Dropped, it is ended.
#[derive(Debug)]
pub struct Child {
    program: String,
    process: tokio::process::Child,
    said: Option<JoinHandle<Vec<String>>>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    program: String,
    status: ExitStatus,
    said: Vec<String>,
}

impl Child {
    /// Starts `command`, reading nothing, with its output piped and what it says kept.
    pub fn start(program: &str, mut command: Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut process = command.spawn().map_err(|cause| {
            Error::new(Kind::Usage, format!("cannot start {program}"))
                .caused_by(cause)
                .hint("install the PostgreSQL client programs, or name their directory with --pg-bin")
        })?;
        let said = process.stderr.take().map(|stderr| {
            tokio::spawn(async move {
                let mut lines = BufReader::new(stderr).split(b'\n');
                let mut kept = VecDeque::with_capacity(KEPT_LINES);
                while let Ok(Some(line)) = lines.next_segment().await {
                    if kept.len() == KEPT_LINES {
                        kept.pop_front();
                    }
                    let line = &line[..line.len().min(KEPT_LINE_BYTES)];
                    kept.push_back(String::from_utf8_lossy(line).into_owned());
                }
                kept.into()
            })
        });
        Ok(Self {
            program: program.to_owned(),
            process,
            said,
        })
    }

    /// The child's output, once.
    pub fn take_output(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Waits for the end.
    pub async fn ended(mut self) -> Result<Ended> {
        let status = self.process.wait().await.map_err(|cause| {
            Error::new(Kind::Internal, format!("cannot wait for {}", self.program)).caused_by(cause)
        })?;
        // A child of the child may hold the pipe open; what it says is not waited for.
        let said = match self.said.take() {
            Some(said) => tokio::time::timeout(GRACE, said)
                .await
                .ok()
                .and_then(Result::ok)
                .unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(Ended {
            program: std::mem::take(&mut self.program),
            status,
            said,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The id is gone once the child was waited for, so a reused number is never signalled.
        let Some(group) = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed())) else {
            return;
        };
        // Not only the leader must be gone: what it started may still be writing into a directory that is about to go.
        for signal in [Signal::TERM, Signal::KILL] {
            let _ = kill_process_group(group, signal);
            let asked = Instant::now();
            while asked.elapsed() < GRACE {
                let has_ended = !matches!(self.process.try_wait(), Ok(None));
                if has_ended && test_kill_process_group(group).is_err() {
                    return;
                }
                std::thread::sleep(POLL);
            }
        }
    }
}

impl Ended {
    /// Nothing when the program ended well; otherwise an error of `kind` with the last it said.
    pub fn well(self, kind: Kind) -> Result<()> {
        if self.status.success() {
            return Ok(());
        }
        let error = Error::new(kind, format!("{} failed ({})", self.program, self.status));
        let said: Vec<&str> = self
            .said
            .iter()
            .map(String::as_str)
            // A detail quotes rows, which no log may see.
            .filter(|line| !line.is_empty() && !line.contains("DETAIL:"))
            .collect();
        Err(if said.is_empty() {
            error
        } else {
            error.caused_by(said.join("\n  "))
        })
    }
}
