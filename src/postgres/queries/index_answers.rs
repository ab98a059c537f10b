//! Whether indexes find the rows that are there.
//!
//! An index over an expression or with a predicate holds what its functions gave when it was built. Where these read what was not there
//! yet, queries that use the index miss rows.

use tokio_postgres::Error as PostgresError;
use tokio_postgres::error::SqlState;

use super::{SYSTEM_SCHEMAS, all, batch, identifier, one, qualified, unless_failed};
use crate::error::Result;
use crate::postgres::session::Session;

/// How many rows are looked up over one index.
const SAMPLED_ROWS: u32 = 100;
/// About how many pages of a table the rows are taken from.
const SAMPLED_PAGES: i64 = 200;

/// An index to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexToCheck {
    pub schema: String,
    pub name: String,
    /// The table's name, in the same schema.
    table: String,
    /// Its keys as SQL over the table.
    keys: Vec<String>,
    /// Its predicate as SQL over the table.
    predicate: Option<String>,
    /// How many pages the table has.
    pages: i64,
}

/// Whether the session's role may run amcheck's checks of B-trees, and in which schema they are.
pub async fn amcheck_schema(session: &Session) -> Result<Option<String>> {
    let sql = "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                 JOIN pg_proc p ON p.pronamespace = n.oid AND p.oid = to_regprocedure(format('%I.bt_index_check(regclass, boolean)', n.nspname))
                WHERE e.extname = 'amcheck' AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')";
    let found = all(session, "cannot look for amcheck", sql, &[]).await?;
    Ok(found.first().map(|row| row.get(0)))
}

/// The valid B-trees of user tables, as `schema.name` and the index's oid.
pub async fn btrees(session: &Session) -> Result<Vec<(String, u32)>> {
    let sql = format!(
        "SELECT n.nspname || '.' || c.relname, c.oid
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_am m ON m.oid = c.relam
          WHERE {SYSTEM_SCHEMAS} AND i.indisvalid AND i.indisready AND c.relkind = 'i' AND m.amname = 'btree' AND c.relpersistence <> 't'
          ORDER BY c.relpages DESC"
    );
    let rows = all(session, "cannot list the indexes", &sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What is wrong with a B-tree, in the server's words, if anything: each row of its table must be in it.
pub async fn damage_of_btree(session: &Session, schema: &str, index: u32) -> Result<Option<String>> {
    let sql = format!(
        "SELECT {}.bt_index_check($1::oid::regclass, true)",
        identifier(schema)
    );
    let answer = session.with_timeout(session.query_one(&sql, &[&index])).await?;
    match answer.as_ref().err().and_then(PostgresError::as_db_error) {
        Some(told) if [SqlState::INDEX_CORRUPTED, SqlState::DATA_CORRUPTED].contains(told.code()) => {
            Ok(Some(told.message().to_owned()))
        }
        _ => unless_failed(session, "cannot check an index", answer)
            .await
            .map(|_| None),
    }
}

/// The valid indexes over expressions and with predicates that an equality can use.
pub async fn computed_indexes(session: &Session) -> Result<Vec<IndexToCheck>> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, t.relname::text, pg_get_expr(i.indpred, i.indrelid),
                ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnkeyatts) AS k ORDER BY k),
                pg_relation_size(t.oid) / current_setting('block_size')::int
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_class t ON t.oid = i.indrelid JOIN pg_am m ON m.oid = c.relam
          WHERE {SYSTEM_SCHEMAS} AND i.indisvalid AND i.indisready AND c.relkind = 'i' AND m.amname IN ('btree', 'hash')
            AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL) AND c.relpersistence <> 't'
          ORDER BY 1, 2"
    );
    let rows = all(session, "cannot list the indexes", &sql, &[]).await?;
    let indexes = rows.iter().map(|row| IndexToCheck {
        schema: row.get(0),
        name: row.get(1),
        table: row.get(2),
        predicate: row.get(3),
        keys: row.get(4),
        pages: row.get(5),
    });
    Ok(indexes.collect())
}

/// From here on the session reads over indexes where it can.
pub async fn prefer_indexes(session: &Session) -> Result<()> {
    let sql = "SET enable_seqscan = off; SET enable_tidscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
               SET enable_material = off; SET max_parallel_workers_per_gather = 0";
    batch(session, "cannot prepare the session", sql).await
}

/// Takes back what [`prefer_indexes`] said.
pub async fn prefer_nothing(session: &Session) -> Result<()> {
    let sql = "RESET enable_seqscan; RESET enable_tidscan; RESET enable_hashjoin; RESET enable_mergejoin;
               RESET enable_material; RESET max_parallel_workers_per_gather";
    batch(session, "cannot prepare the session", sql).await
}

/// What became of rows that were looked up over an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexLookup {
    Found,
    /// So many of the rows of a sample were not.
    NotFound(i64),
    /// No query takes the index.
    NotUsed,
}

/// Looks a sample of the table's rows up over the index, and asks whether each is found by what its expressions give now.
pub async fn ask(session: &Session, index: &IndexToCheck) -> Result<IndexLookup> {
    let what = format!("cannot look rows up over {}.{}", index.schema, index.name);
    let sql = sample_lookup(index);
    let plan = all(session, &what, &format!("EXPLAIN {sql}"), &[]).await?;
    let name = if index
        .name
        .chars()
        .all(|mark| mark.is_ascii_lowercase() || mark == '_' || mark.is_ascii_digit())
    {
        index.name.clone()
    } else {
        identifier(&index.name)
    };
    let is_used = plan
        .iter()
        .any(|row| row.get::<_, &str>(0).contains(&format!(" {name} ")));
    if !is_used {
        return Ok(IndexLookup::NotUsed);
    }
    let lost: i64 = one(session, &what, &sql, &[]).await?.get(0);
    Ok(if lost == 0 {
        IndexLookup::Found
    } else {
        IndexLookup::NotFound(lost)
    })
}

/// The number of sampled rows that are not found by their keys.
fn sample_lookup(index: &IndexToCheck) -> String {
    let table = qualified(&index.schema, &index.table);
    let holds = index.predicate.as_deref().unwrap_or("true");
    let keys: Vec<String> = (1..)
        .zip(&index.keys)
        .map(|(number, key)| format!("({key}) AS k{number}"))
        .collect();
    let known: Vec<String> = (1..=index.keys.len())
        .map(|number| format!("k{number} IS NOT NULL"))
        .collect();
    let equal: Vec<String> = (1..)
        .zip(&index.keys)
        .map(|(number, key)| format!("({key}) = sampled_here.k{number}"))
        .collect();
    // A sample is read from the table itself, and never over the index that is asked.
    let share = format!("LEAST(100, 100.0 * {SAMPLED_PAGES} / {})", index.pages.max(1));
    format!(
        "SELECT count(*) FROM (
             SELECT * FROM (SELECT ctid AS at, {} FROM ONLY {table} TABLESAMPLE SYSTEM ({share}) REPEATABLE (1) WHERE {holds}) AS drawn WHERE {} ORDER BY at LIMIT {SAMPLED_ROWS}
         ) AS sampled_here
         WHERE NOT EXISTS (SELECT FROM ONLY {table} WHERE ({holds}) AND {} AND ctid = sampled_here.at OFFSET 0)",
        keys.join(", "),
        known.join(" AND "),
        equal.join(" AND "),
    )
}
