//! Which restore has a database to itself, and what earlier restores left at work in it.

use super::{all, batch, be_patient, one};
use crate::error::Result;
use crate::postgres::session::Session;

/// The key of the advisory lock that a restore holds on its target, from before the first change until the target is verified. It is
/// the word `paycraft` in ASCII, so it is found in `pg_locks` with `classid` 1885436259 and `objid` 1918985844.
const RESTORE_LOCK: i64 = 0x7061_7963_7261_6674;

/// What the connections of a restore are called in `pg_stat_activity`, once it has the lock.
pub const RESTORING: &str = "paycraft-dr restore";

/// A session of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// The number of its server process.
    pub process: i32,
    /// Its words for an operator: name of the program, role, since when, from where, as far as the role may know.
    pub described: String,
}

/// What an operator is told of a session `a`.
const DESCRIBED: &str = r#"
    format('process %s (%s%s%s%s)', a.pid, coalesce(nullif(a.application_name, ''), 'a session without a name'),
           ' of role ' || a.usename,
           ', since ' || to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           ', from ' || host(a.client_addr))"#;

/// Takes the lock for as long as the session lasts, where no other session has it.
pub async fn claim(session: &Session) -> Result<bool> {
    let sql = "SELECT pg_catalog.pg_try_advisory_lock($1)";
    let row = one(
        session,
        "cannot take the restore's advisory lock",
        sql,
        &[&RESTORE_LOCK],
    )
    .await?;
    if !row.get::<_, bool>(0) {
        return Ok(false);
    }
    let name = format!("SET application_name = '{RESTORING}'");
    batch(session, "cannot name the session", &name).await?;
    Ok(true)
}

/// Gives the session of a restore back the settings of a new one. It keeps its name and its lock.
pub async fn renew(session: &Session) -> Result<()> {
    // A pooler may have set the encoding itself, after the session began: that is reset, too, and no text could be read any more.
    let sql = format!("RESET ALL; SET client_encoding = 'UTF8'; SET application_name = '{RESTORING}'");
    batch(session, "cannot prepare the session", &sql).await?;
    be_patient(session).await
}

/// Who has the lock.
pub async fn holder(session: &Session) -> Result<Option<Occupant>> {
    let sql = format!(
        "SELECT a.pid, {DESCRIBED}
           FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
          WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND (l.classid::bigint << 32) + l.objid::bigint = $1
            AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
    );
    let what = "cannot see who holds the restore's advisory lock";
    let rows = all(session, what, &sql, &[&RESTORE_LOCK]).await?;
    Ok(rows.first().map(|row| Occupant {
        process: row.get(0),
        described: row.get(1),
    }))
}

/// The other sessions of restores in the session's database. Where the session has the lock, their restores are dead.
pub async fn leftovers(session: &Session) -> Result<Vec<Occupant>> {
    let sql = format!(
        "SELECT a.pid, {DESCRIBED} FROM pg_catalog.pg_stat_activity a
          WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()
            AND a.application_name = $1"
    );
    let what = "cannot see what earlier restores left in the target";
    let rows = all(session, what, &sql, &[&RESTORING]).await?;
    Ok(rows
        .iter()
        .map(|row| Occupant {
            process: row.get(0),
            described: row.get(1),
        })
        .collect())
}

/// Asks the server to end a session. It may refuse where the session is another role's.
pub async fn end(session: &Session, process: i32) -> Result<bool> {
    let sql = "SELECT pg_catalog.pg_terminate_backend($1)";
    let ended = session.with_timeout(session.query_one(sql, &[&process])).await?;
    Ok(ended.is_ok_and(|row| row.get(0)))
}
