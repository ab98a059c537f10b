//! What a target holds, and taking it away.

use std::fmt;

use super::comparing::large_objects;
use super::{SYSTEM_SCHEMAS, all, batch, identifier, one};
use crate::error::Result;
use crate::postgres::rights::Name;
use crate::postgres::session::Session;

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

/// The statement that removes all rows of a table.
pub fn delete_all((schema, table): &Name) -> String {
    format!("DELETE FROM {}.{}", identifier(schema), identifier(table))
}

/// Runs the statements, and removes every large object where that is asked for, in one transaction. Another session that
/// holds one of the objects makes it fail soon instead of waiting for ever. `about_to_commit` is told when only the commit is left.
pub async fn drop_objects(
    session: &Session,
    statements: &[String],
    large_objects: bool,
    about_to_commit: impl FnOnce(),
) -> Result<()> {
    let mut sql = format!(
        "BEGIN; SET LOCAL lock_timeout = '{}ms'; SET LOCAL client_min_messages = warning",
        session.patience().lock.as_millis()
    );
    for statement in statements {
        sql.push(';');
        sql.push_str(statement);
    }
    if large_objects {
        sql.push_str("; SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata");
    }
    let what = "cannot drop what the target holds; nothing was dropped";
    if let Err(error) = batch(session, what, &sql).await {
        let _ = batch(session, what, "ROLLBACK").await;
        return Err(error.hint(
            "end the sessions that use the target (see pg_stat_activity), and check that the role owns what is there",
        ));
    }
    about_to_commit();
    batch(
        session,
        "cannot commit that what the target holds is dropped",
        "COMMIT",
    )
    .await
}
