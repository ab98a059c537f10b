//! What is asked of a database and done to it, statement by statement, behind names.
//!
//! What a role may do, what could stop a dump or a restore, and whether a pooler keeps sessions are asked by files of their own
//! beside this one. Outside of `postgres` no SQL is worded but what an archive holds.

pub mod access;
pub mod blockers;
pub mod clearing;
pub mod comparing;
pub mod configuration;
pub mod derived;
pub mod dropping;
pub mod globals;
pub mod identity;
pub mod index_answers;
pub mod large_objects;
pub mod loading;
pub mod occupancy;
pub mod platform;
pub mod snapshot;
pub mod trouble;
pub mod unknown;
pub mod user_tables;

use std::collections::BTreeMap;

use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::conninfo::CONNECTION_CHECK_MS;
use super::session::Session;
use crate::error::Result;

/// Session settings that shape COPY text and that pg_dump fixes itself, or that its environment fixes for it.
const FIXED_COPY_SETTINGS: [(&str, &str); 5] = [
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("search_path", ""),
];
/// Session settings that shape COPY text, or how the server words definitions, and that pg_dump leaves as database and role have them.
pub(crate) const OWN_COPY_SETTINGS: [&str; 4] = [
    "bytea_output",
    "xmlbinary",
    "quote_all_identifiers",
    "standard_conforming_strings",
];

/// Schemas that belong to PostgreSQL itself.
pub(super) const SYSTEM_SCHEMAS: &str = r"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// What a server answers where there is no such table, column or schema.
pub(super) const MISSING: [SqlState; 3] = [
    SqlState::UNDEFINED_TABLE,
    SqlState::UNDEFINED_COLUMN,
    SqlState::INVALID_SCHEMA_NAME,
];

/// What is known of a database before it is touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    pub database: String,
    /// The server's version, as it words it.
    pub server_version: String,
    /// The server's major version.
    pub major: u32,
    /// The cluster's system identifier, where the role may read it.
    pub system_identifier: Option<String>,
    /// Its size on disk, in bytes.
    pub bytes: u64,
    /// Whether it takes no writes.
    pub read_only: bool,
}

/// Reads what is known of the database.
pub async fn facts(session: &Session) -> Result<ServerFacts> {
    let row = one(
        session,
        "cannot read the server's facts",
        "SELECT current_database(), current_setting('server_version'), current_setting('server_version_num')::int,
                pg_database_size(current_database()),
                pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool",
        &[],
    )
    .await?;
    // Not every role may read the control file; without it the guard has one fact less.
    let sql = "SELECT system_identifier::text FROM pg_control_system()";
    let identifier = session.with_timeout(session.query_one(sql, &[])).await?;
    Ok(ServerFacts {
        database: row.get(0),
        server_version: row.get(1),
        major: u32::try_from(row.get::<_, i32>(2)).unwrap_or(0) / 10_000,
        system_identifier: identifier.ok().map(|row| row.get(0)),
        bytes: u64::try_from(row.get::<_, i64>(3)).unwrap_or(0),
        read_only: row.get(4),
    })
}

/// The time zone of the session, which asked for none.
pub async fn time_zone(session: &Session) -> Result<String> {
    let row = one(
        session,
        "cannot read the session's time zone",
        "SELECT current_setting('TimeZone')",
        &[],
    )
    .await?;
    Ok(row.get(0))
}

/// The server's time zones, that of the session first.
pub async fn time_zones(session: &Session) -> Result<Vec<String>> {
    let sql = "SELECT name FROM pg_timezone_names ORDER BY name <> current_setting('TimeZone'), name";
    Ok(strings(
        &all(session, "cannot read the server's time zones", sql, &[]).await?,
    ))
}

/// From here on the session writes instants in that time zone.
pub async fn set_time_zone(session: &Session, zone: &str) -> Result<()> {
    let sql = "SELECT pg_catalog.set_config('TimeZone', $1, false)";
    one(session, "cannot set the session's time zone", sql, &[&zone]).await?;
    Ok(())
}

/// The session settings under which pg_dump will write this database's rows.
///
/// They are written in UTF-8, which every text has a form in, but for a database whose encoding is none: its bytes stay as they are.
pub async fn copy_settings(session: &Session) -> Result<BTreeMap<String, String>> {
    let rows = all(
        session,
        "cannot read the session's settings",
        "SELECT name, setting FROM pg_settings
          WHERE name = ANY ($1)
             OR name = 'lc_monetary' AND EXISTS (SELECT FROM pg_attribute WHERE atttypid = 'money'::regtype)
         UNION ALL SELECT 'client_encoding', CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END",
        &[&OWN_COPY_SETTINGS.as_slice()],
    )
    .await?;
    let fixed = FIXED_COPY_SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let own = rows.iter().map(|row| (row.get(0), row.get(1)));
    Ok(fixed.into_iter().chain(own).collect())
}

/// Those of a backup's session settings by which the server would word definitions otherwise than in a session that asks for none. Only
/// these need be set: some poolers refuse any.
pub async fn other_wordings(
    session: &Session,
    settings: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>> {
    let rows = all(
        session,
        "cannot read the session's settings",
        "SELECT name, reset_val FROM pg_settings WHERE name = ANY ($1)",
        &[&OWN_COPY_SETTINGS.as_slice()],
    )
    .await?;
    let other = rows.iter().filter_map(|row| {
        let (name, usual): (String, String) = (row.get(0), row.get(1));
        let value = settings.get(&name).filter(|value| **value != usual)?;
        Some((name, value.clone()))
    });
    Ok(other.collect())
}

/// The session settings under which the rows of a dump are usually written, where they are not recorded: a server in UTC with
/// its other settings left alone, but for those that the `database` had.
pub fn usual_copy_settings(encoding: &str, database: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let usual = [
        ("bytea_output", "hex"),
        ("xmlbinary", "base64"),
        ("client_encoding", encoding),
    ];
    // pg_dump fixes the others itself. A program that was told nothing has the time zone that the database sets.
    let own = database.iter().filter(|(name, _)| {
        OWN_COPY_SETTINGS.contains(&name.as_str()) || name.eq_ignore_ascii_case("TimeZone")
    });
    let own = own.map(|(name, value)| match name.eq_ignore_ascii_case("TimeZone") {
        true => ("TimeZone", value.as_str()),
        false => (name.as_str(), value.as_str()),
    });
    let settings = FIXED_COPY_SETTINGS.into_iter().chain(usual).chain(own);
    settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The roles that policies name.
pub async fn policy_roles(session: &Session) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT rolname::text FROM pg_policy, unnest(polroles) AS role JOIN pg_roles ON pg_roles.oid = role ORDER BY 1";
    Ok(strings(
        &all(session, "cannot read the policies' roles", sql, &[]).await?,
    ))
}

/// Which of `names` are no roles of the server.
pub async fn missing_roles(session: &Session, names: &[String]) -> Result<Vec<String>> {
    let sql = "SELECT name FROM unnest($1::text[]) AS name WHERE name NOT IN (SELECT rolname FROM pg_roles)";
    Ok(strings(
        &all(session, "cannot read the server's roles", sql, &[&names]).await?,
    ))
}

/// Which of `names` are no extensions that the server could create.
pub async fn missing_extensions(session: &Session, names: &[String]) -> Result<Vec<String>> {
    let sql = "SELECT name FROM unnest($1::text[]) AS name WHERE name NOT IN (SELECT name FROM pg_available_extensions)";
    Ok(strings(
        &all(session, "cannot read the server's extensions", sql, &[&names]).await?,
    ))
}

/// From here on the session cannot change anything.
pub async fn forbid_writes(session: &Session) -> Result<()> {
    let sql = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";
    batch(session, "cannot make the session read-only", sql).await
}

/// From here on the session can write again.
pub async fn allow_writes(session: &Session) -> Result<()> {
    let sql = "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE";
    batch(session, "cannot let the session write", sql).await
}

/// Makes the session write COPY text as the backup's dump did.
pub async fn apply_copy_settings(session: &Session, settings: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in settings {
        let what = format!("cannot set {name} to {value:?} in the session");
        one(
            session,
            &what,
            "SELECT pg_catalog.set_config($1, $2, false)",
            &[name, value],
        )
        .await?;
    }
    be_patient(session).await?;
    batch(session, "cannot prepare the session", "SET row_security = off").await
}

/// Lets the session's statements take as long as the idle timeout, and wait for a lock as long as the lock timeout: a platform ends
/// statements after minutes, which are meant for an application's. Questions to catalogs are not compiled: that takes longer than asking
/// them, and fails where a server lacks the library. Behind a pooler that takes turns this would reach others, so such
/// a one must have been refused.
pub async fn be_patient(session: &Session) -> Result<()> {
    let sql = format!(
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET idle_session_timeout = 0;
         SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout';
         SELECT pg_catalog.set_config(name, 'off', false) FROM pg_catalog.pg_settings WHERE name = 'jit';
         SET lock_timeout = '{}ms'",
        session.patience().lock.as_millis()
    );
    // Where the server's system can tell that we are gone, it ends what it does for us. Where it cannot, it refuses the setting.
    let check = format!("SET client_connection_check_interval = '{CONNECTION_CHECK_MS}ms'");
    // Both go at once, so that the second costs no time.
    let (patient, _) = tokio::join!(
        batch(session, "cannot prepare the session", &sql),
        session.batch_execute(&check)
    );
    patient
}

/// A name as SQL wants it, with any characters in it.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name within a schema as SQL wants it.
pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

pub(super) async fn one(
    session: &Session,
    what: &str,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Row> {
    let row = session.with_timeout(session.query_one(sql, values)).await?;
    unless_failed(session, what, row).await
}

pub(super) async fn all(
    session: &Session,
    what: &str,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>> {
    let rows = session.with_timeout(session.query(sql, values)).await?;
    unless_failed(session, what, rows).await
}

pub(super) async fn batch(session: &Session, what: &str, sql: &str) -> Result<()> {
    let done = session.with_timeout(session.batch_execute(sql)).await?;
    unless_failed(session, what, done).await
}

/// What came of a statement. Where it waited for a lock too long, the error says who holds one.
pub(super) async fn unless_failed<T>(
    session: &Session,
    what: &str,
    answer: Result<T, tokio_postgres::Error>,
) -> Result<T> {
    let cause = match answer {
        Ok(value) => return Ok(value),
        Err(cause) => cause,
    };
    let is_locked = cause.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
    let error = session.failed(what, cause);
    Err(match is_locked {
        true => error.hint(format!(
            "{}: end it or let it end, and try again",
            holders(session).await
        )),
        false => error,
    })
}

/// Who holds a lock that no reader may pass on a table of the database, as far as the role may know.
async fn holders(session: &Session) -> String {
    let told = lock_holders(session).await;
    told.unwrap_or_else(|| "another session holds a lock (see pg_locks and pg_stat_activity)".to_owned())
}

/// The sessions that hold such a lock, and those that wait for one and let no reader pass them; nothing where there are none.
pub async fn lock_holders(session: &Session) -> Option<String> {
    let sql = "SELECT string_agg(DISTINCT format('process %s of role %s%s %s a lock on %s%s', l.pid, coalesce(a.usename, '(unknown)'),
                      CASE WHEN a.application_name <> '' THEN format(' (%s)', a.application_name) END,
                      CASE WHEN l.granted THEN 'holds' ELSE 'waits for' END, l.relation::regclass,
                      ' since ' || to_char(coalesce(l.waitstart, a.xact_start) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"')), ', ')
           FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
          WHERE l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
            AND l.pid <> pg_backend_pid() AND l.mode = 'AccessExclusiveLock' AND l.relation >= 16384";
    let asked = session.with_timeout(session.query_one(sql, &[])).await;
    asked.ok().and_then(Result::ok).and_then(|row| row.get(0))
}

pub(super) fn strings(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.get(0)).collect()
}
