//! Backup → target, and the proof.
//!
//! The archive streams from the store: its head makes the definitions, its rows go over COPY as they arrive, its head makes
//! the rest. Nothing of it touches a local disk but the head.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::access;
use super::budget;
use super::choosing::{self, Selected};
use super::clean::{self, Room};
use super::course::{self, Course};
use super::definitions::{Definitions, Stage};
use super::globals;
use super::guard::{self, ClearedTarget, GuardOptions};
use super::loader::{self, Counts, Loader};
use super::locks;
use super::missing;
use super::object::{self, CheckedArchive};
use super::plan::{self, SkippedEntry};
use super::platform::{self, RestoreScope, Selection};
use super::refused::RefusedEntries;
use super::roles;
use super::settings::{self, BackupSettings};
use super::silence::silence;
use super::verify;
use crate::archive::{ArchiveEvent, ArchiveReader, Contents, DumpId};
use crate::error::Result;
use crate::model::acceptance::Acceptance;
use crate::model::comparison::Verification;
use crate::model::depth::Depth;
use crate::model::key::Selector;
use crate::model::manifest::Manifest;
use crate::model::missing::Missing;
use crate::model::product::{CountedTables, TableCounts};
use crate::model::profile::Profile;
use crate::model::selection::Among;
use crate::model::timeline::{Event, Observer, Phase};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::tools::{Leniency, Tools};
use crate::store::Store;

/// Where a backup comes from and what works on it.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct RestoreRequest<'a> {
    /// Where the backup is.
    pub store: &'a Store,
    pub selector: Selector,
    /// Which backups are considered at all.
    pub among: &'a Among,
    /// The tables that are counted.
    pub counted: &'a CountedTables,
    pub tools: &'a Tools,
    /// What the operator allows.
    pub terms: GuardOptions<'a>,
    /// Who owns what is in the target; without it the target tells.
    pub profile: Option<Profile>,
    /// How many connections work side by side where that is possible.
    pub jobs: usize,
    /// How much of the rows is compared.
    pub depth: Depth,
    /// Whether a target will do that cannot take the product's rows of the platform's tables.
    pub accepts_lost_rows: bool,
    /// Whether a backup will do that does not record who might do what.
    pub accepts_unknown_rights: bool,
    /// Differences that the operator accepts by name.
    pub accepted: &'a [Acceptance],
    /// Whether a target will do without settings that its role may not make.
    pub accepts_missing_settings: bool,
    /// Whether planner statistics are gathered.
    pub analyzes: bool,
    /// What ends a restore, and which parts of the source are not kept.
    pub leniency: Leniency,
    /// Where the SQL is written that makes what could not be made.
    pub missing_sql: Option<&'a Path>,
    /// The instant as of which the newest backup is chosen.
    pub now: Timestamp,
}

/// A backup that was restored and compared.
#[derive(Debug)]
pub struct Restored {
    /// Its manifest; for an unattested object the one it would have.
    pub manifest: Manifest,
    /// Whether that was written when the backup was made, or attested later.
    pub is_attested: bool,
    /// What it was restored into.
    pub target: Conninfo,
    /// Which parts of the backup were left out, and why.
    pub skipped: Vec<SkippedEntry>,
    /// Which parts of the backup could not be made.
    pub missing: Vec<Missing>,
    /// How the target compares.
    pub verification: Verification,
    /// The rows of the counted tables.
    pub counts: TableCounts,
}

/// Selects a backup, restores it into the database that `provision` makes ready, and verifies it there.
///
/// The guard looks at the target before anything is changed. A verification that does not prove is no error.
pub async fn restore(
    request: RestoreRequest<'_>,
    provision: impl AsyncFnOnce(&Manifest) -> Result<Conninfo>,
    observer: &dyn Observer,
) -> Result<Restored> {
    observer.observe(Event::Began(Phase::Select));
    let Selected {
        manifest,
        is_attested,
    } = choosing::select_among(
        request.store,
        request.selector,
        request.among,
        request.now,
        observer,
    )
    .await?;
    let key = manifest.key.clone();
    // Boxed: all that a restore keeps is large, and futures of callers are moved.
    match Box::pin(restore_selected(
        request,
        manifest,
        is_attested,
        provision,
        observer,
    ))
    .await
    {
        Ok(restored) => Ok(restored),
        Err(error) => Err(choosing::name_older(request.store, &key, request.among, error).await),
    }
}

async fn restore_selected(
    request: RestoreRequest<'_>,
    manifest: Manifest,
    is_attested: bool,
    provision: impl AsyncFnOnce(&Manifest) -> Result<Conninfo>,
    observer: &dyn Observer,
) -> Result<Restored> {
    object::check_length(request.store, &manifest).await?;
    let accepts = request.accepts_missing_settings;
    let (known, values) = globals::known(request.store, &manifest, accepts, Some(observer)).await?;
    observer.observe(Event::Ended(Phase::Select));

    observer.observe(Event::Began(Phase::Provision));
    let target = provision(&manifest).await?;
    let target = guard::clear(&target, &manifest, request.tools, request.terms, request.profile).await?;
    if target.holds_objects() && is_attested {
        let what = "the target holds what will be replaced: the whole backup is read and checked before that";
        observer.observe(Event::Noted(what.into()));
        verify::object(request.store, &manifest, observer).await?;
    }
    budget::check(target.session()).await?;
    roles::create(target.session(), &manifest, target.missing_roles(), observer).await?;
    observer.observe(Event::Ended(Phase::Provision));

    let settings = BackupSettings {
        known: &known,
        values: &values,
        profile: target.profile(),
    };
    let LoadResult {
        skipped,
        scope,
        missing,
    } = load(request, &manifest, &settings, &target, observer).await?;

    observer.observe(Event::Began(Phase::Verify));
    let verification = verify::cleared(
        &manifest,
        &target,
        &scope
            .to(request.depth)
            .accepting_lost_rows(request.accepts_lost_rows)
            .accepting_unknown_rights(request.accepts_unknown_rights)
            .accepting_missing_settings(accepts)
            .knowing(known),
        request.tools,
        request.jobs,
        observer,
    )
    .await
    .map_err(|error| {
        let first = error.next_step().unwrap_or("see what went wrong").to_owned();
        error.hint(format!("{first}; {}", course::only_verify(&manifest.key)))
    })?
    .counting(request.counted);
    let verification = match missing::check(&missing) {
        Some(check) => verification.and(check),
        None => verification,
    };
    let today = TimeZone::UTC.to_datetime(request.now).date();
    let verification = verification.accepting(request.accepted, today);
    observer.observe(Event::Ended(Phase::Verify));
    Ok(Restored {
        manifest,
        is_attested,
        target: target.conninfo().clone(),
        skipped,
        missing,
        counts: verification.counts_of(request.counted),
        verification,
    })
}

/// What came of loading a backup.
struct LoadResult {
    skipped: Vec<SkippedEntry>,
    scope: RestoreScope,
    missing: Vec<Missing>,
}

async fn load(
    request: RestoreRequest<'_>,
    manifest: &Manifest,
    settings: &BackupSettings<'_>,
    target: &ClearedTarget,
    observer: &dyn Observer,
) -> Result<LoadResult> {
    let mut course = Course::new(observer);
    if let Err(error) = transfer_and_finish(request, manifest, settings, target, &mut course).await {
        if course.is_changed() {
            observer.observe(Event::Warned(course::HALF_LOADED.to_owned()));
        }
        return Err(error);
    }
    let missing = course
        .refused
        .as_ref()
        .map_or_else(Vec::new, RefusedEntries::missing);
    missing::tell(&manifest.key, &missing, request.missing_sql, observer)?;
    observer.observe(Event::Advised(course::only_verify(&manifest.key)));
    let (skipped, scope) = course.definitions.map_or_else(
        || (Vec::new(), RestoreScope::everything()),
        |definitions| (definitions.skipped, definitions.scope),
    );
    Ok(LoadResult {
        skipped,
        scope,
        missing,
    })
}

async fn transfer_and_finish<'a>(
    request: RestoreRequest<'a>,
    manifest: &Manifest,
    settings: &BackupSettings<'_>,
    target: &'a ClearedTarget,
    course: &mut Course<'a>,
) -> Result<()> {
    let observer = course.observer();
    observer.observe(Event::Began(Phase::Transfer));
    observer.observe(Event::Expected(manifest.raw_bytes));
    let loader = transfer(request, manifest, target, course).await?;
    observer.observe(Event::Ended(Phase::Transfer));

    observer.observe(Event::Began(Phase::Finish));
    let mut loader = loader;
    if let (Some(loader), Some(definitions), Some(refused)) =
        (&mut loader, &course.definitions, &mut course.refused)
    {
        let counts = loader.count_builds();
        // Boxed: what is made here keeps much, and each future around it would be as large.
        let finished = Box::pin(finish(loader, definitions, refused, target));
        counting(counts, "indexes, keys and views", observer, finished).await?;
        for note in refused.take_notes() {
            observer.observe(Event::Noted(note));
        }
    }
    observer.observe(Event::Doing("giving owners and rights".to_owned()));
    // From here on nothing of the archive goes over the first connection.
    queries::occupancy::renew(target.session()).await?;
    match &manifest.access {
        Some(expected) => access::equalize(target.session(), expected, target.profile(), observer).await?,
        None => observer.observe(Event::Warned(access::NOT_RECORDED.to_owned())),
    }
    observer.observe(Event::Ended(Phase::Finish));
    analyze(request, loader, observer).await?;
    // Last: from here on new sessions are as the settings make them, which may be read-only.
    settings::equalize(settings, manifest, target.session(), target.conninfo(), observer).await?;
    roles::leave(target.session(), target.missing_roles(), observer).await
}

/// Does `work` and tells how much of it is done.
async fn counting<T>(
    mut counts: watch::Receiver<Counts>,
    what: &'static str,
    observer: &dyn Observer,
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    loop {
        let Counts { done, of } = *counts.borrow_and_update();
        if of > 0 {
            observer.observe(Event::Counted { what, done, of });
        }
        tokio::select! {
            biased;
            ended = &mut work => return ended,
            Ok(()) = counts.changed() => {}
        }
    }
}

/// Gathers the planner statistics that are still missing.
async fn analyze(
    request: RestoreRequest<'_>,
    loader: Option<Loader<'_>>,
    observer: &dyn Observer,
) -> Result<()> {
    if !request.analyzes {
        let what =
            "no planner statistics were gathered, as asked: run ANALYZE before the target meets traffic";
        observer.observe(Event::Warned(what.to_owned()));
        return Ok(());
    }
    observer.observe(Event::Began(Phase::Analyze));
    if let Some(mut loader) = loader {
        let counts = loader.count_analyses();
        let without = counting(counts, "tables", observer, loader.analyze()).await?;
        if !without.is_empty() {
            let what = format!("there are no planner statistics of {}", without.join(", "));
            observer.observe(Event::Warned(what));
        }
    }
    observer.observe(Event::Ended(Phase::Analyze));
    Ok(())
}

/// Makes everything that comes behind the rows, and tries once more what could not be made.
async fn finish(
    loader: &mut Loader<'_>,
    definitions: &Definitions<'_>,
    refused: &mut RefusedEntries,
    target: &ClearedTarget,
) -> Result<()> {
    let contents = Arc::clone(refused.contents());
    loader.build().await?;
    refused.add_rejected(definitions.make(Stage::Rest, &contents).await?);
    loader.fill().await?;
    refused.add_rejected(definitions.make(Stage::Last, &contents).await?);
    refused.add_steps(loader.take_refused());
    try_again(refused, target).await
}

/// Tries once more what could not be made.
async fn try_again(refused: &mut RefusedEntries, target: &ClearedTarget) -> Result<()> {
    let session = target.session();
    tokio::select! {
        tried = refused.try_again(session) => tried,
        silence = silence(session, "the target's server") => Err(silence),
    }
}

/// Loads the rows. What is to be built over them may have begun already.
async fn transfer<'a>(
    request: RestoreRequest<'a>,
    manifest: &Manifest,
    target: &'a ClearedTarget,
    course: &mut Course<'a>,
) -> Result<Option<Loader<'a>>> {
    let mut archive = CheckedArchive::open(request.store, manifest);
    let mut reader = ArchiveReader::new();
    let mut head = Vec::new();
    let mut loader = None;
    let unreadable = |cause| object::unreadable(&manifest.key, cause);
    while let Some(piece) = archive.next().await? {
        course.observer().observe(Event::Bytes(piece.len() as u64));
        let mut rest = &piece[..];
        loop {
            let step = reader.step(rest).map_err(unreadable)?;
            let (consumed, later) = rest.split_at(step.consumed);
            if loader.is_none() {
                head.extend_from_slice(consumed);
            }
            rest = later;
            match (step.event, &mut loader) {
                (None, _) => break,
                (Some(ArchiveEvent::Contents(contents)), _) => {
                    let head = std::mem::take(&mut head);
                    loader = Some(begin(request, manifest, target, &head, &contents, course).await?);
                }
                (Some(event), Some(loader)) => loader.take(event).await?,
                (Some(_), None) => {}
            }
        }
    }
    reader.finish().map_err(unreadable)?;
    if let Some(loader) = &mut loader {
        loader.load().await?;
    }
    Ok(loader)
}

/// Makes what rows go into, and opens the connections they go over. All that can fail without the target comes before it is changed.
async fn begin<'a>(
    request: RestoreRequest<'a>,
    manifest: &Manifest,
    target: &'a ClearedTarget,
    head: &[u8],
    contents: &Arc<Contents>,
    course: &mut Course<'a>,
) -> Result<Loader<'a>> {
    let mut selection = select(request, target, contents).await?;
    platform::check(
        target.session(),
        &selection,
        contents,
        manifest,
        target.makes_room(),
    )
    .await?;
    for lost in selection.lost_rows(contents, manifest) {
        course.observer().observe(Event::Warned(lost));
    }
    let mut definitions = Definitions::new(target, head, contents, &selection, request.leniency, manifest)?;
    if target.makes_room() {
        let room = Room::plan(target, contents, &selection).await?;
        let observer = course.observer();
        observer.observe(Event::Doing("dropping what the backup replaces".to_owned()));
        let made = Box::pin(room.make(target, || course.change()));
        let what = "what is dropped";
        locks::naming_holders(target.conninfo(), target.session(), what, observer, made).await?;
        observer.observe(Event::Doing("making definitions".to_owned()));
        // What depended on what was dropped went with it.
        selection = select(request, target, contents)
            .await?
            .with_schemas(contents, &room.kept_schemas);
        definitions.list(contents, &selection)?;
    } else {
        clean::check_configuration(target, contents, &selection).await?;
    }
    course.change();
    let definitions = course.definitions.insert(definitions);
    let rejected = definitions.make(Stage::Before, contents).await?;
    let refused = course
        .refused
        .insert(RefusedEntries::new(contents, request.leniency.keeps_tablespaces));
    if !rejected.is_empty() {
        refused.add_rejected(rejected);
        loader::prepare(target.session(), contents).await?;
        try_again(refused, target).await?;
    }
    clean::empty_configuration(target, contents, &selection).await?;
    if let Some(expected) = &manifest.access {
        access::close(target.conninfo(), expected, target.profile()).await?;
    }
    let absent = refused.rows_without_table();
    begin_load(request, target, contents, selection, absent).await
}

/// Opens as many connections as were asked for, or as many as the target has left.
async fn begin_load<'a>(
    request: RestoreRequest<'_>,
    target: &'a ClearedTarget,
    contents: &Arc<Contents>,
    selection: Selection,
    absent: HashSet<DumpId>,
) -> Result<Loader<'a>> {
    let connections = budget::connections(target.session(), request.jobs, 0).await?;
    let (conninfo, session) = (target.conninfo(), target.session());
    Loader::begin(
        conninfo,
        session,
        contents,
        selection,
        absent,
        loader::LoadOptions {
            leniency: request.leniency,
            connections,
            gathers_statistics: request.analyzes,
        },
    )
    .await
}

/// Decides which parts of the backup are restored. Nothing is changed.
async fn select(
    request: RestoreRequest<'_>,
    target: &ClearedTarget,
    contents: &Contents,
) -> Result<Selection> {
    let session = target.session();
    let encoding = plan::encoding(contents).to_owned();
    let settings = BTreeMap::from([("client_encoding".to_owned(), encoding)]);
    let definitions =
        async || verify::dump_definitions(session, target.conninfo(), request.tools, &settings).await;
    platform::select(session, target.profile(), contents, definitions).await
}
