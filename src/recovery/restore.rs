//! Backup → target, and the proof.
//!
//! The archive streams from the store: its head makes the definitions, its rows go over COPY as they arrive, its head makes
//! the rest. Nothing of it touches a local disk but the head.

use std::io::Write;

use tempfile::TempDir;

use super::catalog;
use super::guard::{self, ClearedTarget};
use super::loader::Loader;
use super::object::{self, CheckedArchive};
use super::plan::{self, SkippedEntry, Turn};
use super::verify;
use crate::archive::{Contents, Event as Read, Reader};
use crate::error::{Error, Kind, Result};
use crate::model::comparison::Verification;
use crate::model::key::Selector;
use crate::model::manifest::Manifest;
use crate::model::timeline::{Event, Observer, Phase};
use crate::postgres::child::Child;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::tools::Tools;
use crate::store::Store;

/// Where a backup comes from and what works on it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Where the backup is.
    pub store: &'a Store,
    /// Which one.
    pub selector: Selector,
    /// PostgreSQL's programs.
    pub tools: &'a Tools,
    /// How many connections work side by side where that is possible.
    pub jobs: usize,
}

/// A backup that was restored and compared.
#[derive(Debug)]
pub struct Restored {
    /// Its manifest.
    pub manifest: Manifest,
    /// What it was restored into.
    pub target: Conninfo,
    /// What of the backup was left out, and why.
    pub skipped: Vec<SkippedEntry>,
    /// How the target compares.
    pub verification: Verification,
}

/// Selects a backup, restores it into the database that `provision` makes ready, and verifies it there.
///
/// The guard looks at the target before anything is changed. A verification that does not prove is no error.
pub async fn restore(
    request: Request<'_>,
    provision: impl AsyncFnOnce() -> Result<Conninfo>,
    observer: &dyn Observer,
) -> Result<Restored> {
    observer.observe(Event::Began(Phase::Select));
    let manifest = catalog::select(request.store, request.selector).await?;
    object::check_length(request.store, &manifest).await?;
    observer.observe(Event::Ended(Phase::Select));

    observer.observe(Event::Began(Phase::Provision));
    let target = guard::clear(&provision().await?, &manifest).await?;
    observer.observe(Event::Ended(Phase::Provision));

    let skipped = load(request, &manifest, &target, observer).await?;

    observer.observe(Event::Began(Phase::Verify));
    let verification = verify::target(
        &manifest,
        target.conninfo(),
        request.tools,
        request.jobs,
        observer,
    )
    .await?;
    observer.observe(Event::Ended(Phase::Verify));
    Ok(Restored {
        manifest,
        target: target.conninfo().clone(),
        skipped,
        verification,
    })
}

async fn load(
    request: Request<'_>,
    manifest: &Manifest,
    target: &ClearedTarget,
    observer: &dyn Observer,
) -> Result<Vec<SkippedEntry>> {
    let mut definitions = None;
    let loaded = transfer_and_finish(request, manifest, target, &mut definitions, observer).await;
    if loaded.is_err() && definitions.is_some() {
        let advice = "the target may be half-loaded: drop and create it again before the next try";
        observer.observe(Event::Warned(advice.into()));
    }
    loaded?;
    Ok(definitions
        .map(|definitions| definitions.skipped)
        .unwrap_or_default())
}

/// `definitions` is filled just before the target is changed for the first time.
async fn transfer_and_finish<'a>(
    request: Request<'a>,
    manifest: &Manifest,
    target: &'a ClearedTarget,
    definitions: &mut Option<Definitions<'a>>,
    observer: &dyn Observer,
) -> Result<()> {
    observer.observe(Event::Began(Phase::Transfer));
    observer.observe(Event::Expected(manifest.raw_bytes));
    transfer(request, manifest, target, definitions, observer).await?;
    observer.observe(Event::Ended(Phase::Transfer));

    observer.observe(Event::Began(Phase::Finish));
    if let Some(definitions) = definitions {
        definitions.make(Turn::After).await?;
    }
    observer.observe(Event::Ended(Phase::Finish));
    Ok(())
}

async fn transfer<'a>(
    request: Request<'a>,
    manifest: &Manifest,
    target: &'a ClearedTarget,
    definitions: &mut Option<Definitions<'a>>,
    observer: &dyn Observer,
) -> Result<()> {
    let mut archive = CheckedArchive::open(request.store, manifest);
    let mut reader = Reader::new();
    let mut head = Vec::new();
    let mut loader = Loader::new(target.session());
    let unreadable = |cause| object::unreadable(&manifest.key, cause);
    while let Some(piece) = archive.next().await? {
        observer.observe(Event::Bytes(piece.len() as u64));
        let mut rest = &piece[..];
        loop {
            let step = reader.step(rest).map_err(unreadable)?;
            let (consumed, later) = rest.split_at(step.consumed);
            if definitions.is_none() {
                head.extend_from_slice(consumed);
            }
            rest = later;
            match step.event {
                None => break,
                Some(Read::Contents(contents)) => {
                    let made = definitions.insert(Definitions::new(request, target, &head, &contents)?);
                    head = Vec::new();
                    made.make(Turn::Before).await?;
                    loader.prepare(&contents).await?;
                }
                Some(event) => loader.take(event).await?,
            }
        }
    }
    reader.finish().map_err(unreadable)?;
    Ok(())
}

/// Everything of an archive but its rows, ready for `pg_restore`.
struct Definitions<'a> {
    request: Request<'a>,
    target: &'a ClearedTarget,
    directory: TempDir,
    skipped: Vec<SkippedEntry>,
}

impl<'a> Definitions<'a> {
    /// Writes the head of the archive and the two lists of entries where `pg_restore` can read them.
    fn new(
        request: Request<'a>,
        target: &'a ClearedTarget,
        head: &[u8],
        contents: &Contents,
    ) -> Result<Self> {
        let directory = scratch_directory()?;
        let write = |name: &str, bytes: &[u8]| {
            std::fs::File::create_new(directory.path().join(name)).and_then(|mut file| file.write_all(bytes))
        };
        write("head", head)
            .and_then(|()| {
                write(
                    &list_name(Turn::Before),
                    plan::list(contents, Turn::Before).as_bytes(),
                )
            })
            .and_then(|()| {
                write(
                    &list_name(Turn::After),
                    plan::list(contents, Turn::After).as_bytes(),
                )
            })
            .map_err(no_scratch)?;
        Ok(Self {
            request,
            target,
            directory,
            skipped: plan::skipped(contents),
        })
    }

    /// Makes the entries whose turn it is. No error is tolerated.
    async fn make(&self, turn: Turn) -> Result<()> {
        let jobs = match turn {
            Turn::After => self.request.jobs,
            _ => 1,
        };
        let installation = self
            .request
            .tools
            .for_server(self.target.facts().major, Kind::Target)?;
        let place = self.directory.path();
        let command = installation.restore_listed(
            self.target.conninfo(),
            &place.join("head"),
            &place.join(list_name(turn)),
            jobs,
        );
        let ended = Child::start("pg_restore", command)?.ended().await?;
        ended
            .well(Kind::Target)
            .map_err(|error| error.hint("see what pg_restore said; restore into a new, empty database"))
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
