//! What could stop a dump of a database, or a restore into one, asked before it does.

use super::queries::{SYSTEM_SCHEMAS, all, one};
use super::session::Session;
use crate::error::Result;

/// Something that pg_dump wants to read and cannot read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its schema and name.
    pub name: String,
    /// Whether policies would hide rows; otherwise the role may not read it at all.
    pub is_filtered: bool,
}

/// What a role may do in a database it restores into, and how many connections are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Openness {
    /// Whether it may create schemas.
    pub may_create_schemas: bool,
    /// Whether it may create things in the schema `public`, or the schema itself where there is none.
    pub may_create_in_public: bool,
    /// How many more connections its server, database and role allow.
    pub free_connections: i32,
}

/// The tables and sequences that pg_dump would stop at. pg_dump reads all rows of a table or none: where policies apply to the
/// role, that is an error, whatever they would hide.
pub async fn unreadable(session: &Session) -> Result<Vec<Unreadable>> {
    let sql = format!(
        "SELECT * FROM (
           SELECT n.nspname || '.' || c.relname,
                  has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS may_read,
                  c.relkind IN ('r', 'p') AND row_security_active(c.oid) AS is_filtered
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE {SYSTEM_SCHEMAS} AND c.relkind IN ('r', 'p', 'S')
              AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
         ) AS wanted WHERE NOT may_read OR is_filtered ORDER BY 1"
    );
    let rows = all(session, "cannot ask what the role may read", &sql, &[]).await?;
    let unreadable = rows.iter().map(|row| Unreadable {
        name: row.get(0),
        // Who may not read at all is not filtered.
        is_filtered: row.get::<_, bool>(1) && row.get::<_, bool>(2),
    });
    Ok(unreadable.collect())
}

/// How many large objects the role may not read.
pub async fn unreadable_large_objects(session: &Session) -> Result<i64> {
    let row = one(
        session,
        "cannot ask which large objects the role may read",
        "SELECT count(*) FROM pg_largeobject_metadata l
          WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
            AND NOT pg_has_role(l.lomowner, 'USAGE')
            AND NOT EXISTS (SELECT FROM aclexplode(l.lomacl) granted WHERE privilege_type = 'SELECT'
                               AND CASE WHEN grantee = 0 THEN true ELSE pg_has_role(grantee, 'USAGE') END)",
        &[],
    )
    .await?;
    Ok(row.get(0))
}

/// What the role may do in the database.
pub async fn openness(session: &Session) -> Result<Openness> {
    // Other people's sessions are counted by database, as only their owners see more of them.
    let row = one(
        session,
        "cannot ask what the role may do",
        "SELECT has_database_privilege(current_database(), 'CREATE'),
                coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = 'public'),
                         has_database_privilege(current_database(), 'CREATE')),
                least(
                  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                    - coalesce(current_setting('reserved_connections', true)::int, 0)
                    - (SELECT sum(numbackends) FROM pg_stat_database WHERE datid <> 0)::int,
                  (SELECT nullif(rolconnlimit, -1) - (SELECT count(*) FROM pg_stat_activity WHERE usesysid = r.oid)
                     FROM pg_roles r WHERE rolname = current_user)::int,
                  (SELECT nullif(datconnlimit, -1) - numbackends
                     FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid WHERE d.datname = current_database())::int)",
        &[],
    )
    .await?;
    Ok(Openness {
        may_create_schemas: row.get(0),
        may_create_in_public: row.get(1),
        free_connections: row.get(2),
    })
}
