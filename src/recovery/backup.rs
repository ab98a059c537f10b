//! Source → archive → blocks → object → roles and settings → manifest.
//!
//! One pass: while the archive flows to the store it is read, so the manifest describes exactly the bytes stored. The
//! manifest is written last, and a backup exists when it does. All that fails before leaves no backup behind.

use tokio::sync::watch;

use super::answer::answer;
use super::attempt::BackupFailure;
use super::dump::{DumpProgress, dump, until};
use super::packer::Packer;
use super::reservation::{Reservation, reserve};
use super::snapshot::SourceSnapshot;
use super::{access, derived, globals, manifests, plan, soundness, suspicion, trouble};
use crate::archive::Contents;
use crate::error::{Error, Kind, Result};
use crate::model::identity::Identity;
use crate::model::key::BackupKey;
use crate::model::left_out::LeftOut;
use crate::model::manifest::{self, Framing, Manifest, Source};
use crate::model::shrinking::ShrinkLimits;
use crate::model::source_state::Concerned;
use crate::model::timeline::{Event, Observer, Phase};
use crate::model::trouble::Troubles;
use crate::postgres::address;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::examination;
use crate::postgres::pooling;
use crate::postgres::queries::{self, ServerFacts};
use crate::postgres::rights::Name;
use crate::postgres::session::Session;
use crate::postgres::tools::{Installation, Tools};
use crate::store::Store;

pub use super::manifests::Made;
pub use super::reservation::Clock;

/// What a backup is made of and where it goes.
#[derive(Clone, Copy)]
pub struct BackupRequest<'a> {
    /// The database to back up.
    pub source: &'a Conninfo,
    pub tools: &'a Tools,
    /// Where the backup goes.
    pub store: &'a Store,
    /// Names the backup and dates its manifest.
    pub clock: Clock<'a>,
    /// How often it is tried while the source is being changed, at least once.
    pub attempts: u32,
    /// Whether what no restore could make again is looked for: one more session reads the tables while they are dumped.
    pub looks_for_trouble: bool,
    /// How much less it may hold than the one before it.
    pub limits: &'a ShrinkLimits,
}

/// How often a backup is tried where nothing else is said.
pub const ATTEMPTS: u32 = 3;

/// What is known of the source before the dump and is not in the archive.
struct SourceFacts {
    facts: ServerFacts,
    identity: Identity,
    copy_settings: std::collections::BTreeMap<String, String>,
    /// What a session has that asks for none.
    usual_time_zone: String,
    policy_roles: Vec<String>,
    unreadable: Vec<Name>,
    left_out: Vec<LeftOut>,
}

/// Makes one backup. Where the source is changed meanwhile, so that no dump could hold what it held, it is tried again.
pub async fn backup(request: BackupRequest<'_>, observer: &dyn Observer) -> Result<Made> {
    // What is asked and what is dumped must come from one server, also where a name has several addresses.
    let (session, source) = address::connect(request.source).await?;
    let source = &pooling::refuse_transactions(&session, &source).await?;
    drop(session);
    let request = BackupRequest { source, ..request };
    let mut number = 1;
    loop {
        let failure = match Box::pin(attempt(request, number, observer)).await {
            Ok(made) => {
                observer.observe(Event::Ended(Phase::Backup));
                return Ok(made);
            }
            Err(failure) => failure,
        };
        match failure {
            BackupFailure::Retryable(error) if number < request.attempts => {
                let why = error.causes().join(": ");
                observer.observe(Event::Warned(format!(
                    "attempt {number} made no backup: {error}: {why}"
                )));
                number += 1;
            }
            failure => return Err(failure.into()),
        }
    }
}

/// One attempt: its own key, its own snapshot, and no trace where it fails.
async fn attempt(
    request: BackupRequest<'_>,
    number: u32,
    observer: &dyn Observer,
) -> Result<Made, BackupFailure> {
    let BackupRequest { source, store, .. } = request;
    let session = Session::connect(source).await?;
    let origin = inspect(&session).await?;
    let installation = request.tools.for_server(origin.facts.major, Kind::Source)?;
    let reservation = reserve(store, request.clock).await?;
    if number == 1 {
        observer.observe(Event::Began(Phase::Backup));
        observer.observe(Event::Expected(origin.facts.bytes));
        if let Some(limit) = installation.limit(origin.facts.major) {
            observer.observe(Event::Warned(limit));
        }
    }
    let upload = reservation.upload.clone();
    let made = Box::pin(make(
        request,
        reservation,
        session,
        origin,
        installation,
        observer,
    ))
    .await;
    if made.is_err()
        && let Err(left) = upload.abort().await
    {
        observer.observe(Event::Warned(format!("an upload was left behind: {left}")));
    }
    made
}

/// Snapshot → dump → object → manifest.
async fn make(
    request: BackupRequest<'_>,
    reservation: Reservation,
    session: Session,
    origin: SourceFacts,
    installation: &Installation,
    observer: &dyn Observer,
) -> Result<Made, BackupFailure> {
    let BackupRequest { source, store, .. } = request;
    let Reservation {
        began_at,
        key,
        upload,
    } = reservation;
    let mut copy_settings = origin.copy_settings;
    if let Some(zone) = other_time_zone(source, &origin.usual_time_zone, installation, observer).await {
        copy_settings.insert("TimeZone".to_owned(), zone);
    }
    let snapshot = SourceSnapshot::take(source, session, &origin.unreadable, observer).await?;
    let access = access::record(source, &snapshot, observer).await?;
    let named = access
        .named_roles()
        .into_iter()
        .chain(origin.policy_roles.clone());
    let globals = globals::collect(source, &snapshot, installation, key, named.collect(), observer).await?;
    let encoding = copy_settings
        .get("client_encoding")
        .map_or("UTF8", String::as_str);
    let command = installation.dump_snapshot(source, &origin.unreadable, snapshot.id(), encoding);
    let packer = Packer::new(upload, origin.facts.bytes);
    let progress = watch::Sender::new(DumpProgress::Waiting);
    let looked = async {
        Ok(match request.looks_for_trouble {
            true => trouble::look(source, &snapshot, &progress, observer).await,
            false => None,
        })
    };
    let derived = async {
        until(&progress, DumpProgress::Begun).await;
        derived::record(source, &snapshot, &copy_settings, &origin.unreadable, observer).await
    };
    let ((surveyed, packer), troubles, derived) = tokio::try_join!(
        dump(source, command, &snapshot, packer, &progress, observer),
        looked,
        derived
    )?;
    check_soundness(&surveyed.contents)?;
    let troubles = with_outdated_dump(
        troubles,
        &surveyed.contents,
        &origin.facts.server_version,
        observer,
    );
    // What else is read in the snapshot must have been read by now.
    snapshot.check(Concerned::Rows).await?;
    let stored = packer.finish().await?;
    check_size(store, key, stored.stored_bytes).await?;
    let globals = globals.publish(store).await?;
    let mut manifest = Manifest {
        manifest_version: manifest::VERSION,
        key: key.to_string(),
        started_at: began_at,
        finished_at: (request.clock)(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        pg_dump_version: surveyed.contents.header.dump_version.clone(),
        source: Source {
            database: origin.facts.database,
            project_ref: source.project_ref(),
            system_identifier: origin.facts.system_identifier,
            server_version: origin.facts.server_version,
            identity: origin.identity,
        },
        copy_settings,
        raw_bytes: surveyed.raw_bytes,
        head_bytes: surveyed.contents.head_bytes,
        stored_bytes: stored.stored_bytes,
        sha256: stored.sha256,
        framing: Framing::Members,
        blocks: stored.blocks.into(),
        entries: plan::definitions(&surveyed.contents),
        sequences: plan::sequences(&surveyed.contents),
        populated_views: plan::populated_views(&surveyed.contents),
        extensions: plan::extensions(&surveyed.contents),
        roles: origin.policy_roles,
        left_out: origin.left_out,
        tables: surveyed.tables,
        large_objects: surveyed.large_objects,
        data_ranges: Some(surveyed.data_ranges),
        access: Some(access),
        derived,
        troubles,
        globals: Some(globals),
        suspicion: None,
    };
    manifest.suspicion = suspicion::compare(store, key, &manifest, request.limits, observer).await;
    let manifest = manifests::publish(store, key, manifest).await?;
    Ok(Made {
        key,
        manifest_key: key.manifest_key(),
        manifest,
    })
}

async fn inspect(session: &Session) -> Result<SourceFacts> {
    let unreadable = examination::unreadable(session).await?.platforms;
    Ok(SourceFacts {
        left_out: examination::left_out(session, &unreadable).await?,
        facts: queries::facts(session).await?,
        identity: queries::identity::identity(session).await?,
        copy_settings: queries::copy_settings(session).await?,
        usual_time_zone: queries::time_zone(session).await?,
        policy_roles: queries::policy_roles(session).await?,
        unreadable,
    })
}

/// The time zone in which pg_dump writes instants, where that may not be the one it asks for as its connection begins: a pooler may
/// keep that to itself, and then it has the `usual` one, which database or role set. Another program of its kind is asked. No backup
/// fails for want of the answer.
async fn other_time_zone(
    source: &Conninfo,
    usual: &str,
    installation: &Installation,
    observer: &dyn Observer,
) -> Option<String> {
    if usual.trim_start_matches("Etc/") == "UTC" {
        return None;
    }
    let told = match installation.tell_time_zone(source) {
        Some(command) => answer("psql", command, source).await,
        None => Err(Error::new(Kind::Source, "there is no psql beside pg_dump")),
    };
    match told {
        Ok(zone) => Some(String::from_utf8_lossy(&zone).trim().to_owned()),
        Err(error) => {
            let what = format!(
                "{error}: in which time zone pg_dump writes is not known; UTC is taken for granted, where the source's is {usual}"
            );
            observer.observe(Event::Warned(what));
            None
        }
    }
}

/// Adds to the troubles what a pg_dump that is older than the server's minor version wrote down.
fn with_outdated_dump(
    mut troubles: Option<Troubles>,
    contents: &Contents,
    server: &str,
    observer: &dyn Observer,
) -> Option<Troubles> {
    let definitions = soundness::with_internal_options(contents);
    if definitions > 0 {
        let what = format!(
            "{definitions} definitions set pg_attver, and servers without it refuse them: pg_dump {} is older than the server, {server}; \
             back up with programs as new as the server",
            contents.header.dump_version
        );
        observer.observe(Event::Warned(what.clone()));
        if let Some(troubles) = &mut troubles {
            troubles.found.push(what);
        }
    }
    troubles
}

/// What cannot be restored is not published. A definition that pg_dump met halfway is another one at the next attempt.
fn check_soundness(contents: &Contents) -> Result<(), BackupFailure> {
    let hollow = soundness::hollow_entries(contents);
    if hollow.is_empty() {
        return Ok(());
    }
    Err(BackupFailure::Retryable(
        Error::new(
            Kind::Source,
            "the dump holds definitions that cannot be made again",
        )
        .caused_by(format!("nothing is in the definition of {}", hollow.join(", ")))
        .hint("no backup was made; back up while no migration runs, or allow more attempts with --attempts"),
    ))
}

async fn check_size(store: &Store, key: BackupKey, stored_bytes: u64) -> Result<()> {
    let found = store.head(&key.to_string()).await?.map(|facts| facts.bytes);
    if found == Some(stored_bytes) {
        return Ok(());
    }
    let found = found.map_or_else(|| "nothing".to_owned(), |bytes| format!("{bytes} bytes"));
    Err(Error::new(
        Kind::Store,
        format!("{stored_bytes} bytes were stored as {key}, and {found} came to be there"),
    )
    .hint("no backup was made; try again"))
}
