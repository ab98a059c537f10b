//! A snapshot of the source that several sessions share, and the state of its catalogs.

use tokio_postgres::Row;

use super::{MISSING, SYSTEM_SCHEMAS, all, batch, identifier, unless_failed};
use crate::error::Result;
use crate::model::source_state::{Concerned, SourceObject, SourceState};
use crate::postgres::rights::Name;
use crate::postgres::session::Session;

/// Oids below are PostgreSQL's own.
const FIRST_OWN_OID: u32 = 16_384;

/// How an object of a catalog is known to be no temporary one.
enum PersistenceTest {
    /// By its schema, in this column.
    Schema(&'static str),
    /// By the schema of its table or view, in this column.
    Relation(&'static str),
    /// There are no temporary ones.
    Database,
}

/// Catalogs whose rows pg_dump reads in part by functions that see the newest state and not the snapshot's: what it is in plain
/// words, the catalog, the column with its name, its place.
const DEFINITIONS: [(&str, &str, &str, PersistenceTest); 27] = [
    (
        "constraint",
        "pg_constraint",
        "conname",
        PersistenceTest::Schema("connamespace"),
    ),
    (
        "type",
        "pg_type",
        "typname",
        PersistenceTest::Schema("typnamespace"),
    ),
    (
        "function",
        "pg_proc",
        "proname",
        PersistenceTest::Schema("pronamespace"),
    ),
    (
        "operator",
        "pg_operator",
        "oprname",
        PersistenceTest::Schema("oprnamespace"),
    ),
    (
        "operator class",
        "pg_opclass",
        "opcname",
        PersistenceTest::Schema("opcnamespace"),
    ),
    (
        "operator family",
        "pg_opfamily",
        "opfname",
        PersistenceTest::Schema("opfnamespace"),
    ),
    (
        "collation",
        "pg_collation",
        "collname",
        PersistenceTest::Schema("collnamespace"),
    ),
    (
        "conversion",
        "pg_conversion",
        "conname",
        PersistenceTest::Schema("connamespace"),
    ),
    (
        "text search configuration",
        "pg_ts_config",
        "cfgname",
        PersistenceTest::Schema("cfgnamespace"),
    ),
    (
        "text search dictionary",
        "pg_ts_dict",
        "dictname",
        PersistenceTest::Schema("dictnamespace"),
    ),
    (
        "text search parser",
        "pg_ts_parser",
        "prsname",
        PersistenceTest::Schema("prsnamespace"),
    ),
    (
        "text search template",
        "pg_ts_template",
        "tmplname",
        PersistenceTest::Schema("tmplnamespace"),
    ),
    (
        "statistics object",
        "pg_statistic_ext",
        "stxname",
        PersistenceTest::Schema("stxnamespace"),
    ),
    (
        "rule",
        "pg_rewrite",
        "rulename",
        PersistenceTest::Relation("ev_class"),
    ),
    (
        "trigger",
        "pg_trigger",
        "tgname",
        PersistenceTest::Relation("tgrelid"),
    ),
    (
        "policy",
        "pg_policy",
        "polname",
        PersistenceTest::Relation("polrelid"),
    ),
    ("enum label", "pg_enum", "enumlabel", PersistenceTest::Database),
    ("cast", "pg_cast", "oid", PersistenceTest::Database),
    ("transform", "pg_transform", "oid", PersistenceTest::Database),
    (
        "event trigger",
        "pg_event_trigger",
        "evtname",
        PersistenceTest::Database,
    ),
    (
        "publication",
        "pg_publication",
        "pubname",
        PersistenceTest::Database,
    ),
    (
        "published table",
        "pg_publication_rel",
        "oid",
        PersistenceTest::Database,
    ),
    ("extension", "pg_extension", "extname", PersistenceTest::Database),
    (
        "foreign server",
        "pg_foreign_server",
        "srvname",
        PersistenceTest::Database,
    ),
    (
        "foreign-data wrapper",
        "pg_foreign_data_wrapper",
        "fdwname",
        PersistenceTest::Database,
    ),
    ("access method", "pg_am", "amname", PersistenceTest::Database),
    ("language", "pg_language", "lanname", PersistenceTest::Database),
];

/// Begins the transaction in which a snapshot is exported. Each of its statements sees what is committed when that begins.
pub async fn begin(session: &Session) -> Result<()> {
    let sql = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";
    batch(session, "cannot begin a transaction", sql).await
}

/// Ends the session's transaction, also one that failed.
pub async fn end(session: &Session) -> Result<()> {
    batch(session, "cannot end the transaction", "ROLLBACK").await
}

/// The tables that another session changes now, or waits to change, by a lock that no reader may pass.
pub async fn exclusively_locked(session: &Session) -> Result<Vec<Name>> {
    let sql = format!(
        "SELECT DISTINCT n.nspname::text, c.relname::text
           FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND c.relkind IN ('r', 'p') AND {SYSTEM_SCHEMAS}
            AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
          ORDER BY 1, 2"
    );
    let rows = all(session, "cannot read the locks", &sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Waits until no other session holds a lock on the table that no reader may pass, as long as the session waits for locks. A table
/// that is gone by then is no error.
pub async fn wait_for_table(session: &Session, (schema, name): &Name) -> Result<()> {
    let statement = format!(
        "BEGIN; LOCK TABLE ONLY {}.{} IN ACCESS SHARE MODE; COMMIT",
        identifier(schema),
        identifier(name)
    );
    let answer = session.with_timeout(session.batch_execute(&statement)).await?;
    if answer.is_ok() {
        return Ok(());
    }
    end(session).await?;
    match answer {
        Err(cause) if cause.code().is_some_and(|code| MISSING.contains(code)) => Ok(()),
        answer => {
            unless_failed(
                session,
                &format!("the lock on {schema}.{name} did not come in time"),
                answer,
            )
            .await
        }
    }
}

/// Exports the snapshot of one statement, and reads by the same statement what the database holds: the state is exactly the
/// snapshot's. The first value is what `SET TRANSACTION SNAPSHOT` takes while the session's transaction lasts.
pub async fn export(session: &Session) -> Result<(String, SourceState)> {
    let sql = format!(
        "WITH exported AS MATERIALIZED (SELECT pg_catalog.pg_export_snapshot() AS snapshot), state AS ({})
         SELECT kind, oid, version, name, snapshot FROM exported LEFT JOIN state ON true",
        state_sql(Concerned::Definitions)
    );
    let rows = all(session, "cannot export a snapshot", &sql, &[]).await?;
    let snapshot = rows.first().map(|row| row.get(4)).unwrap_or_default();
    Ok((snapshot, state_of(&rows)))
}

/// What the database holds now of what is concerned.
pub async fn state(session: &Session, concerned: Concerned) -> Result<SourceState> {
    let what = "cannot read the state of the source's catalogs";
    Ok(state_of(&all(session, what, &state_sql(concerned), &[]).await?))
}

/// Begins a transaction that sees what the exported snapshot sees, and cannot write.
pub async fn join(session: &Session, snapshot: &str) -> Result<()> {
    let sql = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{}'",
        snapshot.replace('\'', "''")
    );
    batch(session, "cannot join the snapshot of the dump", &sql).await
}

/// Asks for nothing, so that neither the server nor what lies between takes the session for dead.
pub async fn keep_alive(session: &Session) -> Result<()> {
    batch(session, "the session that holds the snapshot was lost", "SELECT").await
}

fn state_of(rows: &[Row]) -> SourceState {
    let objects = rows.iter().filter_map(|row| {
        Some(SourceObject {
            kind: row.get::<_, Option<String>>(0)?,
            oid: row.get(1),
            version: row.get(2),
            name: row.get(3),
        })
    });
    SourceState(objects.collect())
}

/// Everything that is compared, as `kind, oid, name, version`.
///
/// The version of a table is the file of its rows: every rewrite and TRUNCATE makes a new one. Indexes, views, sequences and the
/// like are compared by name alone: a REINDEX or REFRESH is no change of a definition.
fn state_sql(concerned: Concerned) -> String {
    let relations = format!(
        "SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index'
                               WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                               WHEN 'f' THEN 'foreign table' ELSE 'composite type' END AS kind,
                c.oid AS oid, n.nspname || '.' || c.relname AS name,
                CASE WHEN c.relkind IN ('r', 'p') THEN c.relfilenode::text ELSE '' END AS version
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE {SYSTEM_SCHEMAS}
         UNION ALL SELECT 'schema', n.oid, n.nspname, '' FROM pg_catalog.pg_namespace n
          WHERE {SYSTEM_SCHEMAS} AND n.oid >= {FIRST_OWN_OID}"
    );
    let definitions = DEFINITIONS.iter().filter(|(kind, ..)| concerned.concerns(kind));
    let definitions = definitions.map(|(kind, catalog, name, place)| {
        let place = match place {
            PersistenceTest::Schema(column) => {
                format!("JOIN pg_catalog.pg_namespace n ON n.oid = d.{column} AND {SYSTEM_SCHEMAS}")
            }
            PersistenceTest::Relation(column) => format!(
                "JOIN pg_catalog.pg_class c ON c.oid = d.{column}
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND {SYSTEM_SCHEMAS}"
            ),
            PersistenceTest::Database => String::new(),
        };
        let name = match place.is_empty() {
            true => format!("d.{name}::text"),
            false => format!("n.nspname || '.' || d.{name}"),
        };
        // The triggers of foreign keys are no definitions of their own.
        let more = match *catalog {
            "pg_trigger" => " AND NOT d.tgisinternal",
            _ => "",
        };
        format!(
            " UNION ALL SELECT '{kind}', d.oid, {name}, d.xmin::text FROM pg_catalog.{catalog} d {place}
               WHERE d.oid >= {FIRST_OWN_OID}{more}"
        )
    });
    let objects: String = std::iter::once(relations).chain(definitions).collect();
    // A database without an encoding may have names that are no text to us.
    format!(
        "SELECT kind, oid, version,
                CASE WHEN current_setting('server_encoding') = 'SQL_ASCII' THEN encode(convert_to(name, 'SQL_ASCII'), 'escape')
                     ELSE name END AS name
           FROM ({objects}) AS objects (kind, oid, name, version)"
    )
}
