//! What in a database calls functions of which nothing is known: those that a user wrote, and those of most extensions.
//!
//! Such a function may read other tables even if it declares that it does not. Only the order in which a dump is restored by one connection is
//! known to suit it.

use std::collections::HashSet;

use super::all;
use crate::error::Result;
use crate::postgres::rights::Name;
use crate::postgres::session::Session;

/// Extensions of PostgreSQL whose functions compute from their arguments alone.
pub const HARMLESS_EXTENSIONS: [&str; 16] = [
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "seg",
    "unaccent",
    "uuid-ossp",
    "vector",
];

/// What calls unknown functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Tables for whose rows such a function is called when they are loaded: in generated columns, checks, domains, partition keys.
    pub tables: HashSet<Name>,
    /// Tables with a column of such a type: an index over it may call one.
    pub typed: HashSet<Name>,
    /// Materialized views for which one is called when they are filled.
    pub views: HashSet<Name>,
    /// Types for whose values one is called.
    pub types: HashSet<Name>,
}

/// Which parts of the session's database call unknown functions.
///
/// The server's catalog tells: each generated column, check, view, index, partition key and type is followed to the functions
/// behind it, through operators, operator classes, domains, arrays, composite types and views. Built-in functions are known but for
/// the few that read what their arguments name. For values of an extension's own types, its functions in C are known too.
pub async fn unknown(session: &Session) -> Result<Unknown> {
    let harmless = HARMLESS_EXTENSIONS.as_slice();
    let what = "cannot see which functions the tables call";
    let mut found = Unknown::default();
    for row in all(session, what, UNKNOWN, &[&harmless]).await? {
        let name: Name = (row.get(1), row.get(2));
        let kind: &str = row.get(0);
        match kind {
            "table" => found.tables.insert(name),
            "typed" => found.typed.insert(name),
            "view" => found.views.insert(name),
            _ => found.types.insert(name),
        };
    }
    Ok(found)
}

const UNKNOWN: &str = r"
WITH RECURSIVE member AS MATERIALIZED (
    SELECT d.classid, d.objid, e.extname
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
    WHERE d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass
), unknown AS MATERIALIZED (
    SELECT p.oid, m.objid IS NOT NULL AND l.lanname IN ('c', 'internal') AS suits_types
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    LEFT JOIN member m ON m.classid = 'pg_catalog.pg_proc'::regclass AND m.objid = p.oid
    WHERE p.oid >= 16384 AND (m.extname IS NULL OR m.extname <> ALL ($1::text[]))
), reader AS MATERIALIZED (
    SELECT ':(func|opfunc)id (' || string_agg(oid::text, '|') || ')[^0-9]' AS pattern
    FROM pg_catalog.pg_proc
    WHERE oid < 16384 AND (proname ~ '_to_xml' OR proname IN ('ts_stat', 'ts_rewrite', 'lo_get', 'loread', 'lo_open',
        'nextval', 'currval', 'lastval', 'setval', 'pg_sequence_last_value'))
), calls (class, object, called_class, called) AS (
    SELECT d.classid, d.objid, d.refclassid, d.refobjid
    FROM pg_catalog.pg_depend d
    WHERE d.deptype = 'n'
      AND d.classid IN ('pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_constraint'::regclass,
        'pg_catalog.pg_rewrite'::regclass)
      AND d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass,
        'pg_catalog.pg_type'::regclass, 'pg_catalog.pg_class'::regclass)
    UNION ALL
    SELECT d.classid, d.objid, d.refclassid, d.refobjid
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('p', 'i')
    WHERE d.classid = 'pg_catalog.pg_class'::regclass
      AND d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass,
        'pg_catalog.pg_opclass'::regclass, 'pg_catalog.pg_type'::regclass)
    UNION ALL
    SELECT 'pg_catalog.pg_operator'::regclass, oid, 'pg_catalog.pg_proc'::regclass, oprcode
    FROM pg_catalog.pg_operator WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_opclass'::regclass, o.oid, 'pg_catalog.pg_proc'::regclass, f.amproc
    FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_amproc f ON f.amprocfamily = o.opcfamily
    JOIN unknown u ON u.oid = f.amproc AND NOT u.suits_types
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, contypid, 'pg_catalog.pg_constraint'::regclass, oid
    FROM pg_catalog.pg_constraint WHERE contypid <> 0
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid, 'pg_catalog.pg_type'::regclass, inner_type
    FROM pg_catalog.pg_type t, unnest(ARRAY[t.typbasetype, t.typelem]) AS inner_type
    WHERE t.oid >= 16384 AND inner_type <> 0
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, c.reltype, 'pg_catalog.pg_type'::regclass, a.atttypid
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE c.reltype >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, range_type, 'pg_catalog.pg_type'::regclass, rngsubtype
    FROM pg_catalog.pg_range, unnest(ARRAY[rngtypid, rngmultitypid]) AS range_type WHERE rngtypid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, range_type, 'pg_catalog.pg_proc'::regclass, u.oid
    FROM pg_catalog.pg_range, unnest(ARRAY[rngtypid, rngmultitypid]) AS range_type, unknown u
    WHERE NOT u.suits_types AND u.oid IN (rngcanonical, rngsubdiff)
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid, 'pg_catalog.pg_proc'::regclass, u.oid
    FROM pg_catalog.pg_type t JOIN unknown u ON u.oid IN (t.typinput, t.typoutput) AND NOT u.suits_types
    UNION ALL
    SELECT 'pg_catalog.pg_class'::regclass, c.oid, 'pg_catalog.pg_rewrite'::regclass, r.oid
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid WHERE c.relkind = 'v'
), calling (class, object) AS (
    SELECT 'pg_catalog.pg_proc'::regclass::oid, oid FROM unknown
    UNION
    SELECT 'pg_catalog.pg_constraint'::regclass, c.oid
    FROM pg_catalog.pg_constraint c, reader WHERE c.contype = 'c' AND c.conbin::text ~ reader.pattern
    UNION
    SELECT 'pg_catalog.pg_rewrite'::regclass, r.oid
    FROM pg_catalog.pg_rewrite r, reader WHERE r.oid >= 16384 AND r.ev_action::text ~ reader.pattern
    UNION
    SELECT 'pg_catalog.pg_class'::regclass, oid FROM pg_catalog.pg_class WHERE relkind = 'f'
    UNION
    SELECT calls.class, calls.object FROM calls
    JOIN calling ON calling.class = calls.called_class AND calling.object = calls.called
), typed (oid) AS (
    SELECT DISTINCT a.attrelid FROM pg_catalog.pg_attribute a
    JOIN calling ON calling.class = 'pg_catalog.pg_type'::regclass AND calling.object = a.atttypid
    WHERE a.attnum > 0 AND NOT a.attisdropped
), relation (oid) AS (
    SELECT oid FROM typed
    UNION
    SELECT d.adrelid FROM pg_catalog.pg_attrdef d
    JOIN calling ON calling.class = 'pg_catalog.pg_attrdef'::regclass AND calling.object = d.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attgenerated <> ''
    UNION
    SELECT c.conrelid FROM pg_catalog.pg_constraint c
    JOIN calling ON calling.class = 'pg_catalog.pg_constraint'::regclass AND calling.object = c.oid
    WHERE c.contype = 'c' AND c.conrelid <> 0
    UNION
    SELECT part.relid FROM calling
    JOIN pg_catalog.pg_partitioned_table p ON calling.class = 'pg_catalog.pg_class'::regclass AND calling.object = p.partrelid,
    pg_catalog.pg_partition_tree(p.partrelid) AS part
    UNION
    SELECT r.ev_class FROM pg_catalog.pg_rewrite r
    JOIN calling ON calling.class = 'pg_catalog.pg_rewrite'::regclass AND calling.object = r.oid
    UNION
    SELECT i.indrelid FROM pg_catalog.pg_index i
    JOIN calling ON calling.class = 'pg_catalog.pg_class'::regclass AND calling.object = i.indexrelid
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid AND c.relkind = 'm'
)
SELECT CASE c.relkind WHEN 'm' THEN 'view' ELSE 'table' END, n.nspname::text, c.relname::text
FROM relation JOIN pg_catalog.pg_class c ON c.oid = relation.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm')
UNION ALL
SELECT 'typed', n.nspname::text, c.relname::text
FROM typed JOIN pg_catalog.pg_class c ON c.oid = typed.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'type', n.nspname::text, t.typname::text
FROM calling JOIN pg_catalog.pg_type t ON calling.class = 'pg_catalog.pg_type'::regclass AND calling.object = t.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace";
