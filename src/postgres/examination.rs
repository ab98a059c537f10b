//! What could stop a dump of a database, or a restore into one, asked before it does.

use super::queries::platform::profile;
use super::queries::{SYSTEM_SCHEMAS, all, one};
use super::rights::Name;
use super::session::Session;
use crate::error::Result;
use crate::model::left_out::LeftOut;

/// The tables and sequences that a role may not read whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadableRelations {
    /// A platform's own, out of the role's reach by its design. A backup is made without them.
    pub platforms: Vec<Name>,
    /// Those of which the role may not read anything. pg_dump would stop there.
    pub denied: Vec<Name>,
    /// Those of which policies would hide rows. pg_dump reads all rows or none, so it would stop there too, for any rows they hide.
    pub filtered: Vec<Name>,
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

/// What the role may not read whole of all that pg_dump reads. Sequences of such tables are not named besides.
pub async fn unreadable(session: &Session) -> Result<UnreadableRelations> {
    let profile = profile(session).await?;
    let sql = format!(
        "SELECT * FROM (
           SELECT n.nspname::text, c.relname::text,
                  has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS may_read,
                  c.relkind IN ('r', 'p') AND row_security_active(c.oid) AS is_filtered, owned.by IS NOT NULL
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN LATERAL (SELECT d.refobjid AS by FROM pg_depend d
                                 WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
                                   AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')) AS owned ON true
            WHERE {SYSTEM_SCHEMAS} AND c.relkind IN ('r', 'p', 'S') AND coalesce(has_table_privilege(owned.by, 'SELECT'), true)
              AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
         ) AS wanted WHERE NOT may_read OR is_filtered ORDER BY 1, 2"
    );
    let mut unreadable = UnreadableRelations::default();
    for row in all(session, "cannot ask what the role may read", &sql, &[]).await? {
        let name: Name = (row.get(0), row.get(1));
        let may_read: bool = row.get(2);
        let list = match may_read {
            true => &mut unreadable.filtered,
            // pg_dump takes a table's sequence along with it, under any other flags.
            false if profile.owns_schema(&name.0) && !row.get::<_, bool>(4) => &mut unreadable.platforms,
            false => &mut unreadable.denied,
        };
        list.push(name);
    }
    Ok(unreadable)
}

/// What a dump without the tables of `unreadable` leaves out of all that the database holds for good.
pub async fn left_out(session: &Session, unreadable: &[Name]) -> Result<Vec<LeftOut>> {
    let sql = format!(
        "SELECT CASE WHEN c.relkind = 'f' THEN 'rows of a foreign table'
                     WHEN e.extname IS NOT NULL THEN 'rows of an extension''s table' ELSE 'rows of an unlogged table' END,
                n.nspname || '.' || c.relname,
                CASE WHEN c.relkind = 'f' THEN 'they are on another server'
                     WHEN e.extname IS NOT NULL THEN format('the extension %s makes them itself', e.extname)
                     ELSE 'a standby does not have them' END
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
           LEFT JOIN pg_extension e ON e.oid = d.refobjid
          WHERE {SYSTEM_SCHEMAS}
            AND (c.relkind = 'f' OR c.relkind = 'r' AND e.oid IS NOT NULL AND NOT c.oid = ANY (coalesce(e.extconfig, '{{}}'))
                 OR c.relkind = 'r' AND c.relpersistence = 'u' AND pg_is_in_recovery())
          ORDER BY 1, 2"
    );
    let rows = all(session, "cannot ask what a dump leaves out", &sql, &[]).await?;
    let rows = rows.iter().map(|row| LeftOut {
        what: row.get(0),
        name: row.get(1),
        reason: row.get(2),
    });
    let tables = unreadable.iter().map(|(schema, table)| LeftOut {
        what: "table".to_owned(),
        name: format!("{schema}.{table}"),
        reason: "it is the platform's, and the role may not read it".to_owned(),
    });
    Ok(tables.chain(rows).collect())
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
