//! Tables of extensions whose rows are a user's in part: pg_dump takes only the rows that the extension's own condition tells, and
//! the extension brings the others.

use std::collections::HashMap;

use super::{all, batch};
use crate::error::Result;
use crate::postgres::rights::Name;
use crate::postgres::session::Session;

/// Each such table of the database, with the condition, `WHERE …`, of the rows that are a user's; empty where all are.
pub async fn configuration_tables(session: &Session) -> Result<HashMap<Name, String>> {
    let sql = "SELECT n.nspname::text, c.relname::text, coalesce(configured.condition, '')
         FROM pg_catalog.pg_extension e
         CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS configured (oid, condition)
         JOIN pg_catalog.pg_class c ON c.oid = configured.oid AND c.relkind IN ('r', 'p')
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";
    let what = "cannot read which tables are an extension's configuration";
    let rows = all(session, what, sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| ((row.get(0), row.get(1)), row.get(2)))
        .collect())
}

/// Removes rows by these statements, in one transaction.
pub async fn delete(session: &Session, deletes: &[String]) -> Result<()> {
    if deletes.is_empty() {
        return Ok(());
    }
    let what = "cannot remove the rows of an extension's configuration that the backup brings";
    batch(session, what, &deletes.join("; ")).await
}
