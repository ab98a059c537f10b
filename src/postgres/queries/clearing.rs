//! What users made in a database, of every kind, as the database's own catalog tells.

use std::fmt;

use super::comparing::large_objects;
use super::{SYSTEM_SCHEMAS, all, one};
use crate::error::Result;
use crate::postgres::session::Session;

/// Kinds by whose objects a database counts as one that holds something.
const CONTENT: [&str; 8] = [
    "TABLE",
    "FOREIGN TABLE",
    "VIEW",
    "MATERIALIZED VIEW",
    "SEQUENCE",
    "FUNCTION",
    "PROCEDURE",
    "AGGREGATE",
];

/// Something that a user made and that is part of nothing else. What is made and dropped with another object is none: indexes, constraints,
/// triggers, policies, the types of rows and arrays, the functions of a range type, sequences that a column owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserObject {
    /// The catalog that describes it.
    pub class: u32,
    pub oid: u32,
    /// What it is, in pg_dump's words.
    pub kind: String,
    /// Its schema; empty where it is in none.
    pub schema: String,
    /// Its name as pg_dump words it; a function's with the types of its arguments.
    pub name: String,
    /// Its name as SQL takes it under any search path.
    pub identity: String,
    /// The schema of an extension, or of the function that an event trigger calls.
    pub place: String,
    /// Whether an extension is in this schema.
    pub has_extension: bool,
    /// Whether the session's role may drop it as its owner.
    pub is_ours: bool,
    /// About how many locks it takes to drop it.
    pub locks: u64,
}

impl UserObject {
    /// What is looked for in an empty database. Types and schemas alone make no database full.
    pub fn is_content(&self) -> bool {
        CONTENT.contains(&self.kind.as_str())
    }
}

impl fmt::Display for UserObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_content() {
            return write!(f, "{}.{}", self.schema, self.name);
        }
        let kind = self.kind.to_lowercase();
        match self.kind.as_str() {
            "CAST" | "TRANSFORM" => f.write_str(&self.name),
            _ if self.schema.is_empty() => write!(f, "{kind} {}", self.name),
            _ => write!(f, "{kind} {}", self.identity),
        }
    }
}

/// All that users made in a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserContents {
    /// What has a name.
    pub objects: Vec<UserObject>,
    /// The ids of large objects.
    pub large_objects: Vec<u32>,
}

impl UserContents {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.large_objects.is_empty()
    }

    /// The same without what is in an empty database too: types, schemas and the like.
    #[must_use]
    pub fn content(mut self) -> Self {
        self.objects.retain(UserObject::is_content);
        self
    }

    /// `public.tenants and 12 more`, where there is anything.
    pub fn told(&self) -> Option<String> {
        let more = (self.objects.len() + self.large_objects.len()).saturating_sub(1);
        let large = self
            .large_objects
            .first()
            .map(|oid| format!("large object {oid}"));
        let first = self.objects.first().map(ToString::to_string).or(large)?;
        Some(format!("{first} and {more} more"))
    }
}

/// All that users made: nothing of PostgreSQL's, nothing that an extension made.
pub async fn user_objects(session: &Session) -> Result<UserContents> {
    let what = "cannot list what the database holds";
    // Names of types are worded with their schemas only where no search path leads to them.
    one(
        session,
        what,
        "SELECT pg_catalog.set_config('search_path', '', false)",
        &[],
    )
    .await?;
    let sql = format!("{FOUND} AND (n.oid IS NULL OR {SYSTEM_SCHEMAS}) {ORDER}");
    let objects = all(session, what, &sql, &[&CONTENT.as_slice()]).await?;
    let objects = objects.iter().map(|row| UserObject {
        class: row.get(0),
        oid: row.get(1),
        kind: row.get(2),
        schema: row.get(3),
        name: row.get(4),
        identity: row.get(5),
        place: row.get(6),
        has_extension: row.get(7),
        is_ours: row.get(8),
        locks: u64::try_from(row.get::<_, i64>(9)).unwrap_or(0),
    });
    Ok(UserContents {
        objects: objects.collect(),
        large_objects: large_objects(session).await?,
    })
}

/// One SELECT for each catalog of things that stand by themselves. What depends on another object internally is part of that.
///
/// An operator without a function is a name that another one mentions; pg_dump knows none. The schema `public` is there always.
const FOUND: &str = r"
WITH found (class, oid, kind, schema, name, owner, place) AS (
    SELECT 'pg_class'::regclass::oid, c.oid,
           CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
               WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
           c.relnamespace, c.relname::text, c.relowner, 0::oid
      FROM pg_class c
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
        OR c.relkind = 'S' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
               AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a')
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid,
           CASE p.prokind WHEN 'a' THEN 'AGGREGATE' WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, p.pronamespace,
           p.proname || CASE WHEN p.prokind = 'a' AND p.pronargs = 0 THEN '(*)'
               ELSE '(' || oidvectortypes(p.proargtypes) || ')' END,
           p.proowner, 0
      FROM pg_proc p
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid,
           CASE WHEN t.typtype = 'd' THEN 'DOMAIN' WHEN t.typisdefined THEN 'TYPE' ELSE 'SHELL TYPE' END,
           t.typnamespace, t.typname::text, t.typowner, 0
      FROM pg_type t
    UNION ALL
    SELECT 'pg_operator'::regclass, oid, 'OPERATOR', oprnamespace, oprname::text, oprowner, 0 FROM pg_operator WHERE oprcode <> 0
    UNION ALL
    SELECT 'pg_opclass'::regclass, oid, 'OPERATOR CLASS', opcnamespace, opcname::text, opcowner, 0 FROM pg_opclass
    UNION ALL
    SELECT 'pg_opfamily'::regclass, oid, 'OPERATOR FAMILY', opfnamespace, opfname::text, opfowner, 0 FROM pg_opfamily
    UNION ALL
    SELECT 'pg_am'::regclass, oid, 'ACCESS METHOD', 0, amname::text, NULL, 0 FROM pg_am
    UNION ALL
    SELECT 'pg_cast'::regclass, oid, 'CAST', 0,
           format('CAST (%s AS %s)', format_type(castsource, NULL), format_type(casttarget, NULL)), NULL, 0
      FROM pg_cast
    UNION ALL
    SELECT 'pg_transform'::regclass, r.oid, 'TRANSFORM', 0,
           format('TRANSFORM FOR %s LANGUAGE %I', format_type(r.trftype, NULL), l.lanname), NULL, 0
      FROM pg_transform r JOIN pg_language l ON l.oid = r.trflang
    UNION ALL
    SELECT 'pg_ts_parser'::regclass, oid, 'TEXT SEARCH PARSER', prsnamespace, prsname::text, NULL, 0 FROM pg_ts_parser
    UNION ALL
    SELECT 'pg_ts_template'::regclass, oid, 'TEXT SEARCH TEMPLATE', tmplnamespace, tmplname::text, NULL, 0 FROM pg_ts_template
    UNION ALL
    SELECT 'pg_ts_dict'::regclass, oid, 'TEXT SEARCH DICTIONARY', dictnamespace, dictname::text, dictowner, 0 FROM pg_ts_dict
    UNION ALL
    SELECT 'pg_ts_config'::regclass, oid, 'TEXT SEARCH CONFIGURATION', cfgnamespace, cfgname::text, cfgowner, 0 FROM pg_ts_config
    UNION ALL
    SELECT 'pg_collation'::regclass, oid, 'COLLATION', collnamespace, collname::text, collowner, 0 FROM pg_collation
    UNION ALL
    SELECT 'pg_conversion'::regclass, oid, 'CONVERSION', connamespace, conname::text, conowner, 0 FROM pg_conversion
    UNION ALL
    SELECT 'pg_foreign_data_wrapper'::regclass, oid, 'FOREIGN DATA WRAPPER', 0, fdwname::text, fdwowner, 0
      FROM pg_foreign_data_wrapper
    UNION ALL
    SELECT 'pg_foreign_server'::regclass, oid, 'SERVER', 0, srvname::text, srvowner, 0 FROM pg_foreign_server
    UNION ALL
    SELECT 'pg_publication'::regclass, oid, 'PUBLICATION', 0, pubname::text, pubowner, 0 FROM pg_publication
    UNION ALL
    SELECT 'pg_subscription'::regclass, s.oid, 'SUBSCRIPTION', 0, s.subname::text, s.subowner, 0
      FROM pg_subscription s JOIN pg_database b ON b.oid = s.subdbid AND b.datname = current_database()
    UNION ALL
    SELECT 'pg_event_trigger'::regclass, e.oid, 'EVENT TRIGGER', 0, e.evtname::text, e.evtowner, p.pronamespace
      FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid
    UNION ALL
    SELECT 'pg_extension'::regclass, oid, 'EXTENSION', 0, extname::text, extowner, extnamespace FROM pg_extension
    UNION ALL
    SELECT 'pg_language'::regclass, oid, 'PROCEDURAL LANGUAGE', 0, lanname::text, lanowner, 0 FROM pg_language
    UNION ALL
    SELECT 'pg_namespace'::regclass, n.oid, 'SCHEMA', 0, n.nspname::text, n.nspowner, 0 FROM pg_namespace n
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
)
SELECT f.class, f.oid, f.kind, coalesce(n.nspname::text, ''), f.name, coalesce((pg_identify_object(f.class, f.oid, 0)).identity, ''),
       coalesce(placed.nspname::text, ''),
       EXISTS (SELECT FROM pg_extension e WHERE f.kind = 'SCHEMA' AND e.extnamespace = f.oid),
       coalesce(pg_has_role(f.owner, 'USAGE'), true),
       4 + 2 * (SELECT count(*) FROM pg_depend d WHERE d.refclassid = f.class AND d.refobjid = f.oid)
  FROM found f LEFT JOIN pg_namespace n ON n.oid = f.schema LEFT JOIN pg_namespace placed ON placed.oid = f.place
 WHERE f.oid >= 16384
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = f.class AND d.objid = f.oid AND d.objsubid = 0 AND d.deptype IN ('e', 'i'))";

/// What a person looks for first comes first.
const ORDER: &str = "ORDER BY f.kind <> ALL ($1::text[]), 4, 5";
