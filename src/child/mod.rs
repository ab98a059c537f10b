//! A program as a child process.
//!
//! Each child has a process group of its own: a Ctrl-C on the terminal reaches us alone, and dropping the child ends all of
//! its group, also the workers of `pg_restore -j`. Where this program is killed, the leash of the group ends it.

mod leash;
pub mod reaper;
mod said;

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{ChildStdout, Command};
use tracing::{Span, debug, info_span};

use self::leash::Leash;
pub use self::said::LineFilter;
pub use self::said::shown;
use self::said::{Discretion, KEPT_LINES, Said};
use crate::deadline::Deadline;
use crate::error::{Error, Kind, Result};
use crate::log::{self, Wait};
use crate::model::redaction::without_passwords;

/// How long a child may take to end by itself once asked.
const GRACE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(5);

/// A running program. Dropped, it is told to end; [`reaper`] waits for that.
#[derive(Debug)]
pub struct Child {
    program: String,
    /// Nothing once it was told to end.
    process: Option<tokio::process::Child>,
    leash: Option<Leash>,
    said: Said,
    span: Span,
    began: Instant,
    logged_wait: Wait,
}

/// How a program ended.
#[derive(Debug)]
pub struct ChildExit {
    program: String,
    /// With which exit code, or by which signal.
    pub status: ExitStatus,
    /// The last lines it said.
    pub said: Vec<String>,
}

impl Child {
    /// Starts `command`, reading nothing, with its output piped and what it says on stderr kept, but for what quotes a row or a
    /// statement of PostgreSQL.
    pub fn start(program: &str, command: Command) -> Result<Self> {
        Self::start_hearing(program, command, None)
    }

    /// The same, keeping all lines that are `wanted` instead of the last ones.
    pub fn start_hearing(program: &str, mut command: Command, wanted: Option<LineFilter>) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Self::spawn(program, command)?;
        if let Some(stderr) = child.process.as_mut().and_then(|process| process.stderr.take()) {
            let discretion = Some(Discretion::about(program));
            child.said.keep(stderr, discretion, wanted, child.span.clone());
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
        child.said.keep(said, None, None, Span::none());
        let stdin = child.process.as_mut().and_then(|process| process.stdin.take());
        if let (Some(input), Some(mut stdin)) = (input, stdin) {
            let input = input.to_owned();
            // Whether it wants to read all of it is its own affair.
            tokio::spawn(async move { stdin.write_all(input.as_bytes()).await });
        }
        Ok(child)
    }

    /// Takes the command, as that holds the child's ends of the pipes.
    fn spawn(program: &str, mut command: Command) -> Result<Self> {
        let leash = Leash::start(program);
        command.process_group(leash.as_ref().map_or(0, Leash::group));
        let process = command.spawn().map_err(|cause| {
            Error::new(Kind::Usage, format!("cannot start {program}"))
                .caused_by(cause)
                .hint(format!("make sure that {program} is installed and may be run"))
        })?;
        let span = info_span!(parent: log::phase(), "child", program, process = process.id());
        span.in_scope(|| debug!(argv = ?argv(&command), "started"));
        Ok(Self {
            program: program.to_owned(),
            process: Some(process),
            leash,
            said: Said::default(),
            began: Instant::now(),
            logged_wait: Wait::begin(&span, || format!("{program} to end")),
            span,
        })
    }

    /// The child's output, once, where it is not kept.
    pub fn take_output(&mut self) -> Option<ChildStdout> {
        self.process.as_mut()?.stdout.take()
    }

    /// Waits for the end.
    pub async fn ended(mut self) -> Result<ChildExit> {
        let status = self.wait().await?;
        Ok(self.told(status).await)
    }

    /// Waits for the end, and makes one where it has not come after `timeout`. Then only what it said is left.
    pub async fn ended_within(mut self, timeout: Duration) -> Result<Result<ChildExit, Vec<String>>> {
        if let Ok(status) = tokio::time::timeout(timeout, self.wait()).await {
            return Ok(Ok(self.told(status?).await));
        }
        self.end();
        reaper::settled().await;
        Ok(Err(self.said.lines().await))
    }

    async fn wait(&mut self) -> Result<ExitStatus> {
        let failed = || Error::new(Kind::Internal, format!("cannot wait for {}", self.program));
        let process = self.process.as_mut().ok_or_else(failed)?;
        let status = process.wait().await.map_err(|cause| failed().caused_by(cause))?;
        self.logged_wait.end();
        let seconds = self.began.elapsed().as_secs_f64();
        self.span.in_scope(|| debug!(%status, seconds, "ended"));
        Ok(status)
    }

    async fn told(mut self, status: ExitStatus) -> ChildExit {
        ChildExit {
            program: std::mem::take(&mut self.program),
            status,
            said: self.said.lines().await,
        }
    }

    /// Tells the child and all of its group to end. That they have ended is waited for beside everything else.
    fn end(&mut self) {
        let (process, leash) = (self.process.take(), self.leash.take());
        // The id is gone once the child was waited for. What it left on purpose goes on.
        let Some((process, id)) = process.and_then(|process| process.id().map(|id| (process, id))) else {
            return;
        };
        let group = leash.as_ref().map_or(id.cast_signed(), Leash::group);
        let Some(group) = Pid::from_raw(group) else { return };
        self.span.in_scope(|| debug!("being ended"));
        let _ = kill_process_group(group, Signal::TERM);
        let ending = Ending {
            process,
            leash,
            group,
            deadline: Deadline::after(GRACE),
        };
        reaper::hand_over(move || ending.wait());
    }
}

/// A child that was told to end.
struct Ending {
    process: tokio::process::Child,
    leash: Option<Leash>,
    group: Pid,
    /// Until then it may end by itself.
    deadline: Deadline,
}

impl Ending {
    /// Blocks until all of the group has ended, by force where it does not by itself. Not only the leader must be gone: what it
    /// started may still be writing into a directory that is about to go.
    fn wait(mut self) {
        if self.ends_by(self.deadline) {
            return;
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        self.ends_by(Deadline::after(GRACE));
    }

    fn ends_by(&mut self, deadline: Deadline) -> bool {
        loop {
            let has_ended = !matches!(self.process.try_wait(), Ok(None))
                & self.leash.as_mut().is_none_or(Leash::has_ended);
            if has_ended && test_kill_process_group(self.group).is_err() {
                return true;
            }
            if !deadline.pause_thread(POLL) {
                return false;
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// The command line, each argument without the passwords that it may hold.
fn argv(command: &Command) -> Vec<String> {
    let command = command.as_std();
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words
        .map(|word| without_passwords(&word.to_string_lossy()))
        .collect()
}

impl ChildExit {
    /// Nothing when the program ended well; otherwise an error of `kind` with the last it said.
    pub fn well(self, kind: Kind) -> Result<()> {
        if self.status.success() {
            return Ok(());
        }
        let error = Error::new(kind, format!("{} failed ({})", self.program, self.status));
        let said: Vec<String> = self
            .said
            .iter()
            .skip(self.said.len().saturating_sub(KEPT_LINES))
            .filter(|line| !line.is_empty())
            .map(|line| shown(line))
            .collect();
        Err(if said.is_empty() {
            error
        } else {
            error.caused_by(said.join("\n  "))
        })
    }
}
