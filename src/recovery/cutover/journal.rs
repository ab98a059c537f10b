//! The journal on disk: lines that are only ever added, each safe there before what follows it happens.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::model::cutover::journal::{JournalRecord, read, whole_lines};
use crate::recovery::whole_file::folder_of;

/// An open journal with one writer.
pub(super) struct JournalFile {
    path: PathBuf,
    file: File,
    written: Vec<JournalRecord>,
}

/// The records in the file, without taking hold of it; none where there is no file.
pub(super) fn peek(path: &Path) -> Result<Vec<JournalRecord>> {
    match std::fs::read(path) {
        Ok(text) => read(whole_lines(&text)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(unusable(path, cause)),
    }
}

impl JournalFile {
    /// Opens the file, or makes it, and keeps everyone else out as long as this value lives. The leftover of a crash is cut off.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|cause| unusable(path, cause))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("another cutover is under way: it holds {}", path.display());
                return Err(Error::new(Kind::Refused, message).hint("wait for it to end, or end it"));
            }
            Err(TryLockError::Error(cause)) => return Err(unusable(path, cause)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text)
            .map_err(|cause| unusable(path, cause))?;
        let whole = whole_lines(&text);
        let written = read(whole)?;
        file.set_len(whole.len() as u64)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .and_then(|_| sync_folder(path))
            .map_err(|cause| unusable(path, cause))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            written,
        })
    }

    /// The records it held when it was opened.
    pub(super) fn written(&self) -> &[JournalRecord] {
        &self.written
    }

    /// Adds a record, which is on the disk when this returns.
    pub(super) fn append(&mut self, record: &JournalRecord) -> Result<()> {
        let mut line = serde_json::to_vec(record)
            .map_err(|cause| Error::new(Kind::Internal, "cannot write a record").caused_by(cause))?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .and_then(|()| self.file.sync_data())
            .map_err(|cause| unusable(&self.path, cause))
    }
}

/// Makes sure that a new file is found again after a crash of the machine.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn unusable(path: &Path, cause: std::io::Error) -> Error {
    Error::new(
        Kind::Usage,
        format!("the journal {} cannot be kept", path.display()),
    )
    .caused_by(cause)
    .hint("make space for it, or name another file with --journal")
}
