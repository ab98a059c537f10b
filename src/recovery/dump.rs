//! pg_dump of one snapshot, read as it flows to the store.

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdout, Command};
use tokio::sync::watch;

use super::attempt::BackupFailure;
use super::locks;
use super::packer::{BLOCK_RAW_BYTES, Packer};
use super::snapshot::SourceSnapshot;
use super::survey::{Surveyed, Surveying};
use crate::child::Child;
use crate::error::{Error, Kind, Result};
use crate::model::source_state::Concerned;
use crate::model::timeline::{Event, Observer};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::patience::ServerTimeouts;

/// What pg_dump or the server says where something was dropped while pg_dump read it.
const SIGNS_OF_CHANGE: [&str; 6] = [
    "cache lookup failed",
    "could not open relation with OID",
    "could not find",
    "does not exist",
    "concurrently",
    "deadlock detected",
];

/// What the server says of a row that it cannot send: its buffer for one holds 1 GiB.
const SIGNS_OF_LENGTH: [&str; 3] = [
    "invalid memory alloc request size",
    "string buffer exceeds maximum allowed length",
    "out of memory",
];
const ROW_CANNOT_BE_SENT: &str = "no backup was made: the server cannot send a row of the table that pg_dump names. No row may be longer \
    than 1 GiB as text, and bytea takes twice its size there: make the value smaller, or keep it in a large object. Where no row is that \
    long, see the server's log for a lack of memory or for damage";

/// How far a dump is. What else reads the source begins when it has begun: a role may have few connections, and pg_dump needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DumpProgress {
    /// pg_dump has written nothing yet.
    Waiting,
    /// It has all locks and all definitions, and writes.
    Begun,
    /// All of it came.
    Ended,
}

/// Waits until the dump is that far. One that failed never is.
pub(super) async fn until(progress: &watch::Sender<DumpProgress>, wanted: DumpProgress) {
    // The sender is borrowed, so it is there.
    let _ = progress.subscribe().wait_for(|now| *now >= wanted).await;
}

/// Runs pg_dump in the snapshot, reads its archive as it flows, and packs it. Succeeds only if all of it came and no definition was
/// changed while pg_dump read it. The object is not made yet: that is for the packer to finish.
pub(super) async fn dump(
    source: &Conninfo,
    command: Command,
    snapshot: &SourceSnapshot,
    packer: Packer,
    progress: &watch::Sender<DumpProgress>,
    observer: &dyn Observer,
) -> Result<(Surveyed, Packer), BackupFailure> {
    let checked = async {
        until(progress, DumpProgress::Begun).await;
        snapshot.check(Concerned::Definitions).await
    };
    let dumped = async {
        let read = read(source, command, packer, progress, observer).await;
        match read {
            Err(BackupFailure::Final(error)) if error.kind() == Kind::Source => {
                Err(judged(error, snapshot).await)
            }
            read => read,
        }
    };
    tokio::select! {
        done = async { tokio::try_join!(dumped, checked) } => done.map(|(dumped, ())| dumped),
        lost = snapshot.keep_alive() => Err(lost),
        () = tell_holders(source, snapshot, progress, observer) => Err(BackupFailure::Final(Error::new(
            Kind::Internal,
            "the wait for locks was told to its end",
        ))),
    }
}

/// Tells who holds a lock that pg_dump waits for, as long as it waits. Never ends.
async fn tell_holders(
    source: &Conninfo,
    snapshot: &SourceSnapshot,
    progress: &watch::Sender<DumpProgress>,
    observer: &dyn Observer,
) {
    let mut last = String::new();
    loop {
        tokio::time::sleep(locks::LOOK).await;
        if *progress.borrow() >= DumpProgress::Begun {
            return std::future::pending().await;
        }
        let holders = snapshot.lock_holders().await;
        if let Some(holders) = holders.filter(|holders| *holders != last) {
            observer.observe(locks::told(
                "a table that pg_dump reads",
                source.patience(),
                &holders,
            ));
            last = holders;
        }
    }
}

/// The error of a dump that failed, with what to do about it. A change of the source may be the reason: then another attempt may
/// succeed.
async fn judged(error: Error, snapshot: &SourceSnapshot) -> BackupFailure {
    let said = error.causes().join("\n");
    // pg_dump words a lock that it did not get in time as any other statement cut off.
    if said.contains("LOCK TABLE") && said.contains("canceling statement") {
        let holders = snapshot.lock_holders().await;
        let holders = holders.unwrap_or_else(|| "another session held a lock on that table".to_owned());
        return BackupFailure::Final(error.hint(format!(
            "no backup was made: {holders}; end that session or let it end, and try again"
        )));
    }
    let is_silence = ServerTimeouts::is_too_long(&error);
    let is_changed = !is_silence
        && matches!(
            snapshot.check(Concerned::Definitions).await,
            Err(BackupFailure::Retryable(_))
        );
    if is_changed || SIGNS_OF_CHANGE.iter().any(|sign| said.contains(sign)) {
        return BackupFailure::Retryable(error.hint(
            "no backup was made: something was changed or dropped while pg_dump read it; back up while no migration runs, \
             or allow more attempts with --attempts",
        ));
    }
    if SIGNS_OF_LENGTH.iter().any(|sign| said.contains(sign)) {
        return BackupFailure::Final(error.hint(ROW_CANNOT_BE_SENT));
    }
    BackupFailure::Final(
        error.hint(
            "no backup was made; see what pg_dump said, and check the role's rights and the server's log",
        ),
    )
}

async fn read(
    source: &Conninfo,
    command: Command,
    mut packer: Packer,
    progress: &watch::Sender<DumpProgress>,
    observer: &dyn Observer,
) -> Result<(Surveyed, Packer), BackupFailure> {
    let mut survey = Surveying::begin();
    let mut dump = Child::start("pg_dump", command)?;
    let mut output = dump
        .take_output()
        .ok_or_else(|| Error::new(Kind::Internal, "pg_dump has no output"))?;
    widen(&output);
    let read = loop {
        let read = read_block(&mut output);
        let block = source
            .patience()
            .with_timeout(source.side(), "pg_dump", read)
            .await??;
        progress.send_if_modified(|now| std::mem::replace(now, DumpProgress::Begun) != DumpProgress::Begun);
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
        dump.ended().await?.well(Kind::Source)?;
    }
    let surveyed = read.map_err(|cause| {
        Error::new(Kind::Source, "pg_dump did not write a whole archive")
            .caused_by(cause)
            .hint("no backup was made; try again, and check the version of pg_dump")
    })?;
    progress.send_replace(DumpProgress::Ended);
    Ok((surveyed, packer))
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
