//! Everything of a database that is compared with what a backup recorded.

use std::collections::HashMap;
use std::ops::Range;

use tokio_postgres::CopyOutStream;
use tokio_postgres::error::SqlState;

use super::{MISSING, SYSTEM_SCHEMAS, all, one, qualified, strings, unless_failed};
use crate::error::Result;
use crate::model::manifest::Sequence;
use crate::postgres::rights::Name;
use crate::postgres::session::Session;

/// How many rows a table has of its own, those of tables that inherit from it not counted, or how many of them the `condition` of an
/// extension tells; `None` where there is no such table.
pub async fn count_rows(
    session: &Session,
    schema: &str,
    table: &str,
    condition: Option<&str>,
) -> Result<Option<u64>> {
    let statement = format!(
        "SELECT count(*) FROM ONLY {} {}",
        qualified(schema, table),
        condition.unwrap_or_default()
    );
    match session.with_timeout(session.query_one(&statement, &[])).await? {
        Err(cause) if cause.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        answer => {
            let what = format!("cannot count the rows of {schema}.{table}");
            let row = unless_failed(session, &what, answer).await?;
            Ok(u64::try_from(row.get::<_, i64>(0)).ok())
        }
    }
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

/// Which rows of a table are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowSelection {
    All,
    /// Those that begin in these pages.
    Pages(Range<u32>),
    /// Those that the condition of an extension tells, `WHERE …`, as pg_dump takes them.
    Where(String),
}

/// The rows of one table as COPY text, in the given columns (`(id, name)`); `None` where there is no such table or column.
pub async fn copy_out(
    session: &Session,
    schema: &str,
    table: &str,
    columns: &str,
    rows: &RowSelection,
) -> Result<Option<CopyOutStream>> {
    let name = qualified(schema, table);
    let listed = columns
        .strip_prefix('(')
        .and_then(|columns| columns.strip_suffix(')'));
    let statement = match (rows, listed) {
        (RowSelection::Where(condition), Some(listed)) => {
            format!("COPY (SELECT {listed} FROM {name} {condition}) TO STDOUT")
        }
        (RowSelection::Pages(pages), Some(listed)) => format!(
            "COPY (SELECT {listed} FROM ONLY {name} WHERE ctid >= '({},0)' AND ctid < '({},0)') TO STDOUT",
            pages.start, pages.end
        ),
        _ => format!("COPY {name} {columns} TO STDOUT"),
    };
    match session.with_timeout(session.copy_out(&statement)).await? {
        Err(cause) if cause.code().is_some_and(|code| MISSING.contains(code)) => Ok(None),
        answer => {
            let what = format!("cannot read {schema}.{table}");
            unless_failed(session, &what, answer).await.map(Some)
        }
    }
}

/// The large objects' ids, in order.
pub async fn large_objects(session: &Session) -> Result<Vec<u32>> {
    let sql = "SELECT oid FROM pg_largeobject_metadata ORDER BY oid";
    let rows = all(session, "cannot list the large objects", sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The comments on large objects, with their ids.
pub async fn large_object_comments(session: &Session) -> Result<Vec<(u32, String)>> {
    let sql = "SELECT objoid, description FROM pg_description WHERE classoid = 'pg_largeobject'::regclass AND objsubid = 0";
    let rows = all(session, "cannot read the comments on large objects", sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
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

/// The value of every sequence that the role may read.
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
        let sql = format!("SELECT last_value, is_called FROM {}", qualified(&schema, &name));
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

/// Constraints that existing rows were not checked against, as `schema.table constraint`. What a table has from its parent is
/// as it is there, and what is NOT ENFORCED is checked against no row, as its definition says.
pub async fn unvalidated_constraints(session: &Session) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT n.nspname || '.' || r.relname || ' ' || c.conname
           FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
          WHERE NOT c.convalidated AND c.conislocal AND {SYSTEM_SCHEMAS}
            -- Servers before 18 have no such column.
            AND coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true) ORDER BY 1"
    );
    Ok(strings(
        &all(session, "cannot read the constraints", &sql, &[]).await?,
    ))
}

/// Indexes that queries cannot use, as `schema.index`. Of an index over partitions this says only that not every partition has its own
/// part, as an interrupted change or a foreign table leaves it: which have is in the definitions.
pub async fn invalid_indexes(session: &Session) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT n.nspname || '.' || c.relname
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE NOT (i.indisvalid AND i.indisready) AND {SYSTEM_SCHEMAS}
            AND NOT (c.relkind = 'I' AND EXISTS (SELECT FROM pg_inherits part WHERE part.inhparent = i.indrelid
                AND NOT EXISTS (SELECT FROM pg_inherits attached JOIN pg_index own ON own.indexrelid = attached.inhrelid
                    WHERE attached.inhparent = i.indexrelid AND own.indrelid = part.inhrelid AND own.indisvalid)))
          ORDER BY 1"
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
