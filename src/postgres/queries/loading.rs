//! Rows into a target, and what is built over them.

use bytes::Bytes;
use tokio_postgres::CopyInSink;

use super::{SYSTEM_SCHEMAS, all, batch, be_patient, one, qualified, strings};
use crate::error::Result;
use crate::postgres::refusal::Refusal;
use crate::postgres::session::Session;

const TABLES_ALTERED_AT_ONCE: usize = 50;

/// How an archive's SQL and rows are to be read.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveSettings<'a> {
    /// Their encoding, as `client_encoding` takes it.
    pub encoding: &'a str,
    /// Whether a backslash is an ordinary character in string constants.
    pub has_standard_strings: bool,
}

/// Makes the session ready to take rows as the dump wrote them.
pub async fn prepare_load(session: &Session, settings: &ArchiveSettings<'_>) -> Result<()> {
    let strings = if settings.has_standard_strings {
        "on"
    } else {
        "off"
    };
    one(
        session,
        "cannot set the archive's encoding",
        "SELECT pg_catalog.set_config('client_encoding', $1, false),
                pg_catalog.set_config('standard_conforming_strings', $2, false)",
        &[&settings.encoding, &strings],
    )
    .await?;
    be_patient(session).await?;
    // The database may set what rows are read by. A dump is written without any of that.
    batch(
        session,
        "cannot prepare the session",
        "SET lock_timeout = 0; SET row_security = off; SET check_function_bodies = false; SET xmloption = content;
         SET array_nulls = on; SET IntervalStyle = postgres; SET DateStyle = 'ISO, MDY'; SET TimeZone = 'UTC';
         SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning; SELECT pg_catalog.set_config('search_path', '', false)",
    )
    .await
}

/// Makes the session ready to build indexes and constraints, as `pg_restore` does. What it commits need not be safe from a crash
/// of the server before [`settle`].
pub async fn prepare_builds(session: &Session) -> Result<()> {
    batch(
        session,
        "cannot prepare the session",
        "SET synchronous_commit = off; SET default_tablespace = ''",
    )
    .await
}

/// Allows or forbids the server to build one index, `what`, with several processes. Where as many are built side by side as there
/// are cores, those processes only wait for each other.
pub async fn give_workers(session: &Session, what: &str, are_given: bool) -> Result<()> {
    let statement = if are_given {
        "RESET max_parallel_maintenance_workers"
    } else {
        "SET max_parallel_maintenance_workers = 0"
    };
    batch(session, &format!("cannot make the {what}"), statement).await
}

/// Runs what makes one entry of an archive, `what`. It may take hours, and the server says nothing meanwhile. Where the server refuses it and the session goes on, says why.
pub async fn attempt(session: &Session, what: &str, statement: &str) -> Result<Result<(), Refusal>> {
    match session.batch_execute(statement).await {
        Ok(()) => Ok(Ok(())),
        Err(cause) => Refusal::of(session, format!("cannot make the {what}"), cause).map(Err),
    }
}

/// The statement that gathers a table's statistics.
pub fn analyze(schema: &str, table: &str) -> String {
    format!("ANALYZE {}", qualified(schema, table))
}

/// Tables and materialized views that hold rows and of which the planner knows nothing, as far as the role may see.
pub async fn without_statistics(session: &Session) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT format('%s.%s', n.nspname, c.relname)
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
          WHERE c.relkind IN ('r', 'm') AND {SYSTEM_SCHEMAS} AND pg_catalog.pg_relation_size(c.oid) > 0
            AND s.last_analyze IS NULL AND s.last_autoanalyze IS NULL
            AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_stats t WHERE t.schemaname = n.nspname AND t.tablename = c.relname)
          ORDER BY 1"
    );
    let what = "cannot ask for planner statistics";
    Ok(strings(&all(session, what, &sql, &[]).await?))
}

/// Says with which access method and in which tablespace the next table is made; `None` means the database's own.
pub async fn place_tables(
    session: &Session,
    access_method: Option<&str>,
    tablespace: Option<&str>,
) -> Result<()> {
    one(
        session,
        "cannot choose where tables are made",
        "SELECT pg_catalog.set_config('default_table_access_method', coalesce($1, 'heap'), false),
                pg_catalog.set_config('default_tablespace', coalesce($2, ''), false)",
        &[&access_method, &tablespace],
    )
    .await?;
    Ok(())
}

/// Makes what the session and others before it committed safe from a crash of the server.
pub async fn settle(session: &Session) -> Result<()> {
    // A commit that waits for the disk waits for all before it. Only one that wrote something does.
    batch(
        session,
        "cannot settle what was written",
        "SET synchronous_commit = on; SELECT pg_catalog.lo_unlink(pg_catalog.lo_create(0))",
    )
    .await
}

/// Keeps the server's autovacuum from the tables, given as schema and name, and returns those it is kept from now. Where a table is
/// another role's or has a setting of its own, it stays as it is.
///
/// Autovacuum comes to a table within a minute of its rows. All that is then built over the table waits for `deadlock_timeout`, a
/// second, before the server takes autovacuum away from it again, and what that had done is lost.
pub async fn hold_off_autovacuum(session: &Session, tables: &[(&str, &str)]) -> Result<Vec<String>> {
    let (schemas, names): (Vec<&str>, Vec<&str>) = tables.iter().copied().unzip();
    let rows = all(
        session,
        "cannot see which tables are ours",
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
         FROM unnest($1::text[], $2::text[]) AS made (schema, name)
         JOIN pg_catalog.pg_namespace n ON n.nspname = made.schema
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = made.name
         WHERE c.relkind = 'r' AND pg_catalog.pg_has_role(c.relowner, 'USAGE') AND NOT EXISTS (
             SELECT FROM pg_catalog.pg_options_to_table(c.reloptions) WHERE option_name = 'autovacuum_enabled')",
        &[&schemas, &names],
    )
    .await?;
    let held_off = strings(&rows);
    alter(
        session,
        "cannot hold off autovacuum",
        &held_off,
        "SET (autovacuum_enabled = false)",
    )
    .await?;
    Ok(held_off)
}

/// Lets autovacuum come to the tables that it was kept from.
pub async fn let_autovacuum_come(session: &Session, held_off: &[String]) -> Result<()> {
    alter(
        session,
        "cannot let autovacuum come again",
        held_off,
        "RESET (autovacuum_enabled)",
    )
    .await
}

/// Alters some tables at a time: a transaction may hold only so many locks.
async fn alter(session: &Session, what: &str, tables: &[String], change: &str) -> Result<()> {
    for some in tables.chunks(TABLES_ALTERED_AT_ONCE) {
        let statements: Vec<String> = some
            .iter()
            .map(|table| format!("ALTER TABLE {table} {change}"))
            .collect();
        batch(session, what, &statements.join("; ")).await?;
    }
    Ok(())
}

/// Begins to load rows with an archive's own COPY statement.
pub async fn copy_in(session: &Session, statement: &str) -> Result<CopyInSink<Bytes>, tokio_postgres::Error> {
    let statement = statement.trim_end().trim_end_matches(';');
    session.copy_in(statement).await
}

/// Whether something is at work in the session's database for the role that opened it: a statement runs, and waits for no client
/// and no lock. The role tells, as a pooler gives its own name for every program behind it.
pub async fn program_works(session: &Session) -> Result<bool> {
    let row = one(
        session,
        "cannot see what the server is doing",
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
         WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
         AND usename = session_user AND backend_type = 'client backend' AND state = 'active'
         AND coalesce(wait_event_type, '') NOT IN ('Client', 'Lock'))",
        &[],
    )
    .await?;
    Ok(row.get(0))
}
