//! Every SQL statement of the verbs, behind a name.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{CopyInSink, CopyOutStream, Row};

use super::rights::Name;
use super::session::Session;
use crate::error::Result;
use crate::model::manifest::Sequence;

/// Session settings that shape COPY text and that pg_dump fixes itself, or that its environment fixes for it.
const FIXED_COPY_SETTINGS: [(&str, &str); 5] = [
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("search_path", ""),
];
/// Session settings that shape COPY text and that pg_dump leaves as database and role have them.
const OWN_COPY_SETTINGS: &str = "bytea_output,xmlbinary";

/// Schemas that belong to PostgreSQL itself.
pub(super) const SYSTEM_SCHEMAS: &str = r"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// What is known of a database before it is touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its name.
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
pub async fn facts(session: &Session) -> Result<Facts> {
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
    let identifier = session
        .client()
        .query_one("SELECT system_identifier::text FROM pg_control_system()", &[])
        .await;
    Ok(Facts {
        database: row.get(0),
        server_version: row.get(1),
        major: u32::try_from(row.get::<_, i32>(2)).unwrap_or(0) / 10_000,
        system_identifier: identifier.ok().map(|row| row.get(0)),
        bytes: u64::try_from(row.get::<_, i64>(3)).unwrap_or(0),
        read_only: row.get(4),
    })
}

/// The session settings under which pg_dump will write this database's rows.
pub async fn copy_settings(session: &Session) -> Result<BTreeMap<String, String>> {
    let rows = all(
        session,
        "cannot read the session's settings",
        "SELECT name, setting FROM pg_settings
          WHERE name = ANY (string_to_array($1, ','))
             OR name = 'lc_monetary' AND EXISTS (SELECT FROM pg_attribute WHERE atttypid = 'money'::regtype)
         UNION ALL SELECT 'client_encoding', current_setting('server_encoding')",
        &[&OWN_COPY_SETTINGS],
    )
    .await?;
    let fixed = FIXED_COPY_SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let own = rows.iter().map(|row| (row.get(0), row.get(1)));
    Ok(fixed.into_iter().chain(own).collect())
}

/// The session settings under which the rows of a dump are usually written, where nobody recorded them: a server in UTC with
/// its other settings left alone.
pub fn usual_copy_settings(encoding: &str) -> BTreeMap<String, String> {
    let usual = [
        ("bytea_output", "hex"),
        ("xmlbinary", "base64"),
        ("client_encoding", encoding),
    ];
    let settings = FIXED_COPY_SETTINGS.into_iter().chain(usual);
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

/// Something that a user made in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserObject {
    /// A table, view or sequence by its name, or a function by its name and the types of its arguments, as pg_dump words them.
    Named {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// A large object.
    Large(u32),
}

impl fmt::Display for UserObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { schema, name } => write!(f, "{schema}.{name}"),
            Self::Large(oid) => write!(f, "large object {oid}"),
        }
    }
}

/// Tables, views, sequences, functions and large objects that are neither PostgreSQL's nor an extension's.
pub async fn user_objects(session: &Session) -> Result<Vec<UserObject>> {
    let what = "cannot list what the database holds";
    // Names of types are worded with their schemas only where no search path leads to them.
    one(
        session,
        what,
        "SELECT pg_catalog.set_config('search_path', '', false)",
        &[],
    )
    .await?;
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE {SYSTEM_SCHEMAS} AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
         UNION ALL
         SELECT n.nspname::text, p.proname || '(' || oidvectortypes(p.proargtypes) || ')'
           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
          WHERE {SYSTEM_SCHEMAS}
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
         ORDER BY 1, 2"
    );
    let named = all(session, what, &sql, &[]).await?;
    let named = named.iter().map(|row| UserObject::Named {
        schema: row.get(0),
        name: row.get(1),
    });
    let large = large_objects(session).await?.into_iter().map(UserObject::Large);
    Ok(named.chain(large).collect())
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

/// The statement that removes all rows of a table.
pub fn delete_all((schema, table): &Name) -> String {
    format!("DELETE FROM {}.{}", identifier(schema), identifier(table))
}

/// Runs the statements, and removes every large object where that is asked for, in one transaction. Another session that
/// holds one of the objects makes it fail soon instead of waiting for ever.
pub async fn drop_objects(session: &Session, statements: &[String], large_objects: bool) -> Result<()> {
    let mut sql = format!(
        "BEGIN; SET LOCAL lock_timeout = '{}ms'; SET LOCAL client_min_messages = warning;",
        session.patience().lock.as_millis()
    );
    for statement in statements {
        sql.push_str(statement);
        sql.push(';');
    }
    if large_objects {
        sql.push_str("SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata;");
    }
    sql.push_str("COMMIT");
    let dropped = batch(
        session,
        "cannot drop what the target holds; nothing was dropped",
        &sql,
    )
    .await;
    if dropped.is_err() {
        let _ = session.client().batch_execute("ROLLBACK").await;
    }
    dropped.map_err(|error| {
        error.hint("end the sessions that use the target (see pg_stat_activity), and check that the role owns what is there")
    })
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
    batch(
        session,
        "cannot prepare the session",
        "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET row_security = off",
    )
    .await
}

/// Makes the session ready to take rows as the dump wrote them.
pub async fn prepare_load(session: &Session, encoding: &str) -> Result<()> {
    one(
        session,
        "cannot set the archive's encoding",
        "SELECT pg_catalog.set_config('client_encoding', $1, false)",
        &[&encoding],
    )
    .await?;
    batch(
        session,
        "cannot prepare the session",
        "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
         SET row_security = off; SET check_function_bodies = false; SET xmloption = content;
         SET client_min_messages = warning; SELECT pg_catalog.set_config('search_path', '', false)",
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
    .await?;
    // Where the server's system can tell that we are gone, it ends what it does for us. Where it cannot, it refuses the setting.
    let checked = session
        .client()
        .batch_execute("SET client_connection_check_interval = '1s'");
    let _ = session.bear(checked).await?;
    Ok(())
}

/// Makes one index or constraint. It may take hours, and the server says nothing meanwhile.
pub async fn make(session: &Session, what: &str, statement: &str) -> Result<()> {
    let made = session.client().batch_execute(statement).await;
    made.map_err(|cause| session.failed(format!("cannot make the {what}"), cause))
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

/// Begins to load rows with an archive's own COPY statement.
pub async fn copy_in(session: &Session, statement: &str) -> Result<CopyInSink<Bytes>, tokio_postgres::Error> {
    let statement = statement.trim_end().trim_end_matches(';');
    session.client().copy_in(statement).await
}

/// How many rows a table has, or `None` where there is no such table.
pub async fn count_rows(session: &Session, schema: &str, table: &str) -> Result<Option<u64>> {
    let statement = format!(
        "SELECT count(*) FROM {}.{}",
        identifier(schema),
        identifier(table)
    );
    match session.client().query_one(&statement, &[]).await {
        Ok(row) => Ok(u64::try_from(row.get::<_, i64>(0)).ok()),
        Err(cause) if cause.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(cause) => Err(session.failed(format!("cannot count the rows of {schema}.{table}"), cause)),
    }
}

/// Whether a program of ours is at work in the session's database: a statement runs, and waits for no client and no lock.
pub async fn program_works(session: &Session) -> Result<bool> {
    let row = one(
        session,
        "cannot see what the server is doing",
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
         WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
         AND application_name = 'paycraft-dr' AND state = 'active'
         AND coalesce(wait_event_type, '') NOT IN ('Client', 'Lock'))",
        &[],
    )
    .await?;
    Ok(row.get(0))
}

/// The size of a table whose rows can be read by the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// How many pages its rows begin in.
    pub pages: u32,
    /// How much it takes, with what is too long for a page.
    pub bytes: u64,
}

/// The sizes of the tables whose rows can be read by the page.
pub async fn table_sizes(session: &Session) -> Result<HashMap<Name, TableSize>> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, pg_relation_size(c.oid) / current_setting('block_size')::int, pg_table_size(c.oid)
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
          WHERE {SYSTEM_SCHEMAS} AND c.relkind = 'r' AND a.amname = 'heap'"
    );
    let rows = all(session, "cannot read the sizes of the tables", &sql, &[]).await?;
    let sized = rows.iter().map(|row| {
        let size = TableSize {
            pages: u32::try_from(row.get::<_, i64>(2)).unwrap_or(u32::MAX),
            bytes: u64::try_from(row.get::<_, i64>(3)).unwrap_or(0),
        };
        ((row.get(0), row.get(1)), size)
    });
    Ok(sized.collect())
}

/// The rows of one table as COPY text, in the given columns (`(id, name)`), from some of its `pages` or from all; `None` where there
/// is no such table or column.
pub async fn copy_out(
    session: &Session,
    schema: &str,
    table: &str,
    columns: &str,
    pages: Option<Range<u32>>,
) -> Result<Option<CopyOutStream>> {
    const MISSING: [SqlState; 3] = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::INVALID_SCHEMA_NAME,
    ];
    let name = format!("{}.{}", identifier(schema), identifier(table));
    let listed = columns
        .strip_prefix('(')
        .and_then(|columns| columns.strip_suffix(')'));
    let statement = match (pages, listed) {
        (Some(pages), Some(listed)) => format!(
            "COPY (SELECT {listed} FROM ONLY {name} WHERE ctid >= '({},0)' AND ctid < '({},0)') TO STDOUT",
            pages.start, pages.end
        ),
        _ => format!("COPY {name} {columns} TO STDOUT"),
    };
    match session.client().copy_out(&statement).await {
        Ok(stream) => Ok(Some(stream)),
        Err(cause) if cause.code().is_some_and(|code| MISSING.contains(code)) => Ok(None),
        Err(cause) => Err(session.failed(format!("cannot read {schema}.{table}"), cause)),
    }
}

/// The large objects' ids, in order.
pub async fn large_objects(session: &Session) -> Result<Vec<u32>> {
    let sql = "SELECT oid FROM pg_largeobject_metadata ORDER BY oid";
    let rows = all(session, "cannot list the large objects", sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// At most `length` bytes of a large object, from `offset`.
pub async fn read_large_object(session: &Session, oid: u32, offset: i64, length: i32) -> Result<Vec<u8>> {
    let what = format!("cannot read large object {oid}");
    let row = one(
        session,
        &what,
        "SELECT pg_catalog.lo_get($1, $2, $3)",
        &[&oid, &offset, &length],
    )
    .await?;
    Ok(row.get(0))
}

/// Writes `bytes` into a large object that exists, at `offset`.
pub async fn write_large_object(session: &Session, oid: u32, offset: i64, bytes: &[u8]) -> Result<()> {
    let what = format!("cannot write large object {oid}");
    one(
        session,
        &what,
        "SELECT pg_catalog.lo_put($1, $2, $3)",
        &[&oid, &offset, &bytes],
    )
    .await?;
    Ok(())
}

/// Where every sequence stands that the role may read.
pub async fn sequences(session: &Session) -> Result<Vec<Sequence>> {
    let what = "cannot read the sequences";
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE {SYSTEM_SCHEMAS} AND has_schema_privilege(n.oid, 'USAGE')
            AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE false END
          ORDER BY 1, 2"
    );
    let mut sequences = Vec::new();
    for row in all(session, what, &sql, &[]).await? {
        let (schema, name): (String, String) = (row.get(0), row.get(1));
        let sql = format!(
            "SELECT last_value, is_called FROM {}.{}",
            identifier(&schema),
            identifier(&name)
        );
        let state = one(session, what, &sql, &[]).await?;
        sequences.push(Sequence {
            schema,
            name,
            last_value: state.get(0),
            is_called: state.get(1),
        });
    }
    Ok(sequences)
}

/// Constraints that existing rows were not checked against, as `schema.table constraint`.
pub async fn unvalidated_constraints(session: &Session) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT n.nspname || '.' || r.relname || ' ' || c.conname
           FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
          WHERE NOT c.convalidated AND {SYSTEM_SCHEMAS} ORDER BY 1"
    );
    Ok(strings(
        &all(session, "cannot read the constraints", &sql, &[]).await?,
    ))
}

/// Indexes that queries cannot use, as `schema.index`.
pub async fn invalid_indexes(session: &Session) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT n.nspname || '.' || c.relname
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE NOT (i.indisvalid AND i.indisready) AND {SYSTEM_SCHEMAS} ORDER BY 1"
    );
    Ok(strings(
        &all(session, "cannot read the indexes", &sql, &[]).await?,
    ))
}

/// Materialized views that hold data, as `schema.name`.
pub async fn populated_views(session: &Session) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind = 'm' AND c.relispopulated AND {SYSTEM_SCHEMAS} ORDER BY 1"
    );
    Ok(strings(
        &all(session, "cannot read the materialized views", &sql, &[]).await?,
    ))
}

/// A name as SQL wants it, whatever characters it has.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) async fn one(
    session: &Session,
    what: &str,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Row> {
    let row = session.bear(session.client().query_one(sql, values)).await?;
    row.map_err(|cause| session.failed(what, cause))
}

pub(super) async fn all(
    session: &Session,
    what: &str,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>> {
    let rows = session.bear(session.client().query(sql, values)).await?;
    rows.map_err(|cause| session.failed(what, cause))
}

pub(super) async fn batch(session: &Session, what: &str, sql: &str) -> Result<()> {
    let done = session.bear(session.client().batch_execute(sql)).await?;
    done.map_err(|cause| session.failed(what, cause))
}

pub(super) fn strings(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.get(0)).collect()
}
