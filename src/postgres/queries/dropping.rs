//! Taking away what a database holds.

use super::clearing::UserObject;
use super::{all, batch, one, qualified};
use crate::error::Result;
use crate::postgres::rights::Name;
use crate::postgres::session::Session;

/// The least part of a server's locks that one transaction may take.
const LEAST_LOCKS: u64 = 64;

/// Something that would be dropped with what it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// What it is and its name.
    pub told: String,
    /// Its schema; empty where it is in none.
    pub schema: String,
    /// Whether it is an extension.
    pub is_extension: bool,
}

/// Extensions, and things that stand by themselves, that `DROP … CASCADE` of the objects would take along. The server's catalog of
/// dependencies is followed as the server follows it: what depends on an object goes with it, and what an object is a part of.
pub async fn dependents(session: &Session, objects: &[&UserObject]) -> Result<Vec<Dependent>> {
    let (classes, oids): (Vec<u32>, Vec<u32>) =
        objects.iter().map(|object| (object.class, object.oid)).unzip();
    let what = "cannot see what depends on what the target holds";
    let rows = all(session, what, DEPENDENTS, &[&classes, &oids]).await?;
    let found = rows.iter().map(|row| Dependent {
        told: row.get(0),
        schema: row.get(1),
        is_extension: row.get(2),
    });
    Ok(found.collect())
}

const DEPENDENTS: &str = r"
WITH RECURSIVE own (class, oid) AS (
    SELECT * FROM unnest($1::oid[], $2::oid[])
), gone (class, oid) AS (
    SELECT class, oid FROM own
    UNION
    SELECT next.class, next.oid FROM gone CROSS JOIN LATERAL (
        SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
         WHERE d.refclassid = gone.class AND d.refobjid = gone.oid AND gone.class <> 'pg_catalog.pg_extension'::regclass
        UNION ALL
        SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend d
         WHERE d.classid = gone.class AND d.objid = gone.oid AND d.deptype IN ('e', 'i')
    ) AS next (class, oid)
)
SELECT i.type || ' ' || i.identity, coalesce(i.schema, ''), gone.class = 'pg_catalog.pg_extension'::regclass
  FROM gone CROSS JOIN LATERAL pg_catalog.pg_identify_object(gone.class, gone.oid, 0) AS i
 WHERE (gone.class, gone.oid) NOT IN (SELECT class, oid FROM own)
   AND i.type IN ('extension', 'table', 'foreign table', 'view', 'materialized view', 'sequence', 'function', 'procedure',
       'aggregate', 'event trigger', 'schema')
 ORDER BY 1";

/// The statement that removes the rows of a table, all or those that the `condition` of an extension tells.
pub fn delete_rows((schema, table): &Name, condition: Option<&str>) -> String {
    let condition = condition.unwrap_or_default();
    format!("DELETE FROM {} {condition}", qualified(schema, table))
}

/// The statements that drop it and what depends on it, and are content where it went with another.
fn drop_statement(object: &UserObject) -> String {
    let identity = &object.identity;
    let kind = match object.kind.as_str() {
        "SUBSCRIPTION" => {
            // Its slot is the publisher's, which other servers may still use.
            return format!(
                "ALTER SUBSCRIPTION {identity} DISABLE; ALTER SUBSCRIPTION {identity} SET (slot_name = NONE);
                 DROP SUBSCRIPTION IF EXISTS {identity} CASCADE"
            );
        }
        "TRANSFORM" => {
            // The catalog words its identity otherwise than SQL does.
            let what = object.name.strip_prefix("TRANSFORM ").unwrap_or(&object.name);
            return format!("DROP TRANSFORM IF EXISTS {what} CASCADE");
        }
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => "ROUTINE",
        "DOMAIN" | "SHELL TYPE" => "TYPE",
        "PROCEDURAL LANGUAGE" => "LANGUAGE",
        kind => kind,
    };
    format!("DROP {kind} IF EXISTS {identity} CASCADE")
}

/// The order in which kinds are dropped. Tables come before what they are guarded by and made of, so that none is ever without its
/// policies. An operator class is found by its access method only, and a schema must be empty, or dropping it takes all locks at once.
fn rank(object: &UserObject) -> u8 {
    match object.kind.as_str() {
        "EVENT TRIGGER" => 0,
        "SUBSCRIPTION" | "PUBLICATION" => 1,
        "TABLE" | "FOREIGN TABLE" | "VIEW" | "MATERIALIZED VIEW" => 2,
        "OPERATOR CLASS" | "OPERATOR FAMILY" => 3,
        "CAST" | "TRANSFORM" => 4,
        "SERVER" => 6,
        "FOREIGN DATA WRAPPER" | "ACCESS METHOD" | "PROCEDURAL LANGUAGE" => 7,
        "SCHEMA" => 8,
        _ => 5,
    }
}

/// Drops the objects and large objects, and then removes rows by `deletes`, in as few transactions as the server's locks allow: a
/// small target in one. What was dropped of a target that takes several stays so where a later one fails, and the rest can be
/// dropped by the same means.
///
/// Another session that holds one of the objects makes it fail soon instead of waiting for ever. `about_to_commit` is told when only
/// the first commit is left.
pub async fn drop_objects(
    session: &Session,
    objects: &[&UserObject],
    large_objects: &[u32],
    deletes: &[String],
    about_to_commit: impl FnOnce(),
) -> Result<()> {
    let limit = locks(session).await?;
    let mut ordered = objects.to_vec();
    // What was made later depends on what was made before.
    ordered.sort_by_key(|object| (rank(object), std::cmp::Reverse(object.oid)));
    let dropped = ordered
        .into_iter()
        .map(|object| (drop_statement(object), object.locks));
    let unlinked = large_objects.chunks(usize::try_from(LEAST_LOCKS).unwrap_or(1));
    let unlinked = unlinked.map(|some| {
        let ids: Vec<String> = some.iter().map(u32::to_string).collect();
        let statement = format!(
            "SELECT pg_catalog.lo_unlink(id) FROM pg_catalog.unnest('{{{}}}'::oid[]) AS id",
            ids.join(",")
        );
        (statement, some.len() as u64)
    });
    let emptied = deletes.iter().map(|statement| (statement.clone(), 1));
    let mut told = Some(about_to_commit);
    for statements in batches(dropped.chain(unlinked).chain(emptied), limit) {
        let is_first = told.is_some();
        run(session, &statements, is_first).await?;
        if let Some(about_to_commit) = told.take() {
            about_to_commit();
        }
        let what = "cannot commit that what the target holds is dropped";
        batch(session, what, "COMMIT").await?;
    }
    Ok(())
}

/// How many locks one transaction may take: half of what all sessions share, as others work beside it.
async fn locks(session: &Session) -> Result<u64> {
    let sql = "SELECT current_setting('max_locks_per_transaction')::bigint
        * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint) / 2";
    let row = one(session, "cannot see how many locks the server has", sql, &[]).await?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0).max(LEAST_LOCKS))
}

/// The statements in runs that take no more locks than `limit` together, if each alone does not.
fn batches(statements: impl Iterator<Item = (String, u64)>, limit: u64) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut taken = u64::MAX;
    for (statement, locks) in statements {
        taken = taken.saturating_add(locks);
        match batches.last_mut() {
            Some(batch) if taken <= limit => batch.push(statement),
            _ => {
                batches.push(vec![statement]);
                taken = locks;
            }
        }
    }
    batches
}

async fn run(session: &Session, statements: &[String], is_first: bool) -> Result<()> {
    let sql = format!(
        "BEGIN; SET LOCAL lock_timeout = '{}ms'; SET LOCAL client_min_messages = warning; {}",
        session.patience().lock.as_millis(),
        statements.join("; ")
    );
    let what = match is_first {
        true => "cannot drop what the target holds; nothing was dropped",
        false => "cannot drop all that the target holds; some of it was dropped",
    };
    let Err(error) = batch(session, what, &sql).await else {
        return Ok(());
    };
    let _ = batch(session, what, "ROLLBACK").await;
    Err(error.hint(
        "end the sessions that use the target (see pg_stat_activity), check that the role owns what is there, and restore again with --clean",
    ))
}
