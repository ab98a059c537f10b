//! Files that survive a power cut, and get their names without taking one that is in use.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::failure::FileError;

/// Only the owner reads and writes: a backup holds what the database holds.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
/// A directory that was found may be gone, where another process clears up, before a file is in it.
const TRIES: u32 = 10;

/// Makes the directory and those above it, and sees to it that they last.
pub(super) fn make_directories(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_directories(above)?;
    }
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => {
            Err(FileError::at(path, cause))
        }
        _ => sync_directory_of(path),
    }
}

/// Makes a new file, and the directories that it is in.
pub(super) fn create(path: &Path) -> Result<File, FileError> {
    in_directory_of(path, || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(path)
    })
}

/// Writes an empty file, or finds it written.
pub(super) fn mark(path: &Path) -> Result<(), FileError> {
    match create(path) {
        Err(failed) if failed.cause.kind() != io::ErrorKind::AlreadyExists => Err(failed),
        _ => sync_directory_of(path),
    }
}

/// Gives the file at `from`, which is written and on the disk, the name `to`. Whether it has it now: no other file loses it.
pub(super) fn name_once(from: &Path, to: &Path) -> Result<bool, FileError> {
    let named = in_directory_of(to, || match std::fs::hard_link(from, to) {
        // File systems for exchange, such as exFAT, know one name for each file.
        Err(cause) if is_unable(&cause) => {
            renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from)
        }
        linked => linked,
    });
    match named {
        Err(failed) if failed.cause.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        named => named?,
    }
    sync_directory_of(to)?;
    Ok(true)
}

fn is_unable(cause: &io::Error) -> bool {
    let unable = [
        rustix::io::Errno::PERM,
        rustix::io::Errno::OPNOTSUPP,
        rustix::io::Errno::NOSYS,
    ];
    let unable = unable.map(rustix::io::Errno::raw_os_error);
    cause.raw_os_error().is_some_and(|code| unable.contains(&code))
}

/// Does what needs the directory of `path`, which is made where it is missing.
fn in_directory_of<T>(path: &Path, act: impl Fn() -> io::Result<T>) -> Result<T, FileError> {
    let mut tries = 1;
    loop {
        if let Some(directory) = path.parent() {
            make_directories(directory)?;
        }
        match act() {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && tries < TRIES => tries += 1,
            done => return done.map_err(|cause| FileError::at(path, cause)),
        }
    }
}

/// Removes a file, and what is empty then of the directories between it and `root`. Nothing there is no error.
pub(super) fn remove(path: &Path, root: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_directory_of(path)?,
        Err(cause) => {
            let failed = FileError::at(path, cause);
            if !failed.is_missing() {
                return Err(failed);
            }
        }
    }
    let above = path.ancestors().skip(1).take_while(|above| *above != root);
    for directory in above {
        // What holds something stays.
        if std::fs::remove_dir(directory).is_err() {
            break;
        }
    }
    Ok(())
}

/// Sees to it that a name made or removed in the directory of `path` is so after a power cut, too.
fn sync_directory_of(path: &Path) -> Result<(), FileError> {
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        // Some network file systems write names at once, and say that they cannot be told to.
        Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => Ok(()),
        // Another process may have removed it since, as it was empty.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced.map_err(|cause| FileError::at(directory, cause)),
    }
}
