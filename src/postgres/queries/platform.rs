//! Whether a database is on a platform, and what it takes to fill the platform's tables.

use super::{all, batch, identifier, one};
use crate::error::Result;
use crate::model::profile::Profile;
use crate::postgres::rights::Name;
use crate::postgres::session::Session;

/// Who owns what is in the database. It is a Supabase project's when its table of users belongs to Supabase's own role, and the
/// server's superuser is Supabase's and not `postgres`. A copy of such a database elsewhere has its owners, and another superuser.
pub async fn profile(session: &Session) -> Result<Profile> {
    let sql = "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = 'auth' AND c.relname = 'users' AND pg_get_userbyid(c.relowner) = 'supabase_auth_admin')
            AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'supabase_admin' AND rolsuper)
            AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres' AND NOT rolsuper)";
    let is_supabase: bool = one(session, "cannot tell whose the database is", sql, &[])
        .await?
        .get(0);
    Ok(if is_supabase {
        Profile::Supabase
    } else {
        Profile::Plain
    })
}

/// Whether a table holds any row, or any that the `condition` of an extension tells.
pub async fn holds_rows(session: &Session, (schema, table): &Name, condition: Option<&str>) -> Result<bool> {
    let what = format!("cannot read {schema}.{table}");
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {}.{} {})",
        identifier(schema),
        identifier(table),
        condition.unwrap_or_default()
    );
    Ok(one(session, &what, &sql, &[]).await?.get(0))
}

/// From here on the session's writes fire no triggers of the tables they go into, and their foreign keys are not checked.
pub async fn fire_no_triggers(session: &Session) -> Result<()> {
    let sql = "SET session_replication_role = replica";
    batch(session, "cannot keep triggers from firing", sql).await
}

/// From here on they fire again.
pub async fn fire_triggers(session: &Session) -> Result<()> {
    let sql = "RESET session_replication_role";
    batch(session, "cannot let triggers fire", sql).await
}

/// Foreign keys of the given tables, and to them within their schemas, that some row breaks, as `schema.table constraint`. Rows
/// that were loaded without firing triggers were not checked against them.
pub async fn broken_references(session: &Session, tables: &[Name]) -> Result<Vec<String>> {
    let what = "cannot check the foreign keys of the platform's tables";
    let (schemas, names): (Vec<&str>, Vec<&str>) = tables
        .iter()
        .map(|(schema, name)| (schema.as_str(), name.as_str()))
        .unzip();
    let sql = "SELECT format('%s.%s %s', n.nspname, r.relname, c.conname),
                format('SELECT EXISTS (SELECT FROM %I.%I a WHERE %s AND NOT EXISTS (SELECT FROM %I.%I b WHERE %s))',
                    n.nspname, r.relname,
                    (SELECT string_agg(format('a.%I IS NOT NULL', x.attname), ' AND ')
                       FROM unnest(c.conkey) AS k JOIN pg_attribute x ON x.attrelid = c.conrelid AND x.attnum = k),
                    fn.nspname, f.relname,
                    (SELECT string_agg(format('a.%I = b.%I', x.attname, y.attname), ' AND ')
                       FROM unnest(c.conkey, c.confkey) AS k (own, other)
                       JOIN pg_attribute x ON x.attrelid = c.conrelid AND x.attnum = k.own
                       JOIN pg_attribute y ON y.attrelid = c.confrelid AND y.attnum = k.other))
           FROM pg_constraint c
           JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
           JOIN pg_class f ON f.oid = c.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
          WHERE c.contype = 'f' AND n.nspname = ANY ($1)
            AND has_table_privilege(r.oid, 'SELECT') AND has_table_privilege(f.oid, 'SELECT')
            AND ((n.nspname::text, r.relname::text) IN (SELECT * FROM unnest($1::text[], $2::text[]))
                 OR (fn.nspname::text, f.relname::text) IN (SELECT * FROM unnest($1::text[], $2::text[])))
          ORDER BY 1";
    let mut broken = Vec::new();
    for row in all(session, what, sql, &[&schemas, &names]).await? {
        if one(session, what, row.get(1), &[]).await?.get(0) {
            broken.push(row.get(0));
        }
    }
    Ok(broken)
}
