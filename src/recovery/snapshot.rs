//! One state of the source, which the dump and all other questions about it see.
//!
//! PostgreSQL's rewrites are not MVCC-safe: a reader whose snapshot is older than a rewrite or a TRUNCATE that was committed
//! finds the table empty. pg_dump takes its snapshot first and its locks afterwards, so a table that is rewritten in between is
//! dumped without rows, and nothing fails. Therefore the state of all tables is read together with the snapshot, in one
//! statement, and compared with the state at a time when pg_dump has all its locks. Names of columns, functions and the like are
//! compared as well, as pg_dump reads many definitions by functions that see the newest state.
//!
//! Why no session of ours holds the tables' locks over that time: any ALTER TABLE that arrives then would wait for us, pg_dump
//! would wait in the queue behind it, and we for pg_dump. The server cannot see such a deadlock, and all readers of the table
//! would wait with it. So running changes are waited for *before* the snapshot is taken, and those that come between snapshot and
//! locks are found, and the attempt fails.

use std::time::Duration;

use super::attempt::BackupFailure;
use super::locks;
use crate::error::{Error, Kind, Result};
use crate::model::source_state::{Concerned, SourceState};
use crate::model::timeline::Observer;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::patience::ServerTimeouts;
use crate::postgres::queries::{self, snapshot as sql};
use crate::postgres::rights::Name;
use crate::postgres::session::Session;

/// How often the session that holds the snapshot gives a sign of life. Poolers and firewalls forget connections that are idle for
/// minutes.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
/// How many changed objects an error names.
const NAMED_CHANGES: usize = 5;

/// An exported snapshot of the source, and what the source held then. Dropped, the snapshot is let go.
#[derive(Debug)]
pub struct SourceSnapshot {
    source: Conninfo,
    session: Session,
    id: String,
    state: SourceState,
}

impl SourceSnapshot {
    /// Waits for running changes of tables, as long as the source's lock timeout allows, then exports a snapshot in `session`. Tables
    /// `without` are of no concern.
    pub(super) async fn take(
        source: &Conninfo,
        session: Session,
        without: &[Name],
        observer: &dyn Observer,
    ) -> Result<Self> {
        queries::be_patient(&session).await?;
        for table in sql::exclusively_locked(&session).await? {
            if !without.contains(&table) {
                if let Some(holders) = queries::lock_holders(&session).await {
                    let what = format!("{}.{}", table.0, table.1);
                    observer.observe(locks::told(&what, source.patience(), &holders));
                }
                sql::wait_for_table(&session, &table).await?;
            }
        }
        sql::begin(&session).await?;
        let (id, mut state) = sql::export(&session).await?;
        state.forget_tables(|name| {
            without
                .iter()
                .any(|(schema, table)| name == format!("{schema}.{table}"))
        });
        Ok(Self {
            source: source.clone(),
            session,
            id,
            state,
        })
    }

    /// The snapshot as `SET TRANSACTION SNAPSHOT` and `pg_dump --snapshot` take it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the source holds in this snapshot.
    pub fn state(&self) -> &SourceState {
        &self.state
    }

    /// Makes a session of the source see this snapshot, in a transaction that cannot write and lasts until the session is dropped.
    ///
    /// What it reads of a table's rows is only right when `check` finds no change afterwards: let the backup's own last
    /// check come after the last row.
    pub async fn join(&self, session: &Session) -> Result<()> {
        queries::be_patient(session).await?;
        sql::join(session, &self.id).await
    }

    /// A new session of the source that sees this snapshot.
    pub async fn open(&self) -> Result<Session> {
        let session = Session::connect(&self.source).await?;
        self.join(&session).await?;
        Ok(session)
    }

    /// Fails where anything of what is concerned was changed since the snapshot was taken.
    pub(super) async fn check(&self, concerned: Concerned) -> Result<(), BackupFailure> {
        let now = sql::state(&self.session, concerned).await.map_err(|error| {
            // A definition that is gone meanwhile makes the question itself fail; a lost connection and a silence are none.
            match self.session.client().is_closed() || ServerTimeouts::is_too_long(&error) {
                true => lost(error),
                false => BackupFailure::Retryable(error),
            }
        })?;
        let changes = self.state.changes(&now, concerned);
        if changes.is_empty() {
            return Ok(());
        }
        let more = match changes.len().saturating_sub(NAMED_CHANGES) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let named = changes.iter().take(NAMED_CHANGES).cloned();
        let message = "the source was changed while it was dumped";
        Err(BackupFailure::Retryable(
            Error::new(Kind::Source, message)
                .caused_by(format!("{}{more}", named.collect::<Vec<_>>().join(", ")))
                .hint("back up while no migration runs, or allow more attempts with --attempts"),
        ))
    }

    /// Keeps the snapshot's session alive. Ends only when it is lost, with the error.
    pub(super) async fn keep_alive(&self) -> BackupFailure {
        loop {
            tokio::time::sleep(SIGN_OF_LIFE).await;
            if let Err(error) = sql::keep_alive(&self.session).await {
                return lost(error);
            }
        }
    }

    /// Who holds a lock that pg_dump may wait for.
    pub(super) async fn lock_holders(&self) -> Option<String> {
        queries::lock_holders(&self.session).await
    }
}

/// Another attempt is for a source that was changed, and not for one that is gone.
fn lost(error: Error) -> BackupFailure {
    BackupFailure::Final(error.hint(
        "no backup was made: the connection to the source was lost; see its server's log, and try again",
    ))
}
