//! A program as a child process.
//!
//! Each child leads a process group of its own: a Ctrl-C on the terminal reaches us alone, and dropping the child ends all of
//! its group, also the workers of `pg_restore -j`.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::error::{Error, Kind, Result};

/// How long a child may take to end by itself once asked.
const GRACE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(5);
/// How much of what a child says is kept: its last lines.
const KEPT_LINES: usize = 20;
const KEPT_LINE_BYTES: usize = 8000;
/// How much of such a line an error shows.
const SHOWN_LINE_CHARS: usize = 1000;

/// A running program. Dropped, it is ended.
#[derive(Debug)]
pub struct Child {
    program: String,
    process: tokio::process::Child,
    said: Said,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    program: String,
    /// With which exit code, or by which signal.
    pub status: ExitStatus,
    /// The last lines it said.
    pub said: Vec<String>,
}

impl Child {
    /// Starts `command`, reading nothing, with its output piped and what it says on stderr kept.
    pub fn start(program: &str, mut command: Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Self::spawn(program, command)?;
        if let Some(stderr) = child.process.stderr.take() {
            child.said.keep(stderr);
        }
        Ok(child)
    }

    /// Starts `command` with `input` to read, and keeps what it says on stdout and stderr, in the order it says it.
    pub fn start_fed(program: &str, mut command: Command, input: Option<&str>) -> Result<Self> {
        let no_pipe = |cause| Error::new(Kind::Internal, "cannot make a pipe").caused_by(cause);
        let (said, saying) = std::io::pipe().map_err(no_pipe)?;
        let said = Receiver::from_owned_fd(said.into()).map_err(no_pipe)?;
        command
            .stdin(input.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(saying.try_clone().map_err(no_pipe)?)
            .stderr(saying);
        let mut child = Self::spawn(program, command)?;
        child.said.keep(said);
        if let (Some(input), Some(mut stdin)) = (input, child.process.stdin.take()) {
            let input = input.to_owned();
            // Whether it wants to read all of it is its own affair.
            tokio::spawn(async move { stdin.write_all(input.as_bytes()).await });
        }
        Ok(child)
    }

    /// Takes the command, as that holds the child's ends of the pipes.
    fn spawn(program: &str, mut command: Command) -> Result<Self> {
        let process = command.process_group(0).spawn().map_err(|cause| {
            Error::new(Kind::Usage, format!("cannot start {program}"))
                .caused_by(cause)
                .hint(format!("make sure that {program} is installed and may be run"))
        })?;
        Ok(Self {
            program: program.to_owned(),
            process,
            said: Said::default(),
        })
    }

    /// The child's output, once, where it is not kept.
    pub fn take_output(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Waits for the end.
    pub async fn ended(mut self) -> Result<Ended> {
        let status = self.wait().await?;
        Ok(self.told(status).await)
    }

    /// Waits for the end, and makes one where it has not come after `timeout`. Then only what it said is left.
    pub async fn ended_within(mut self, timeout: Duration) -> Result<Result<Ended, Vec<String>>> {
        if let Ok(status) = tokio::time::timeout(timeout, self.wait()).await {
            return Ok(Ok(self.told(status?).await));
        }
        self.end();
        Ok(Err(self.said.lines().await))
    }

    async fn wait(&mut self) -> Result<ExitStatus> {
        self.process.wait().await.map_err(|cause| {
            Error::new(Kind::Internal, format!("cannot wait for {}", self.program)).caused_by(cause)
        })
    }

    async fn told(mut self, status: ExitStatus) -> Ended {
        Ended {
            program: std::mem::take(&mut self.program),
            status,
            said: self.said.lines().await,
        }
    }

    /// Ends the child and all of its group.
    fn end(&mut self) {
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

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

impl Ended {
    /// Nothing when the program ended well; otherwise an error of `kind` with the last it said.
    pub fn well(self, kind: Kind) -> Result<()> {
        if self.status.success() {
            return Ok(());
        }
        let error = Error::new(kind, format!("{} failed ({})", self.program, self.status));
        let said: Vec<String> = self
            .said
            .iter()
            // A detail quotes rows, which no log may see.
            .filter(|line| !line.is_empty() && !line.contains("DETAIL:"))
            .map(|line| shown(line))
            .collect();
        Err(if said.is_empty() {
            error
        } else {
            error.caused_by(said.join("\n  "))
        })
    }
}

/// As much of a line as is shown.
pub fn shown(line: &str) -> String {
    line.chars().take(SHOWN_LINE_CHARS).collect()
}

/// The last lines of a stream.
#[derive(Debug, Default)]
struct Said {
    lines: Arc<Mutex<VecDeque<String>>>,
    keeper: Option<JoinHandle<()>>,
}

impl Said {
    fn keep(&mut self, stream: impl AsyncRead + Unpin + Send + 'static) {
        let lines = Arc::clone(&self.lines);
        self.keeper = Some(tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while let Ok(piece) = stream.fill_buf().await {
                if piece.is_empty() {
                    break;
                }
                let length = piece.len();
                for part in piece.split_inclusive(|byte| *byte == b'\n') {
                    let text = part.strip_suffix(b"\n").unwrap_or(part);
                    let room = KEPT_LINE_BYTES - line.len();
                    line.extend_from_slice(&text[..text.len().min(room)]);
                    if part.len() > text.len() {
                        push(&lines, &mut line);
                    }
                }
                stream.consume(length);
            }
            if !line.is_empty() {
                push(&lines, &mut line);
            }
        }));
    }

    /// What was said, once the stream has ended. A child of the child may hold it open; that is not waited for.
    async fn lines(&mut self) -> Vec<String> {
        if let Some(keeper) = self.keeper.take() {
            let _ = tokio::time::timeout(GRACE, keeper).await;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *lines).into()
    }
}

fn push(lines: &Mutex<VecDeque<String>>, line: &mut Vec<u8>) {
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == KEPT_LINES {
        lines.pop_front();
    }
    lines.push_back(String::from_utf8_lossy(line).into_owned());
    line.clear();
}
