//! Which sessions keep another one from its lock.

use super::one;
use crate::error::Result;
use crate::postgres::session::Session;

/// The number of the session's server process.
pub async fn process(session: &Session) -> Result<i32> {
    let sql = "SELECT pg_catalog.pg_backend_pid()";
    let row = one(session, "cannot ask for the number of the session", sql, &[]).await?;
    Ok(row.get(0))
}

/// The sessions that the process waits for, in an operator's words, as far as the role may know; nothing where it waits for none.
pub async fn blockers(session: &Session, process: i32) -> Result<Option<String>> {
    let sql = "SELECT string_agg(format('process %s of role %s%s holds it%s', b.pid, coalesce(a.usename, '(unknown)'),
                      CASE WHEN a.application_name <> '' THEN format(' (%s)', a.application_name) END,
                      ' since ' || to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"')), ', ' ORDER BY b.pid)
           FROM (SELECT DISTINCT pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) AS pid) AS b
                LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid";
    let row = one(session, "cannot see who holds a lock", sql, &[&process]).await?;
    Ok(row.get(0))
}
