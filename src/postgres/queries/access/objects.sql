-- Everything with an owner or an access list. Of what PostgreSQL itself made, only what was changed since; its schema `public` is
-- treated as everybody's. An access list that is not there is PostgreSQL's default, so that all sides are worded alike.
WITH member AS NOT MATERIALIZED (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), schema AS NOT MATERIALIZED (
    SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
), usual AS (
    -- PUBLIC may read the information schema, and nothing wrote that down.
    SELECT c.oid, CASE n.nspname WHEN 'information_schema' THEN d.acl || pg_catalog.makeaclitem(0, c.relowner, 'SELECT', false)
                                 ELSE d.acl END AS acl,
           n.nspname
      FROM pg_catalog.pg_class c JOIN schema n ON n.oid = c.relnamespace,
           LATERAL pg_catalog.acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner) AS d (acl)
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
)
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized-view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign-table'
                      ELSE 'table' END AS kind,
       n.nspname::text AS schema, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, NULL::text AS "column", c.relowner AS owner,
       coalesce(c.relacl, n.acl)::text[] AS acl,
       CASE WHEN c.oid < 16384 THEN coalesce(p.initprivs, n.acl)::text[] END AS initial,
       c.oid < 16384 OR EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_class'::regclass AND m.objid = c.oid)
           OR c.relkind = 'S' AND EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                  AND d.objid = c.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')) AS has_foreign_owner,
       c.oid AS oid, 0 AS attnum
  FROM pg_catalog.pg_class c JOIN usual n USING (oid)
  LEFT JOIN pg_catalog.pg_init_privs p ON p.classoid = 'pg_catalog.pg_class'::regclass AND p.objoid = c.oid AND p.objsubid = 0
 WHERE c.oid >= 16384 OR c.relacl IS DISTINCT FROM p.initprivs AND (n.nspname <> 'information_schema' OR c.relacl IS DISTINCT FROM n.acl)
UNION ALL
SELECT 'column', n.nspname, pg_catalog.format('%I.%I', n.nspname, c.relname), a.attname, c.relowner, coalesce(a.attacl, '{}')::text[],
       CASE WHEN c.oid < 16384 THEN coalesce(p.initprivs, '{}')::text[] END, true, c.oid, a.attnum
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN schema n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_init_privs p ON p.classoid = 'pg_catalog.pg_class'::regclass AND p.objoid = c.oid AND p.objsubid = a.attnum
 WHERE NOT a.attisdropped AND a.attnum > 0 AND (a.attacl IS NOT NULL AND c.oid >= 16384 OR a.attacl IS DISTINCT FROM p.initprivs AND c.oid < 16384)
UNION ALL
SELECT CASE f.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, n.nspname,
       (pg_catalog.pg_identify_object('pg_catalog.pg_proc'::regclass, f.oid, 0)).identity, NULL, f.proowner,
       coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))::text[],
       CASE WHEN f.oid < 16384 THEN coalesce(p.initprivs, pg_catalog.acldefault('f', f.proowner))::text[] END,
       -- The constructors of a range type are internal parts of it.
       f.oid < 16384 OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = f.oid
                                   AND d.deptype IN ('e', 'i')), f.oid, 0
  FROM pg_catalog.pg_proc f JOIN schema n ON n.oid = f.pronamespace
  LEFT JOIN pg_catalog.pg_init_privs p ON p.classoid = 'pg_catalog.pg_proc'::regclass AND p.objoid = f.oid AND f.oid < 16384
 WHERE f.oid >= 16384 OR f.proacl IS DISTINCT FROM p.initprivs
UNION ALL
SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, n.nspname, pg_catalog.format('%I.%I', n.nspname, t.typname), NULL, t.typowner,
       coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner))::text[],
       CASE WHEN t.oid < 16384 THEN coalesce(p.initprivs, pg_catalog.acldefault('T', t.typowner))::text[] END,
       t.oid < 16384 OR EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_type'::regclass AND m.objid = t.oid), t.oid, 0
  FROM pg_catalog.pg_type t JOIN schema n ON n.oid = t.typnamespace LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
  LEFT JOIN pg_catalog.pg_init_privs p ON p.classoid = 'pg_catalog.pg_type'::regclass AND p.objoid = t.oid
 WHERE t.typtype IN ('b', 'c', 'd', 'e', 'r') AND t.typisdefined AND (t.typrelid = 0 OR c.relkind = 'c')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
   AND (t.oid >= 16384 OR t.typacl IS DISTINCT FROM p.initprivs)
UNION ALL
SELECT 'schema', s.nspname, pg_catalog.format('%I', s.nspname), NULL, s.nspowner,
       coalesce(s.nspacl, pg_catalog.acldefault('n', s.nspowner))::text[],
       CASE WHEN s.nspname = 'information_schema'
                THEN (pg_catalog.acldefault('n', s.nspowner) || pg_catalog.makeaclitem(0, s.nspowner, 'USAGE', false))::text[]
            WHEN s.oid < 16384 AND s.nspname <> 'public' THEN coalesce(p.initprivs, pg_catalog.acldefault('n', s.nspowner))::text[] END,
       s.oid < 16384 AND s.nspname <> 'public'
           OR EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_namespace'::regclass AND m.objid = s.oid), s.oid, 0
  FROM pg_catalog.pg_namespace s JOIN schema USING (oid)
  LEFT JOIN pg_catalog.pg_init_privs p ON p.classoid = 'pg_catalog.pg_namespace'::regclass AND p.objoid = s.oid
 WHERE s.oid >= 16384 OR s.nspname = 'public' OR s.nspacl IS DISTINCT FROM p.initprivs
   AND s.nspacl IS DISTINCT FROM pg_catalog.acldefault('n', s.nspowner) || pg_catalog.makeaclitem(0, s.nspowner, 'USAGE', false)
UNION ALL
SELECT 'language', '', pg_catalog.format('%I', l.lanname), NULL, l.lanowner, coalesce(l.lanacl, pg_catalog.acldefault('l', l.lanowner))::text[], NULL,
       l.oid < 16384 OR EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_language'::regclass AND m.objid = l.oid), l.oid, 0
  FROM pg_catalog.pg_language l WHERE l.lanpltrusted
UNION ALL
SELECT 'foreign-data-wrapper', '', pg_catalog.format('%I', w.fdwname), NULL, w.fdwowner, coalesce(w.fdwacl, pg_catalog.acldefault('F', w.fdwowner))::text[], NULL,
       EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_foreign_data_wrapper'::regclass AND m.objid = w.oid), w.oid, 0
  FROM pg_catalog.pg_foreign_data_wrapper w
UNION ALL
SELECT 'server', '', pg_catalog.format('%I', s.srvname), NULL, s.srvowner, coalesce(s.srvacl, pg_catalog.acldefault('S', s.srvowner))::text[], NULL,
       EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_foreign_server'::regclass AND m.objid = s.oid), s.oid, 0
  FROM pg_catalog.pg_foreign_server s
UNION ALL
SELECT 'parameter', '', parname, NULL, 10, coalesce(paracl, pg_catalog.acldefault('p', 10))::text[], NULL, true, 0, 0
  FROM pg_catalog.pg_parameter_acl
UNION ALL
SELECT 'database', '', '', NULL, datdba, coalesce(datacl, pg_catalog.acldefault('d', datdba))::text[], NULL, false, oid, 0
  FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
UNION ALL
SELECT owned.kind, n.nspname, CASE WHEN owned.name IS NULL THEN (pg_catalog.pg_identify_object(owned.class, owned.oid, 0)).identity
            ELSE pg_catalog.format('%I.%I', n.nspname, owned.name) END,
       NULL, owned.owner, '{}', NULL, EXISTS (SELECT FROM member m WHERE m.classid = owned.class AND m.objid = owned.oid), owned.oid, 0
  FROM (SELECT 'collation', 'pg_catalog.pg_collation'::regclass, oid, collnamespace, collname, collowner FROM pg_catalog.pg_collation
        UNION ALL SELECT 'conversion', 'pg_catalog.pg_conversion', oid, connamespace, conname, conowner FROM pg_catalog.pg_conversion
        UNION ALL SELECT 'operator', 'pg_catalog.pg_operator', oid, oprnamespace, NULL, oprowner FROM pg_catalog.pg_operator
        UNION ALL SELECT 'operator-class', 'pg_catalog.pg_opclass', oid, opcnamespace, NULL, opcowner FROM pg_catalog.pg_opclass
        UNION ALL SELECT 'operator-family', 'pg_catalog.pg_opfamily', oid, opfnamespace, NULL, opfowner FROM pg_catalog.pg_opfamily
        UNION ALL SELECT 'text-search-configuration', 'pg_catalog.pg_ts_config', oid, cfgnamespace, cfgname, cfgowner FROM pg_catalog.pg_ts_config
        UNION ALL SELECT 'text-search-dictionary', 'pg_catalog.pg_ts_dict', oid, dictnamespace, dictname, dictowner FROM pg_catalog.pg_ts_dict
        UNION ALL SELECT 'statistics', 'pg_catalog.pg_statistic_ext', oid, stxnamespace, stxname, stxowner FROM pg_catalog.pg_statistic_ext
       ) AS owned (kind, class, oid, namespace, name, owner)
  JOIN schema n ON n.oid = owned.namespace
 WHERE owned.oid >= 16384
UNION ALL
SELECT 'publication', '', pg_catalog.format('%I', pubname), NULL, pubowner, '{}', NULL, false, oid, 0 FROM pg_catalog.pg_publication
UNION ALL
SELECT 'event-trigger', '', pg_catalog.format('%I', e.evtname), NULL, e.evtowner, '{}', NULL,
       EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_event_trigger'::regclass AND m.objid = e.oid), e.oid, 0
  FROM pg_catalog.pg_event_trigger e
 ORDER BY 1, 2, 3, 4
