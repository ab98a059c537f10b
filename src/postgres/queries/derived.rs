//! Generated columns and materialized views: what they hold, and what their definitions give now.

use std::fmt::Write;

use tokio_postgres::CopyOutStream;

use super::loading::attempt;
use super::{SYSTEM_SCHEMAS, all, identifier, one, qualified, unless_failed};
use crate::error::Result;
use crate::model::derived::Computed;
use crate::postgres::session::Session;

/// A relation with computed content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    pub schema: String,
    pub name: String,
    /// Which part of it is computed.
    pub computed: Computed,
    /// Its columns, in order.
    pub columns: Vec<String>,
    /// Whether the session's role may read it.
    pub is_readable: bool,
}

/// Tables with generated columns, and materialized views that hold data. Those of extensions are theirs.
pub async fn relations(session: &Session) -> Result<Vec<Relation>> {
    // Servers before 12 have no generated columns.
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, c.relkind = 'm', a.names,
                has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
                LATERAL (SELECT array_agg(attname::text ORDER BY attnum) AS names, bool_or(to_jsonb(a) ->> 'attgenerated' <> '') AS computes
                           FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS a
          WHERE {SYSTEM_SCHEMAS} AND (c.relkind = 'm' AND c.relispopulated OR c.relkind = 'r' AND a.computes) AND c.relpersistence <> 't'
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
          ORDER BY 1, 2"
    );
    let rows = all(session, "cannot list what is computed", &sql, &[]).await?;
    let relations = rows.iter().map(|row| Relation {
        schema: row.get(0),
        name: row.get(1),
        computed: if row.get(2) {
            Computed::View
        } else {
            Computed::Columns
        },
        columns: row.get::<_, Option<Vec<String>>>(3).unwrap_or_default(),
        is_readable: row.get(4),
    });
    Ok(relations.collect())
}

/// The columns of a relation as COPY text.
pub async fn copy_out(
    session: &Session,
    schema: &str,
    name: &str,
    columns: &[String],
) -> Result<CopyOutStream> {
    let rows = qualified(schema, name);
    copy(
        session,
        &format!("cannot read {schema}.{name}"),
        columns,
        &format!("ONLY {rows}"),
    )
    .await
}

/// What the definition of a materialized view gives now, as COPY text in the same columns.
pub async fn copy_definition(
    session: &Session,
    schema: &str,
    name: &str,
    columns: &[String],
) -> Result<CopyOutStream> {
    let what = format!("cannot ask what the definition of {schema}.{name} gives");
    let view = qualified(schema, name);
    let sql = "SELECT rtrim(pg_catalog.pg_get_viewdef($1::text::regclass), ';')";
    let definition: String = one(session, &what, sql, &[&view]).await?.get(0);
    let names: Vec<String> = columns.iter().map(|column| identifier(column)).collect();
    let rows = format!("({definition}) AS made ({})", names.join(", "));
    copy(session, &what, columns, &rows).await
}

async fn copy(session: &Session, what: &str, columns: &[String], rows: &str) -> Result<CopyOutStream> {
    let names: Vec<String> = columns.iter().map(|column| identifier(column)).collect();
    let sql = format!("COPY (SELECT {} FROM {rows}) TO STDOUT", names.join(", "));
    let answer = session.with_timeout(session.copy_out(&sql)).await?;
    unless_failed(session, what, answer).await
}

/// The condition under which a row has another value in a stored generated column than its expression gives now; nothing where there
/// is no such column.
async fn differs(session: &Session, what: &str, table: &str) -> Result<Option<String>> {
    // Not every type has an equality; every value has a text.
    let sql = "SELECT string_agg(format('(%s)::text IS DISTINCT FROM %I::text', pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attname), ' OR ')
                 FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                WHERE d.adrelid = $1::text::regclass AND to_jsonb(a) ->> 'attgenerated' = 's'";
    Ok(one(session, what, sql, &[&table]).await?.get(0))
}

/// How many rows of a table have another value in a generated column than its expression gives now.
pub async fn rows_computed_otherwise(session: &Session, schema: &str, name: &str) -> Result<i64> {
    let what = format!("cannot ask what the expressions of {schema}.{name} give");
    let table = qualified(schema, name);
    let Some(differs) = differs(session, &what, &table).await? else {
        return Ok(0);
    };
    let sql = format!("SELECT count(*) FROM ONLY {table} WHERE {differs}");
    Ok(one(session, &what, &sql, &[]).await?.get(0))
}

/// Computes the generated columns of a table again in the rows in which their expressions give something else now. It may take as
/// long as reading the table, and the server says nothing meanwhile. What is refused stays as it is.
pub async fn compute_again(session: &Session, schema: &str, name: &str) -> Result<()> {
    let what = format!("generated columns of {schema}.{name}");
    let table = qualified(schema, name);
    let Some(differs) = differs(session, &what, &table).await? else {
        return Ok(());
    };
    // The server computes a column again where a column that its expression names is set, to any value.
    let sql = "SELECT DISTINCT a.attname::text, a.attidentity = 'a'
                 FROM pg_catalog.pg_attrdef e JOIN pg_catalog.pg_depend d ON d.refobjid = e.adrelid AND d.refobjsubid > 0
                  AND (d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = e.oid
                       OR d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = e.adrelid AND d.objsubid = e.adnum)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = d.refobjsubid
                WHERE e.adrelid = $1::text::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND to_jsonb(a) ->> 'attgenerated' = ''";
    let set_columns = all(session, &what, sql, &[&table]).await?;
    if set_columns.is_empty() {
        return Ok(());
    }
    let (mut sets, mut opens, mut closes) = (Vec::new(), String::new(), String::new());
    for row in &set_columns {
        let (column, is_always_identity) = (identifier(row.get(0)), row.get(1));
        if is_always_identity {
            let alter = format!("ALTER TABLE ONLY {table} ALTER COLUMN {column} SET GENERATED");
            let _ = write!(opens, "{alter} BY DEFAULT; ");
            let _ = write!(closes, "; {alter} ALWAYS");
        }
        sets.push(format!("{column} = {column}"));
    }
    let sets = sets.join(", ");
    let sql = format!("{opens}UPDATE ONLY {table} SET {sets} WHERE {differs}{closes}");
    attempt(session, &what, &sql).await.map(drop)
}

/// Whether a materialized view's query calls a volatile function.
pub async fn is_volatile(session: &Session, schema: &str, name: &str) -> Result<bool> {
    let what = format!("cannot see which functions {schema}.{name} calls");
    let view = qualified(schema, name);
    let sql = "SELECT EXISTS (
                   SELECT FROM pg_catalog.pg_rewrite r, pg_catalog.regexp_matches(r.ev_action::text, ':(?:func|opfunc)id (\\d+)', 'g') AS called
                     JOIN pg_catalog.pg_proc p ON p.oid = called[1]::oid
                    WHERE r.ev_class = $1::text::regclass AND p.provolatile = 'v')";
    Ok(one(session, &what, sql, &[&view]).await?.get(0))
}
