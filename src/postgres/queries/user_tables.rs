//! The tables that a product made itself.

use super::{SYSTEM_SCHEMAS, all};
use crate::error::Result;
use crate::model::profile::PLATFORM_SCHEMAS;
use crate::postgres::session::Session;

/// Every table by schema and name, the weightiest first: those that many others refer to, and those that are large. Partitions are part
/// of another table, and what an extension or a platform made is not the product's.
pub async fn by_weight(session: &Session) -> Result<Vec<(String, String)>> {
    let sql = format!(
        "WITH own AS (
           SELECT n.nspname::text AS schema, c.relname::text AS name, pg_total_relation_size(c.oid) AS bytes,
                  (SELECT count(*) FROM pg_catalog.pg_constraint f
                    WHERE f.contype = 'f' AND f.confrelid = c.oid AND f.conrelid <> c.oid) AS references_to
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE {SYSTEM_SCHEMAS} AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
              AND n.nspname <> ALL ($1)
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                               WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
         SELECT schema, name FROM own
          ORDER BY least(rank() OVER (ORDER BY references_to DESC), rank() OVER (ORDER BY bytes DESC)), bytes DESC, schema, name"
    );
    let platforms: &[&str] = &PLATFORM_SCHEMAS;
    let rows = all(session, "cannot read which tables there are", &sql, &[&platforms]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
