//! Source → archive → blocks → object → manifest.
//!
//! One pass: while the archive flows to the store it is read, so the manifest describes exactly the bytes stored. The
//! manifest is written last, and a backup exists when it does. Whatever fails before leaves no backup behind.

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdout, Command};

use super::answer::answer;
use super::packer::{BLOCK_RAW_BYTES, Packed, Packer};
use super::survey::{Surveyed, Surveying};
use super::{catalog, plan};
use crate::child::Child;
use crate::error::{Error, Kind, Result};
use crate::model::key::BackupKey;
use crate::model::manifest::{self, Framing, Manifest, Source};
use crate::model::timeline::{Event, Observer, Phase};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::examination;
use crate::postgres::pooling;
use crate::postgres::queries::{self, Facts};
use crate::postgres::rights::Name;
use crate::postgres::session::Session;
use crate::postgres::tools::{Installation, Tools};
use crate::store::{Published, Store, Upload};

/// Tells the time, in UTC.
pub type Clock<'a> = &'a (dyn Fn() -> Timestamp + Send + Sync);

/// What a backup is made of and where it goes.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The database to back up.
    pub source: &'a Conninfo,
    /// PostgreSQL's programs.
    pub tools: &'a Tools,
    /// Where the backup goes.
    pub store: &'a Store,
    /// Names the backup and dates its manifest.
    pub clock: Clock<'a>,
}

/// What is known of the source before the dump and is not in the archive.
struct Origin {
    facts: Facts,
    copy_settings: std::collections::BTreeMap<String, String>,
    /// What a session has that asks for none.
    usual_time_zone: String,
    policy_roles: Vec<String>,
    unreadable: Vec<Name>,
}

/// A backup that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The object's key.
    pub key: BackupKey,
    /// The manifest's key.
    pub manifest_key: String,
    /// What the manifest says.
    #[serde(skip)]
    pub manifest: Manifest,
}

/// Makes one backup.
pub async fn backup(request: Request<'_>, observer: &dyn Observer) -> Result<Made> {
    let started_at = (request.clock)();
    let key = BackupKey::at(started_at);
    let origin = inspect(request.source).await?;
    catalog::check_access(request.store, key).await?;
    observer.observe(Event::Began(Phase::Backup));
    observer.observe(Event::Expected(origin.facts.bytes));
    let installation = request.tools.for_server(origin.facts.major, Kind::Source)?;
    if let Some(limit) = installation.limit(origin.facts.major) {
        observer.observe(Event::Warned(limit));
    }
    let mut copy_settings = origin.copy_settings;
    if let Some(zone) = other_time_zone(request.source, &origin.usual_time_zone, installation, observer).await
    {
        copy_settings.insert("TimeZone".to_owned(), zone);
    }
    let upload = request.store.begin_upload(&key.to_string()).await?;
    for (schema, table) in &origin.unreadable {
        let what =
            format!("{schema}.{table} is left out: it is the platform's, and the role may not read it");
        observer.observe(Event::Noted(what));
    }
    let dump = installation.dump(request.source, &origin.unreadable);
    let stored = match store_dump(request.source, dump, &upload, origin.facts.bytes, observer).await {
        Ok(stored) => stored,
        Err(error) => {
            if let Err(left) = upload.abort().await {
                observer.observe(Event::Warned(format!("an upload was left behind: {left}")));
            }
            return Err(error);
        }
    };
    let (surveyed, packed) = stored;
    check_size(request.store, key, packed.stored_bytes).await?;
    let manifest = Manifest {
        manifest_version: manifest::VERSION,
        key: key.to_string(),
        started_at,
        finished_at: (request.clock)(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        pg_dump_version: surveyed.contents.header.dump_version.clone(),
        source: Source {
            database: origin.facts.database,
            project_ref: request.source.project_ref(),
            system_identifier: origin.facts.system_identifier,
            server_version: origin.facts.server_version,
        },
        copy_settings,
        raw_bytes: surveyed.raw_bytes,
        head_bytes: surveyed.contents.head_bytes,
        stored_bytes: packed.stored_bytes,
        sha256: packed.sha256,
        framing: Framing::Members,
        blocks: packed.blocks,
        entries: plan::definitions(&surveyed.contents),
        sequences: plan::sequences(&surveyed.contents),
        populated_views: plan::populated_views(&surveyed.contents),
        extensions: plan::extensions(&surveyed.contents),
        roles: origin.policy_roles,
        tables: surveyed.tables,
        large_objects: surveyed.large_objects,
    };
    publish(request.store, key, &manifest).await?;
    observer.observe(Event::Ended(Phase::Backup));
    Ok(Made {
        key,
        manifest_key: key.manifest_key(),
        manifest,
    })
}

async fn inspect(source: &Conninfo) -> Result<Origin> {
    pooling::refuse_transactions(source).await?;
    let session = Session::connect(source).await?;
    Ok(Origin {
        facts: queries::facts(&session).await?,
        copy_settings: queries::copy_settings(&session).await?,
        usual_time_zone: queries::time_zone(&session).await?,
        policy_roles: queries::policy_roles(&session).await?,
        unreadable: examination::unreadable(&session).await?.platforms,
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

/// Runs pg_dump, reads its archive as it flows, and stores it. Succeeds only if all of it is there.
async fn store_dump(
    source: &Conninfo,
    command: Command,
    upload: &Upload,
    expected_bytes: u64,
    observer: &dyn Observer,
) -> Result<(Surveyed, Packed)> {
    let mut packer = Packer::new(upload.clone(), expected_bytes);
    let mut survey = Surveying::begin();
    let mut dump = Child::start("pg_dump", command)?;
    let mut output = dump
        .take_output()
        .ok_or_else(|| Error::new(Kind::Internal, "pg_dump has no output"))?;
    widen(&output);
    let read = loop {
        let read = read_block(&mut output);
        let block = source.patience().bear(source.side(), "pg_dump", read).await??;
        if block.is_empty() {
            break survey.finish().await?;
        }
        observer.observe(Event::Bytes(block.len() as u64));
        if !survey.feed(block.clone()).await {
            break survey.finish().await?;
        }
        packer.push(block).await?;
    };
    // Why pg_dump failed explains why its archive is cut, not the other way round.
    if read
        .as_ref()
        .err()
        .is_none_or(crate::archive::ArchiveError::is_incomplete)
    {
        dump.ended().await?.well(Kind::Source).map_err(advised)?;
    }
    let surveyed = read.map_err(|cause| {
        Error::new(Kind::Source, "pg_dump did not write a whole archive")
            .caused_by(cause)
            .hint("no backup was made; try again, and check the version of pg_dump")
    })?;
    Ok((surveyed, packer.finish().await?))
}

/// What to do about a dump that failed. pg_dump words a lock that it did not get in time as any other statement cut off.
fn advised(error: Error) -> Error {
    let waited_for_a_lock = error
        .causes()
        .iter()
        .any(|cause| cause.contains("LOCK TABLE") && cause.contains("canceling statement"));
    if waited_for_a_lock {
        return error.hint(
            "no backup was made: another session holds a lock on that table; find it with pg_blocking_pids(), end it, and try again",
        );
    }
    error.hint("no backup was made; see what pg_dump said, and check the role's rights and the server's log")
}

/// Lets pg_dump write on while we are busy: a pipe holds little unless it is asked for more.
#[cfg(target_os = "linux")]
fn widen(output: &ChildStdout) {
    // Where it may not be wider it works as well.
    let _ = rustix::pipe::fcntl_setpipe_size(output, BLOCK_RAW_BYTES);
}

/// Only Linux can be asked.
#[cfg(not(target_os = "linux"))]
fn widen(_: &ChildStdout) {}

/// The next block of the dump: full, save for the last; empty behind it.
async fn read_block(output: &mut ChildStdout) -> Result<Bytes> {
    let mut block = BytesMut::with_capacity(BLOCK_RAW_BYTES);
    while block.len() < BLOCK_RAW_BYTES {
        let room = BLOCK_RAW_BYTES - block.len();
        let read = output.take(room as u64).read_buf(&mut block).await;
        let read =
            read.map_err(|cause| Error::new(Kind::Source, "cannot read from pg_dump").caused_by(cause))?;
        if read == 0 {
            break;
        }
    }
    Ok(block.freeze())
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

/// Publishes the manifest, which makes the object a backup.
pub(super) async fn publish(store: &Store, key: BackupKey, manifest: &Manifest) -> Result<()> {
    match store
        .publish(&key.manifest_key(), manifest.encode()?, "application/json")
        .await?
    {
        Published::Now => Ok(()),
        // An answer that was lost is asked for again: what is there may be our own.
        Published::Before
            if catalog::read_manifest(store, key)
                .await
                .is_ok_and(|found| found == *manifest) =>
        {
            Ok(())
        }
        Published::Before => Err(
            Error::new(Kind::Store, format!("another backup published {key} first"))
                .hint("two backups began in the same second: run one at a time"),
        ),
    }
}
