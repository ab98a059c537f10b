//! A target or an object against its manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::access::{self, AccessCheckOptions};
use super::answer::answer;
use super::derived;
use super::guard::ClearedTarget;
use super::index_answers;
use super::meaning;
use super::object::{self, CheckedArchive};
use super::plan;
use super::platform::{self, RestoreScope};
use super::readers::Readers;
use super::survey::Survey;
use super::zones;
use super::{globals, settings, tables};
use crate::archive::Contents;
use crate::error::{Error, Kind, Result};
use crate::model::check_names;
use crate::model::comparison::{self, TableReport, Verification, Wording};
use crate::model::depth::Depth;
use crate::model::fingerprint::{Fingerprint, LargeObjectHasher};
use crate::model::manifest::Manifest;
use crate::model::product::{CountedTables, TableCounts};
use crate::model::profile::Profile;
use crate::model::timeline::{Event, Observer};
use crate::model::verdict::Check;
use crate::postgres::address;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::examination;
use crate::postgres::pooling;
use crate::postgres::queries;
use crate::postgres::session::Session;
use crate::postgres::tools::{Tools, major_version};
use crate::store::Store;

const LARGE_OBJECT_READ_BYTES: i32 = 1 << 20;

/// Compares a restored database with the manifest: rows, content, definitions, sequences, rights, and whether constraints, indexes
/// and materialized views are in the state the backup had.
pub async fn target(
    manifest: &Manifest,
    target: &Conninfo,
    scope: &RestoreScope,
    tools: &Tools,
    jobs: usize,
    observer: &dyn Observer,
) -> Result<Verification> {
    let session = Session::connect(target).await?;
    let target = pooling::refuse_transactions(&session, target).await?;
    compare(manifest, session, &target, scope, tools, jobs, observer).await
}

/// The same, of the target of a restore. How it is reached was examined before it was cleared; what it holds is asked of its server
/// here, over connections of their own.
pub(super) async fn cleared(
    manifest: &Manifest,
    target: &ClearedTarget,
    scope: &RestoreScope,
    tools: &Tools,
    jobs: usize,
    observer: &dyn Observer,
) -> Result<Verification> {
    let target = target.conninfo();
    // Settings of the database and of roles that were restored hold in new sessions alone.
    let session = Session::connect(target).await?;
    compare(manifest, session, target, scope, tools, jobs, observer).await
}

async fn compare(
    manifest: &Manifest,
    session: Session,
    target: &Conninfo,
    scope: &RestoreScope,
    tools: &Tools,
    jobs: usize,
    observer: &dyn Observer,
) -> Result<Verification> {
    queries::be_patient(&session).await?;
    observer.observe(Event::Expected(manifest.raw_bytes));
    let tables = match scope.depth() {
        Depth::Content => {
            let found = tables::compare(manifest, &session, target, scope, jobs, observer).await?;
            zones::in_their_zone(manifest, target, scope, jobs, found, observer).await?
        }
        Depth::Counts => tables::count(&session, manifest, scope).await?,
    };
    let (content, large_objects) = match scope.depth() {
        Depth::Content => (
            comparison::content(&tables),
            comparison::large_objects(manifest.large_objects, read_large_objects(&session).await?),
        ),
        Depth::Counts => {
            let why = "only rows were counted, as asked: this proves nothing of what they hold";
            (
                Check::skipped(check_names::CONTENT, why),
                Check::skipped(check_names::LARGE_OBJECTS, why),
            )
        }
    };
    let doing = |what: &str| observer.observe(Event::Doing(what.to_owned()));
    doing("comparing definitions");
    let restored = dump_definitions(&session, target, tools, &manifest.copy_settings).await?;
    let expected = scope.expected_entries(manifest);
    let mut found = scope.found_entries(&restored, &expected, plan::definitions(&restored));
    if meaning::has_large_object_comments(&expected) {
        let comments = queries::comparing::large_object_comments(&session).await?;
        found.extend(
            comments
                .iter()
                .map(|(oid, comment)| meaning::large_object_comment(*oid, comment)),
        );
    }
    let (expected, found) = scope.meaning().compared(expected, found, &restored);

    let unvalidated = queries::comparing::unvalidated_constraints(&session).await?;
    let unvalidated = scope.found_unvalidated(unvalidated);
    let asked = AccessCheckOptions {
        expected: manifest.access.as_ref(),
        profile: scope.profile(),
        accepted: scope.accepts_unknown_rights(),
    };
    // Opened behind pg_dump: a target may allow no more connections than that one needs.
    let readers = Readers::new(target, jobs);
    doing("comparing owners and rights");
    let (rights, row_security) = access::verify(asked, &session, &readers).await?;
    let mut checks = vec![
        comparison::rows(&tables),
        content,
        large_objects,
        comparison::definitions(&expected, &found, wording(manifest, &restored), &row_security),
        comparison::sequences(
            &scope.expected_sequences(manifest),
            &queries::comparing::sequences(&session).await?,
        ),
        comparison::constraints(&unvalidated, scope.unvalidated()),
        comparison::indexes(&queries::comparing::invalid_indexes(&session).await?),
        comparison::populated_views(
            &scope.expected_views(manifest),
            &queries::comparing::populated_views(&session).await?,
        ),
    ];
    if scope.depth() == Depth::Content {
        doing("comparing what indexes answer with what tables hold");
        checks.push(index_answers::verify(&session, &readers).await?);
        doing("comparing computed content");
        checks.extend(derived::verify(manifest, &readers, scope, &tables, observer).await?);
    }
    checks.extend(rights);
    let terms = settings::GlobalsCheckOptions {
        known: scope.settings(),
        profile: scope.profile(),
        accepts_missing: scope.accepts_missing_settings(),
        accepts_unknown: scope.accepts_unknown_rights().0,
    };
    checks.extend(settings::verify(terms, &session, manifest).await?);
    if !scope.filled().is_empty() {
        let broken = queries::platform::broken_references(&session, scope.filled()).await?;
        checks.push(comparison::references(&broken));
    }
    checks.extend(scope.check());
    checks.extend(scope.lost_rows(manifest));
    Ok(Verification::over(checks, tables))
}

/// Compares the tables that are `counted` with those of another database, which is only read.
pub async fn counts_against(
    verification: &Verification,
    counted: &CountedTables,
    other: &Conninfo,
) -> Result<Check> {
    let (session, other) = address::connect(other).await?;
    pooling::refuse_transactions(&session, &other).await?;
    queries::forbid_writes(&session).await?;
    queries::be_patient(&session).await?;
    let mut counts = TableCounts::new();
    for table in counted {
        let rows = queries::comparing::count_rows(&session, &table.schema, &table.name, None).await?;
        counts.insert(table.short_name(), rows);
    }
    Ok(comparison::counts_against(
        counted,
        &verification.counts_of(counted),
        &counts,
    ))
}

/// Reads the whole object and compares what its archive holds with the manifest. Damage is an error; so a verification that
/// comes back is of an intact object.
pub async fn object(store: &Store, manifest: &Manifest, observer: &dyn Observer) -> Result<Verification> {
    object::check_length(store, manifest).await?;
    observer.observe(Event::Expected(manifest.raw_bytes));
    let unreadable = |cause| object::unreadable(&manifest.key, cause);
    let mut archive = CheckedArchive::open(store, manifest);
    let mut survey = Survey::default();
    while let Some(piece) = archive.next().await? {
        observer.observe(Event::Bytes(piece.len() as u64));
        survey.feed(&piece).map_err(unreadable)?;
    }
    let surveyed = survey.finish().map_err(unreadable)?;
    let tables = comparison::tables(&manifest.tables, &surveyed.tables);
    let blocks = Check::none_of(
        check_names::BLOCKS,
        &[],
        format!("{} blocks as they were stored", manifest.blocks.len()),
    );
    let mut checks = vec![
        blocks,
        comparison::rows(&tables),
        comparison::content(&tables),
        comparison::large_objects(manifest.large_objects, surveyed.large_objects),
        comparison::definitions(
            &manifest.entries,
            &plan::definitions(&surveyed.contents),
            Wording::Same,
            &[],
        ),
    ];
    if let Some(record) = globals::read(store, manifest).await? {
        let well = format!("whole: {} settings", record.settings.len());
        checks.push(Check::none_of(check_names::ROLES_AND_SETTINGS, &[], well));
    }
    Ok(Verification::over(checks, tables))
}

/// What reading an object without a manifest to its end has shown: that it is whole. Its `manifest` was made of the same bytes, so
/// comparing them with it would prove nothing.
pub fn unattested_object(manifest: &Manifest) -> Verification {
    let tables: Vec<TableReport> = manifest
        .tables
        .iter()
        .map(|table| TableReport::counted(table, Some(table.content.rows)))
        .collect();
    let (stored_bytes, raw_bytes) = (manifest.stored_bytes, manifest.raw_bytes);
    let (rows, count) = (manifest.rows(), tables.len());
    let why = "what it held when it was made is not recorded";
    let mut checks = vec![
        Check::none_of(
            check_names::GZIP,
            &[],
            format!("whole: {raw_bytes} bytes in {stored_bytes}"),
        ),
        Check::none_of(
            check_names::ARCHIVE,
            &[],
            format!("whole: {rows} rows in {count} tables"),
        ),
    ];
    checks.extend(
        [
            check_names::ROWS,
            check_names::CONTENT,
            check_names::LARGE_OBJECTS,
            check_names::SCHEMA,
        ]
        .map(|name| Check::skipped(name, why)),
    );
    Verification::over(checks, tables)
}

/// Definitions are worded by the server and by its pg_dump.
fn wording(manifest: &Manifest, restored: &Contents) -> Wording {
    let then = (&manifest.source.server_version, &manifest.pg_dump_version);
    let now = (&restored.header.server_version, &restored.header.dump_version);
    if (major_version(then.0), major_version(then.1)) == (major_version(now.0), major_version(now.1)) {
        Wording::Same
    } else {
        Wording::OfAnotherVersion
    }
}

async fn read_large_objects(session: &Session) -> Result<Fingerprint> {
    let mut hasher = LargeObjectHasher::new();
    for oid in queries::comparing::large_objects(session).await? {
        hasher.began(oid);
        let mut offset = 0;
        loop {
            let piece =
                queries::comparing::read_large_object(session, oid, offset, LARGE_OBJECT_READ_BYTES).await?;
            if piece.is_empty() {
                break;
            }
            hasher.data(&piece);
            offset += i64::try_from(piece.len()).unwrap_or(i64::MAX);
        }
        hasher.ended();
    }
    Ok(hasher.finish())
}

/// Which parts of the backup a verification of this target asks for: all that its platform does not bring itself. Without a
/// `profile` the target tells whether it is on a platform. Settings that cannot be read are an error, unless missing ones are accepted.
pub async fn scope(
    store: &Store,
    manifest: &Manifest,
    target: &Conninfo,
    tools: &Tools,
    profile: Option<Profile>,
    accepts_missing_settings: bool,
) -> Result<RestoreScope> {
    let (known, _) = globals::known(store, manifest, accepts_missing_settings, None).await?;
    let session = Session::connect(target).await?;
    let profile = match profile {
        Some(profile) => profile,
        None => queries::platform::profile(&session).await?,
    };
    let contents = object::contents(store, manifest).await?;
    let definitions = async || dump_definitions(&session, target, tools, &manifest.copy_settings).await;
    let selection = platform::select(&session, profile, &contents, definitions).await?;
    Ok(RestoreScope::of(&selection, &contents)
        .knowing(known)
        .accepting_missing_settings(accepts_missing_settings))
}

/// The target's definitions, as pg_dump words them in a session with a backup's `settings`.
pub(super) async fn dump_definitions(
    session: &Session,
    target: &Conninfo,
    tools: &Tools,
    settings: &BTreeMap<String, String>,
) -> Result<Arc<Contents>> {
    let encoding = settings.get("client_encoding").map_or("UTF8", String::as_str);
    let settings = queries::other_wordings(session, settings).await?;
    let facts = queries::facts(session).await?;
    let without = examination::unreadable(session).await?.platforms;
    let installation = tools.for_server(facts.major, target.side().kind())?;
    let archive = answer(
        "pg_dump",
        installation.dump_schema(target, &without, encoding, &settings),
        target,
    )
    .await?;
    let mut survey = Survey::default();
    survey
        .feed(&archive)
        .and_then(|()| survey.finish())
        .map(|surveyed| surveyed.contents)
        .map_err(|cause| {
            Error::new(Kind::Target, "pg_dump did not write the target's definitions").caused_by(cause)
        })
}
