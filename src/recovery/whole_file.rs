//! A file that is replaced as a whole: a reader sees the old one or the new one, also after a crash.

use std::io::Write;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::{Error, Kind, Result};

/// Replaces what the file at `path` holds with `bytes`. A new file can be read by everyone, an old one keeps its rights.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = NamedTempFile::new_in(folder_of(path)).and_then(|mut file| {
        file.write_all(bytes)?;
        let permissions = match std::fs::metadata(path) {
            Ok(known) => known.permissions(),
            Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
        };
        file.as_file().set_permissions(permissions)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|failure| failure.error)
    });
    written.map(drop).map_err(|cause| unwritable(path, cause))
}

/// Writes a new file that everyone can read. With `replaces` it takes the place of one that is there.
pub fn create(path: &Path, bytes: &[u8], replaces: bool) -> Result<()> {
    let written = NamedTempFile::new_in(folder_of(path)).and_then(|mut file| {
        file.write_all(bytes)?;
        file.as_file()
            .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.as_file().sync_all()?;
        let placed = match replaces {
            true => file.persist(path),
            false => file.persist_noclobber(path),
        };
        placed.map_err(|failure| failure.error)
    });
    written.map(drop).map_err(|cause| unwritable(path, cause))
}

/// Begins a file that is to be at `path` once it is whole. Only its owner can read it.
pub fn begin(path: &Path) -> Result<NamedTempFile> {
    NamedTempFile::new_in(folder_of(path)).map_err(|cause| unwritable(path, cause))
}

/// Gives a file that is whole its name. With `replaces` it takes the place of one that is there.
pub fn place(file: NamedTempFile, path: &Path, replaces: bool) -> Result<()> {
    let synced = file.as_file().sync_all();
    let placed = synced.and_then(|()| {
        let placed = match replaces {
            true => file.persist(path),
            false => file.persist_noclobber(path),
        };
        placed.map(drop).map_err(|failure| failure.error)
    });
    placed.map_err(|cause| unwritable(path, cause))
}

/// The directory that a file of this path is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The error of a file or directory that cannot be written.
pub fn unwritable(path: &Path, cause: std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("cannot write {}", path.display())).caused_by(cause)
}
