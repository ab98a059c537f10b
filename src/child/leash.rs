//! A process that ends a child and all it started when this program is killed.
//!
//! The kernel tells it: it reads from a pipe whose other end this program alone holds, and the pipe ends with the program,
//! however that ends. The child joins the process group of the leash, so that one signal reaches both and every worker that the
//! child started. The leash runs before the child does, so there is no moment in which a child runs without one.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::reaper;

/// Ends its own group when its input ends.
const WATCH: &str = "read -r _; kill -KILL 0";

/// A running leash. Dropped, it ends alone: what still runs in its group goes on.
#[derive(Debug)]
pub(super) struct Leash {
    /// Nothing once it was dropped.
    process: Option<Child>,
    group: i32,
}

impl Leash {
    /// Starts the leash of `program`; nothing where there is no shell to run it.
    pub(super) fn start(program: &str) -> Option<Self> {
        use std::os::unix::process::CommandExt;
        let process = Command::new("/bin/sh")
            .args(["-c", WATCH, "paycraft-dr-leash", program])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        process.ok().map(|process| Self {
            group: process.id().cast_signed(),
            process: Some(process),
        })
    }

    /// The process group that it leads.
    pub(super) fn group(&self) -> i32 {
        self.group
    }

    /// Whether it has ended. One that has holds the number of its group no longer.
    pub(super) fn has_ended(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_none_or(|process| !matches!(process.try_wait(), Ok(None)))
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // Before its input ends, which would make it end the group.
        if let Some(process) = Pid::from_raw(self.group) {
            let _ = kill_process(process, Signal::KILL);
        }
        if let Some(mut process) = self.process.take() {
            reaper::hand_over(move || {
                let _ = process.wait();
            });
        }
    }
}
