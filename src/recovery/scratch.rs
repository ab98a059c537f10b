//! Private directories for a run's files. Where the run was killed, the next one removes them.
//!
//! A directory belongs to a live run as long as that holds a lock on a file in it. The kernel gives the lock back when the run ends,
//! however it ends; age tells nothing. The number of the process is in the name, for a run that was killed before it had the lock.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, geteuid, test_kill_process};
use tempfile::TempDir;

use crate::child::reaper;
use crate::error::{Error, Kind, Result};

/// What names of directories begin with: those of verbs, and those of drills.
const PREFIXES: [&str; 2] = ["paycraft-dr-", "paycraft-drill-"];
const LOCK: &str = "lock";
/// What a run left open elsewhere: the uploads of a backup.
const RECORD: &str = "uploads.json";
/// How often a directory is made that another run took for a dead one's: it does so only within a moment.
const ATTEMPTS: u32 = 3;

/// A directory of this run. Dropped, it is removed, once the processes that were told to end before have ended: they may still
/// write into it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Nothing once it was removed.
    directory: Option<TempDir>,
    /// Of a directory that is in no other of ours.
    lock: Option<File>,
}

/// What a directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A verb's own files.
    Verb,
    /// All that drills keep.
    Drill,
}

impl Scratch {
    /// Makes an empty directory that only we may enter, where temporary files are.
    pub fn new(purpose: Purpose) -> Result<Self> {
        let made = (0..ATTEMPTS).find_map(|_| try_new(purpose).transpose());
        let gone = || Err(std::io::Error::other("the directory went away at once"));
        made.unwrap_or_else(gone).map_err(no_room)
    }

    /// Makes an empty directory inside of another of ours.
    pub fn within(place: &Path, prefix: &str) -> std::io::Result<Self> {
        let directory = tempfile::Builder::new().prefix(prefix).tempdir_in(place)?;
        Ok(Self::of(directory, None))
    }

    fn of(directory: TempDir, lock: Option<File>) -> Self {
        Self {
            path: directory.path().to_owned(),
            directory: Some(directory),
            lock,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, and tells where that fails.
    pub fn close(mut self) -> std::io::Result<()> {
        self.directory.take().map_or(Ok(()), TempDir::close)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (directory, lock) = (self.directory.take(), self.lock.take());
        if directory.is_some() {
            reaper::once_ended(move || {
                // The files go before the lock does.
                drop(directory);
                drop(lock);
            });
        }
    }
}

/// That no file could be written where temporary files are.
pub fn no_room(cause: std::io::Error) -> Error {
    let place = std::env::temp_dir();
    Error::new(Kind::Usage, format!("cannot write into {}", place.display()))
        .caused_by(cause)
        .hint("free some space there, or name another directory in TMPDIR")
}

/// Nothing where another run removed the directory before it was locked.
fn try_new(purpose: Purpose) -> std::io::Result<Option<Scratch>> {
    let prefix = PREFIXES[usize::from(purpose == Purpose::Drill)];
    let directory = tempfile::Builder::new()
        .prefix(&format!("{prefix}{}-", std::process::id()))
        .tempdir()?;
    let path = directory.path().join(LOCK);
    let lock = File::create_new(&path)?;
    lock.lock()?;
    let is_there = std::fs::metadata(&path).is_ok_and(|found| {
        lock.metadata()
            .is_ok_and(|ours| (ours.dev(), ours.ino()) == (found.dev(), found.ino()))
    });
    Ok(is_there.then(|| Scratch::of(directory, Some(lock))))
}

/// A directory of a run that was killed. No other run works on it as long as this lives.
#[derive(Debug)]
pub(super) struct Dead {
    path: PathBuf,
    _lock: Option<File>,
}

impl Dead {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it. What cannot be removed stays for a later run.
    pub(super) fn remove(self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Removes the directories of our user's runs that were killed, save for those with records of what they left elsewhere.
pub fn clear_leftovers() {
    for dead in all_dead() {
        if !has_record(&dead.path) && !serves(&dead.path) {
            dead.remove();
        }
    }
}

/// Whether a run in this directory recorded an upload that it had not ended.
fn has_record(directory: &Path) -> bool {
    const NONE: &[u8] = b"[]";
    std::fs::read(record_in(directory)).is_ok_and(|text| text != NONE)
}

/// The file in which a run records the uploads that it has open.
pub(super) fn record_in(directory: &Path) -> PathBuf {
    directory.join(RECORD)
}

/// The directories of our user's runs that were killed and left records.
pub(super) fn dead_with_records() -> Vec<Dead> {
    all_dead().filter(|dead| has_record(&dead.path)).collect()
}

fn all_dead() -> impl Iterator<Item = Dead> {
    let entries = std::fs::read_dir(std::env::temp_dir());
    entries.into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        let owner = PREFIXES
            .iter()
            .find_map(|prefix| name.to_str()?.strip_prefix(prefix))?;
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let path = entry.path();
        is_directory.then(|| dead(path, owner)).flatten()
    })
}

/// The directory, where its run is dead and was our user's. `owner` is its name behind the prefix.
fn dead(path: PathBuf, owner: &str) -> Option<Dead> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path.join(LOCK));
    match opened {
        Ok(lock) => {
            let facts = lock.metadata().ok()?;
            let is_ours = facts.is_file() && facts.uid() == geteuid().as_raw();
            (is_ours && lock.try_lock().is_ok()).then_some(Dead {
                path,
                _lock: Some(lock),
            })
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            let facts = std::fs::symlink_metadata(&path).ok()?;
            let (process, _) = owner.split_once('-')?;
            let process = Pid::from_raw(process.parse().ok()?)?;
            let is_dead = test_kill_process(process) == Err(Errno::SRCH);
            (is_dead && facts.uid() == geteuid().as_raw()).then_some(Dead { path, _lock: None })
        }
        Err(_) => None,
    }
}

/// Whether a private server of a drill still runs in the directory. Its watchdog ends it, and removes the directory.
fn serves(directory: &Path) -> bool {
    let drills = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let servers = drills.flat_map(|drill| std::fs::read_dir(drill.path()).into_iter().flatten().flatten());
    servers
        .filter_map(|server| std::fs::read_to_string(server.path().join("server")).ok())
        .filter_map(|number| Pid::from_raw(number.trim().parse().ok()?))
        .any(|server| test_kill_process(server) != Err(Errno::SRCH))
}
