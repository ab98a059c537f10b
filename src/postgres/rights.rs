//! What the role of a session may do in a database that is not all its own.

use std::collections::{HashMap, HashSet};

use super::queries::{SYSTEM_SCHEMAS, all, one, strings};
use super::session::Session;
use crate::error::Result;

/// Schema and name.
pub type Name = (String, String);

/// What the role of a session may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionRights {
    /// Whether it is a superuser.
    pub is_superuser: bool,
    /// Whether it may make event triggers.
    pub may_make_event_triggers: bool,
    /// Schemas in which it may make things.
    pub creatable_in: HashSet<String>,
    /// Extensions it may create.
    pub creatable_extensions: HashSet<String>,
    /// Publications it may change.
    pub own_publications: HashSet<String>,
    /// What it may do to each table.
    pub tables: HashMap<Name, TableRights>,
    /// Sequences it may set, with the table that each belongs to.
    pub settable_sequences: HashMap<Name, Option<Name>>,
}

/// What a role may do to one table, and the table's columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRights {
    pub may_insert: bool,
    /// Make triggers on it.
    pub may_make_triggers: bool,
    /// Make policies on it.
    pub may_make_policies: bool,
    /// The columns that rows may be loaded into: all but those the table computes.
    pub columns: Vec<String>,
}

/// Reads what the session's role may do.
///
/// Supabase's extension supautils lets a role do some things that PostgreSQL's own privileges forbid. It says so in settings,
/// which are read here: policies on tables of others, extensions, event triggers.
pub async fn rights(session: &Session) -> Result<SessionRights> {
    let what = "cannot read what the target's role may do";
    let role = one(
        session,
        what,
        "SELECT rolsuper, rolsuper OR coalesce(pg_has_role(current_user, privileged.oid, 'MEMBER'), false)
           FROM pg_roles LEFT JOIN (SELECT oid FROM pg_roles WHERE rolname = current_setting('supautils.privileged_role', true)) privileged ON true
          WHERE rolname = current_user",
        &[],
    )
    .await?;
    let schemas = "SELECT nspname::text FROM pg_namespace WHERE has_schema_privilege(oid, 'CREATE')";
    let extensions = "SELECT DISTINCT name::text FROM pg_available_extension_versions
          WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
             OR trusted AND has_database_privilege(current_database(), 'CREATE')
             OR name = ANY (regexp_split_to_array(current_setting('supautils.privileged_extensions', true), '\\s*,\\s*'))";
    let publications = "SELECT pubname::text FROM pg_publication WHERE pg_has_role(pubowner, 'USAGE')";
    Ok(SessionRights {
        is_superuser: role.get(0),
        may_make_event_triggers: role.get(1),
        creatable_in: set(session, what, schemas).await?,
        creatable_extensions: set(session, what, extensions).await?,
        own_publications: set(session, what, publications).await?,
        tables: tables(session, what).await?,
        settable_sequences: sequences(session, what).await?,
    })
}

async fn set(session: &Session, what: &str, sql: &str) -> Result<HashSet<String>> {
    Ok(strings(&all(session, what, sql, &[]).await?)
        .into_iter()
        .collect())
}

async fn tables(session: &Session, what: &str) -> Result<HashMap<Name, TableRights>> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, has_table_privilege(c.oid, 'INSERT') AND has_schema_privilege(n.oid, 'USAGE'),
                has_table_privilege(c.oid, 'TRIGGER') AND has_schema_privilege(n.oid, 'USAGE'),
                pg_has_role(c.relowner, 'USAGE')
                    OR coalesce(nullif(current_setting('supautils.policy_grants', true), '')::jsonb -> current_user::text
                                ? (n.nspname || '.' || c.relname), false),
                ARRAY(SELECT attname::text FROM pg_attribute a
                       WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum)
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE {SYSTEM_SCHEMAS} AND c.relkind IN ('r', 'p')"
    );
    let rows = all(session, what, &sql, &[]).await?;
    let named = rows.iter().map(|row| {
        let rights = TableRights {
            may_insert: row.get(2),
            may_make_triggers: row.get(3),
            may_make_policies: row.get(4),
            columns: row.get(5),
        };
        ((row.get(0), row.get(1)), rights)
    });
    Ok(named.collect())
}

async fn sequences(session: &Session, what: &str) -> Result<HashMap<Name, Option<Name>>> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, tn.nspname::text, t.relname::text
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
                                AND d.refclassid = 'pg_class'::regclass
           LEFT JOIN pg_class t ON t.oid = d.refobjid LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
          WHERE {SYSTEM_SCHEMAS} AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'UPDATE') ELSE false END"
    );
    let rows = all(session, what, &sql, &[]).await?;
    let named = rows.iter().map(|row| {
        let table: Option<String> = row.get(3);
        (
            (row.get(0), row.get(1)),
            row.get::<_, Option<String>>(2).zip(table),
        )
    });
    Ok(named.collect())
}
