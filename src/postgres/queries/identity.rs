//! What tells a database from all others: facts, the marker, and a lock that is looked for elsewhere.

use jiff::Timestamp;

use super::{SYSTEM_SCHEMAS, ServerFacts, batch, identifier, one};
use crate::error::Result;
use crate::model::identity::{DatabaseFacts, Identity, TableOid};
use crate::model::profile::PLATFORM_SCHEMAS;
use crate::postgres::session::Session;

/// The database-level setting that holds the marker of `backup --leave-marker`. It says which database this is, so a restore
/// must not apply it to another one, and a comparison of settings must leave it out.
pub(super) const MARKER_SETTING: &str = "paycraft_dr.marker";

/// So many of the oldest tables are recorded.
const TABLES: usize = 8;

/// An advisory lock by its key, in the database that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(i64);

/// Where a token was seen, and whether the server that answered is a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Whether the lock is there in the session's own database.
    pub in_database: bool,
    /// Whether the lock is there in any database of the server.
    pub on_server: bool,
    /// Whether the server is a standby, which does not see its primary's advisory locks.
    pub is_standby: bool,
}

/// Reads what every role may read. What a server does not answer is left unknown.
pub async fn identity(session: &Session) -> Result<Identity> {
    let sql = "SELECT (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()),
                (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8,
                (extract(epoch FROM (SELECT stats_reset FROM pg_catalog.pg_stat_bgwriter)) * 1000000)::int8,
                pg_snapshot_xmax(pg_current_snapshot())::text,
                nullif(current_setting($1, true), '')";
    let row = session
        .with_timeout(session.query_one(sql, &[&MARKER_SETTING]))
        .await?;
    let Ok(row) = row else {
        return Ok(Identity::default());
    };
    let instant = |micros: Option<i64>| Timestamp::from_microsecond(micros?).ok();
    // Not every kind of server has a log position to tell, so this is asked for by itself.
    let sql = "SELECT ((CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END) - '0/0')::text";
    let wal = session.with_timeout(session.query_one(sql, &[])).await?;
    Ok(Identity {
        database_oid: row.get(0),
        server_started_at: instant(row.get(1)),
        statistics_since: instant(row.get(2)),
        next_transaction: row.get::<_, Option<String>>(3).and_then(|id| id.parse().ok()),
        wal_position: wal
            .ok()
            .and_then(|row| row.get::<_, Option<String>>(0)?.parse().ok()),
        marker: row.get(4),
        oldest_tables: oldest_tables(session).await?,
    })
}

/// What is known of the session's database.
pub async fn database_facts(session: &Session, facts: &ServerFacts) -> Result<DatabaseFacts> {
    let what = "cannot ask whether the server is a standby";
    let is_standby = one(session, what, "SELECT pg_is_in_recovery()", &[])
        .await?
        .get(0);
    Ok(DatabaseFacts {
        database: facts.database.clone(),
        system_identifier: facts.system_identifier.clone(),
        major: facts.major,
        is_standby,
        identity: identity(session).await?,
    })
}

/// A platform's tables are left out: copies of its image have them all with the same OIDs.
async fn oldest_tables(session: &Session) -> Result<Vec<TableOid>> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE {SYSTEM_SCHEMAS} AND c.relkind IN ('r', 'p') AND c.oid >= 16384 AND n.nspname <> ALL ($1)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                             WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
          ORDER BY c.oid LIMIT {TABLES}"
    );
    let platforms: &[&str] = &PLATFORM_SCHEMAS;
    let rows = session.with_timeout(session.query(&sql, &[&platforms])).await?;
    let rows = rows.unwrap_or_default();
    let tables = rows.iter().map(|row| TableOid {
        schema: row.get(0),
        name: row.get(1),
        oid: row.get(2),
    });
    Ok(tables.collect())
}

impl Token {
    /// The two halves by which `pg_locks` shows it.
    fn halves(self) -> (u32, u32) {
        let bytes = self.0.to_be_bytes();
        let half = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        (half(0), half(4))
    }
}

/// Takes a random lock in a transaction, which the session keeps open until it ends. A transaction keeps its server even behind a
/// pooler that gives a server for one transaction at a time.
pub async fn hold(session: &Session) -> Result<Token> {
    let what = "cannot take an advisory lock";
    batch(session, what, "BEGIN READ ONLY").await?;
    let sql = "SELECT hashtextextended(gen_random_uuid()::text, 0)";
    let token = Token(one(session, what, sql, &[]).await?.get(0));
    one(session, what, "SELECT pg_advisory_xact_lock($1)", &[&token.0]).await?;
    Ok(token)
}

/// Looks for a lock, and asks in the same statement whether the server that answers is a standby.
pub async fn look_for(session: &Session, token: Token) -> Result<Sight> {
    let (high, low) = token.halves();
    let sql = "SELECT coalesce(bool_or(database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())), false),
                count(*) > 0, pg_is_in_recovery()
           FROM pg_catalog.pg_locks
          WHERE locktype = 'advisory' AND granted AND classid = $1 AND objid = $2 AND objsubid = 1";
    let row = one(session, "cannot look for an advisory lock", sql, &[&high, &low]).await?;
    Ok(Sight {
        in_database: row.get(0),
        on_server: row.get(1),
        is_standby: row.get(2),
    })
}

/// Leaves a random marker in the settings of the session's database, and returns it. Sessions that begin later see it.
pub async fn leave_marker(session: &Session) -> Result<String> {
    let what = "cannot leave a marker in the database's settings";
    let sql = "SELECT replace(gen_random_uuid()::text, '-', ''), current_database()::text";
    let row = one(session, what, sql, &[]).await?;
    let (marker, database): (String, String) = (row.get(0), row.get(1));
    let sql = format!(
        "ALTER DATABASE {} SET {MARKER_SETTING} = '{marker}'",
        identifier(&database)
    );
    batch(session, what, &sql).await?;
    Ok(marker)
}
