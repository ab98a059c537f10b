//! Everything of an archive but its rows, as `pg_restore` makes it from the archive's head.

use tempfile::TempDir;

use super::guard::ClearedTarget;
use super::loader::Builds;
use super::plan::{self, SkippedEntry, Turn};
use super::platform::{Scope, Selection};
use super::restore::Request;
use super::silence::silence;
use crate::archive::Contents;
use crate::child::Child;
use crate::error::{Error, Kind, Result};

/// Everything of an archive but its rows, ready for `pg_restore`.
pub(super) struct Definitions<'a> {
    request: Request<'a>,
    target: &'a ClearedTarget,
    directory: TempDir,
    has_rest: bool,
    pub(super) skipped: Vec<SkippedEntry>,
    pub(super) scope: Scope,
}

impl<'a> Definitions<'a> {
    /// Writes the head of the archive and the two lists of the `selection` where `pg_restore` can read them. The target is left
    /// alone.
    pub(super) fn new(
        request: Request<'a>,
        target: &'a ClearedTarget,
        head: &[u8],
        contents: &Contents,
        selection: &Selection,
    ) -> Result<Self> {
        let mut definitions = Self {
            request,
            target,
            directory: scratch_directory()?,
            has_rest: false,
            skipped: Vec::new(),
            scope: Scope::everything(),
        };
        definitions.write("head", head)?;
        definitions.list(contents, selection)?;
        Ok(definitions)
    }

    /// Writes the lists of the entries of the `selection`. Of those that come after the rows, they name what is not built over our own
    /// connections.
    pub(super) fn list(&mut self, contents: &Contents, selection: &Selection) -> Result<()> {
        let builds = Builds::of(contents, selection);
        let before = plan::list(contents, Turn::Before, |id| selection.keeps(id));
        let rest = plan::list(contents, Turn::After, |id| {
            selection.keeps(id) && !builds.contain(id)
        });
        self.write(&list_name(Turn::Before), before.as_bytes())?;
        self.write(&list_name(Turn::After), rest.as_bytes())?;
        self.has_rest = !rest.is_empty();
        self.skipped = [plan::skipped(contents), selection.skipped(contents)].concat();
        self.scope = Scope::of(selection, contents);
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        std::fs::write(self.directory.path().join(name), bytes).map_err(no_scratch)
    }

    /// Makes the entries whose turn it is. No error is tolerated.
    pub(super) async fn make(&self, turn: Turn) -> Result<()> {
        if turn == Turn::After && !self.has_rest {
            return Ok(());
        }
        let jobs = match turn {
            Turn::After => self.request.jobs,
            _ => 1,
        };
        let place = self.directory.path();
        let command = self.target.installation().restore_listed(
            self.target.conninfo(),
            &place.join("head"),
            &place.join(list_name(turn)),
            jobs,
        );
        let program = Child::start("pg_restore", command)?;
        let ended = tokio::select! {
            ended = program.ended() => ended?,
            silence = silence(self.target.session(), "pg_restore") => return Err(silence),
        };
        ended.well(Kind::Target).map_err(|error| {
            // A newer server, also by a minor release only, has settings and options that an older one does not know.
            let is_older = error.causes().iter().any(|cause| {
                cause.contains("unrecognized parameter") || cause.contains("unrecognized configuration parameter")
            });
            error.hint(if is_older {
                "the target's server is older than the source's was: restore into one of the same minor release, or newer"
            } else {
                "see what pg_restore said; restore into a new, empty database"
            })
        })
    }
}

/// The file that lists the entries of a turn.
fn list_name(turn: Turn) -> String {
    format!("{turn:?}.list").to_lowercase()
}

/// A private directory that goes away with its value.
fn scratch_directory() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("paycraft-dr-")
        .tempdir()
        .map_err(no_scratch)
}

fn no_scratch(cause: std::io::Error) -> Error {
    Error::new(
        Kind::Usage,
        format!("cannot write into {}", std::env::temp_dir().display()),
    )
    .caused_by(cause)
    .hint("free some space there, or name another directory in TMPDIR")
}
