//! Injects one fault from its description, and heals it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;

use super::contents::LEDGER;
use super::damage;
use super::servers::{DATABASE, TrialServers};
use crate::deadline::Deadline;
use crate::drill::processes;
use crate::drill::proxy::ToxicId;
use crate::drill::s3_faults::{FaultRule, RequestFailure, RuleId};
use crate::drill::scenario::{
    FaultKind, FaultStatement, Link, Program, ServerCrash, Space, StoreFailureMode, StoreFault, ToxicFault,
};
use crate::error::{Error, Kind, Result};
use crate::postgres::conninfo::Side;
use crate::postgres::session::Session;

/// Timeout for a program to appear that a fault is meant for.
const APPEARANCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);
/// How long a fault's statement waits for a lock.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// A fault that lasts until it is healed.
pub(super) enum ActiveFault {
    Toxic(Link, ToxicId),
    Cut(Link),
    Requests(RuleId),
    Session(Session),
    Writer(SourceWriter),
    Program(Hunt),
    Down(Side),
    Full,
}

/// A writer that changes rows while a dump runs.
pub(super) struct SourceWriter {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// The search for a program that gets a signal when it appears.
pub(super) struct Hunt {
    task: JoinHandle<Option<Pid>>,
    signal: Signal,
}

/// Injects the fault. One that lasts is returned.
pub(super) async fn inject(what: &FaultKind, servers: &TrialServers<'_>) -> Result<Option<ActiveFault>> {
    match what {
        FaultKind::Toxic(fault) => toxic(fault, servers).map(Some),
        FaultKind::Cut(link) => {
            servers.link(*link)?.set_down(true);
            Ok(Some(ActiveFault::Cut(*link)))
        }
        FaultKind::Reset(link) => {
            servers.link(*link)?.reset_connections();
            Ok(None)
        }
        FaultKind::Store(fault) => requests(fault, servers).await.map(Some),
        FaultKind::Damage(fault) => damage::inflict(*fault, servers).await.map(|()| None),
        FaultKind::ForeignKeys(count) => damage::plant_foreign(*count, servers.direct_store())
            .await
            .map(|()| None),
        FaultKind::OldKeys(count) => damage::plant_old(*count, servers.direct_store())
            .await
            .map(|()| None),
        FaultKind::Program(program) => hunt(*program, servers).map(Some),
        FaultKind::Backends(side) => {
            let statement = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'"
            );
            execute(servers, *side, "postgres", &statement).await?;
            Ok(None)
        }
        FaultKind::Server(ServerCrash { side, restarts }) => {
            let cluster = servers.cluster(*side)?;
            cluster.crash().await?;
            if *restarts {
                cluster.start_again().await?;
                return Ok(None);
            }
            Ok(Some(ActiveFault::Down(*side)))
        }
        FaultKind::Space(Space::Target) => {
            servers.cluster(Side::Target)?.fill_disk().await?;
            Ok(Some(ActiveFault::Full))
        }
        FaultKind::Sql(FaultStatement { side, sql }) => {
            execute(servers, *side, DATABASE, sql).await.map(|_| None)
        }
        FaultKind::Session(FaultStatement { side, sql }) => execute(servers, *side, DATABASE, sql)
            .await
            .map(|session| Some(ActiveFault::Session(session))),
        FaultKind::Writes => write(servers)
            .await
            .map(|writer| Some(ActiveFault::Writer(writer))),
        FaultKind::Substrate => {
            for side in [Side::Source, Side::Target] {
                if let Ok(cluster) = servers.cluster(side) {
                    cluster.crash().await?;
                }
            }
            servers.link(Link::Store)?.set_down(true);
            Ok(None)
        }
        FaultKind::Leftover => {
            let key = "2020/01/01/backup-20200101-020000.dump.gz";
            // Neither completed nor aborted: what a crash of the drill itself would leave.
            std::mem::forget(servers.direct_store().begin_upload(key).await?);
            Ok(None)
        }
        FaultKind::ClockAheadHours(_)
        | FaultKind::Tool(_)
        | FaultKind::Space(Space::TemporaryFiles)
        | FaultKind::Mistake(_)
        | FaultKind::Cutover(_) => Ok(None),
    }
}

impl ActiveFault {
    /// Ends it, and tells whether it did anything.
    pub(super) async fn heal(self, servers: &TrialServers<'_>) -> Result<bool> {
        match self {
            Self::Toxic(link, id) => {
                let proxy = servers.link(link)?;
                let fired = proxy.has_fired(id);
                proxy.remove(id);
                Ok(fired)
            }
            Self::Cut(link) => {
                servers.link(link)?.set_down(false);
                Ok(true)
            }
            Self::Requests(id) => {
                let plan = servers.requests()?;
                let fired = plan.fired(id) > 0;
                plan.end();
                Ok(fired)
            }
            Self::Session(session) => {
                drop(session);
                Ok(true)
            }
            Self::Writer(writer) => {
                writer.stop.store(true, Ordering::Release);
                let _ = writer.task.await;
                Ok(writer.written.load(Ordering::Acquire) > 0)
            }
            Self::Program(Hunt { task, signal }) => {
                if !task.is_finished() {
                    task.abort();
                }
                let struck = task.await.ok().flatten();
                if let (Some(program), Signal::STOP) = (struck, signal) {
                    let _ = kill_process(program, Signal::CONT);
                }
                Ok(struck.is_some())
            }
            Self::Down(side) => servers.cluster(side)?.start_again().await.map(|()| true),
            Self::Full => servers.cluster(Side::Target)?.free_disk().await.map(|()| true),
        }
    }
}

fn toxic(fault: &ToxicFault, servers: &TrialServers<'_>) -> Result<ActiveFault> {
    let proxy = servers.link(fault.link)?;
    let id = proxy.add(fault.toxic.clone(), fault.direction, fault.connections);
    Ok(ActiveFault::Toxic(fault.link, id))
}

async fn requests(fault: &StoreFault, servers: &TrialServers<'_>) -> Result<ActiveFault> {
    let failure = match fault.answer {
        StoreFailureMode::InternalError => {
            RequestFailure::Refused(500, "InternalError", "We encountered an internal error.")
        }
        StoreFailureMode::SlowDown => {
            RequestFailure::Refused(503, "SlowDown", "Please reduce your request rate.")
        }
        StoreFailureMode::TooManyRequests => {
            RequestFailure::Refused(429, "TooManyRequests", "Reduce your concurrent request rate.")
        }
        StoreFailureMode::AccessDenied => RequestFailure::Refused(403, "AccessDenied", "Access Denied"),
        StoreFailureMode::ExpiredToken => {
            RequestFailure::Refused(400, "ExpiredToken", "The provided token has expired.")
        }
        StoreFailureMode::RequestTimeTooSkewed => RequestFailure::Refused(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the server's time is too large.",
        ),
        StoreFailureMode::NoSuchKey => {
            RequestFailure::Refused(404, "NoSuchKey", "The specified key does not exist.")
        }
        StoreFailureMode::Lost => RequestFailure::AnswerLost,
        StoreFailureMode::Silence => RequestFailure::Silence,
        StoreFailureMode::CutAfter(bytes) => RequestFailure::BodyCut(bytes as usize),
        StoreFailureMode::FlippedAt(place) => RequestFailure::BodyFlipped(place as usize),
        StoreFailureMode::Duplicate => RequestFailure::Twice,
        StoreFailureMode::Stale => {
            RequestFailure::Hidden(damage::newest(servers.direct_store()).await?.to_string())
        }
    };
    let id = servers.requests()?.add(FaultRule {
        operation: fault.operation,
        key_suffix: fault.key_suffix.clone(),
        skip: fault.from_call.saturating_sub(1),
        times: fault.times,
        failure,
    });
    Ok(ActiveFault::Requests(id))
}

/// Runs a statement as superuser; the session stays open as long as it is kept. A lock that the run itself holds is not waited
/// for: the run waits for the blow.
async fn execute(servers: &TrialServers<'_>, side: Side, database: &str, sql: &str) -> Result<Session> {
    let session = Session::connect(&servers.direct(side, database)?).await?;
    let failed = |cause| session.failed("a fault's statement failed", cause);
    let bound = format!("SET lock_timeout = {}", LOCK_WAIT.as_millis());
    session.client().batch_execute(&bound).await.map_err(failed)?;
    session.client().batch_execute(sql).await.map_err(failed)?;
    Ok(session)
}

/// Waits for the program in the background and strikes it as soon as it is there.
fn hunt(program: Program, servers: &TrialServers<'_>) -> Result<ActiveFault> {
    let (name, side, signal) = match program {
        Program::KillDump => ("pg_dump", Side::Source, Signal::KILL),
        Program::StopDump => ("pg_dump", Side::Source, Signal::STOP),
        Program::KillRestore => ("pg_restore", Side::Target, Signal::KILL),
        Program::StopRestore => ("pg_restore", Side::Target, Signal::STOP),
    };
    let port = servers
        .port(side)
        .ok_or_else(|| Error::new(Kind::Internal, "there is no link"))?;
    let port = port.port().to_string();
    let seek = move || {
        // `pg_dumpall` asks `pg_dump` for its version before it begins.
        let mut running =
            processes::all().filter(|process| process.program == name && !process.tells_version);
        running
            .find(|process| process.has_variable("PGPORT", &port))
            .map(|process| process.id)
    };
    let task = tokio::spawn(async move {
        let deadline = Deadline::after(APPEARANCE);
        loop {
            if let Some(found) = seek()
                && kill_process(found, signal).is_ok()
            {
                return Some(found);
            }
            if !deadline.pause(POLL).await {
                return None;
            }
        }
    });
    Ok(ActiveFault::Program(Hunt { task, signal }))
}

/// Moves money between two accounts until told to stop. The first move is done when this returns.
async fn write(servers: &TrialServers<'_>) -> Result<SourceWriter> {
    let session = Session::connect(&servers.direct(Side::Source, DATABASE)?).await?;
    let transfer = format!(
        "BEGIN; UPDATE {LEDGER} SET amount = amount - 1 WHERE id = 1;
         UPDATE {LEDGER} SET amount = amount + 1 WHERE id = 2; COMMIT"
    );
    let first = session.client().batch_execute(&transfer).await;
    first.map_err(|cause| session.failed("the writer cannot write", cause))?;
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (is_stopped, count) = (Arc::clone(&stop), Arc::clone(&written));
    let task = tokio::spawn(async move {
        while !is_stopped.load(Ordering::Acquire) {
            if session.client().batch_execute(&transfer).await.is_err() {
                return;
            }
            count.fetch_add(1, Ordering::Release);
        }
    });
    Ok(SourceWriter { stop, written, task })
}
