//! What a database holds, found with SQL alone: a second opinion that shares nothing with the fingerprints of a manifest.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::identifier;
use crate::postgres::session::Session;

/// The table that a writer changes while a dump runs.
pub(super) const LEDGER: &str = "public.drill_ledger";

/// Each table with its number of rows and a digest of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TableDigests(BTreeMap<String, (i64, String)>);

impl TableDigests {
    /// Reads every table of the database.
    pub(super) async fn of(database: &Conninfo) -> Result<Self> {
        let session = Session::connect(database).await?;
        let failed = |cause| session.failed("cannot read what the database holds", cause);
        let client = session.client();
        // Values must be worded alike on both sides. A lock that a fault holds is there until the run has ended.
        let settings = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres';
            SET extra_float_digits = 1; SET bytea_output = 'hex'; SET search_path = pg_catalog;
            SET lock_timeout = '5s'";
        client.batch_execute(settings).await.map_err(failed)?;
        let tables = client
            .query(
                "SELECT nspname::text, relname::text, relispopulated FROM pg_class
                 JOIN pg_namespace ON pg_namespace.oid = relnamespace
                 WHERE relkind IN ('r', 'm') AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'",
                &[],
            )
            .await
            .map_err(failed)?;
        let mut contents = BTreeMap::new();
        for table in tables {
            let (schema, name, is_populated): (String, String, bool) =
                (table.get(0), table.get(1), table.get(2));
            if !is_populated {
                contents.insert(format!("{schema}.{name}"), (0, "not populated".to_owned()));
                continue;
            }
            let statement = format!(
                "SELECT count(*), coalesce(md5(string_agg(digest, '' ORDER BY digest)), '')
                 FROM (SELECT md5(t::text) AS digest FROM {}.{} AS t) AS rows",
                identifier(&schema),
                identifier(&name)
            );
            let row = client.query_one(&statement, &[]).await.map_err(failed)?;
            contents.insert(format!("{schema}.{name}"), (row.get(0), row.get(1)));
        }
        Ok(Self(contents))
    }

    /// How `found` differs, in words. The ledger is judged by its balance elsewhere.
    pub(super) fn differences(&self, found: &Self) -> Vec<String> {
        let names = self
            .0
            .keys()
            .chain(found.0.keys().filter(|name| !self.0.contains_key(*name)));
        names
            .filter(|name| *name != LEDGER)
            .filter_map(|name| match (self.0.get(name), found.0.get(name)) {
                (Some(expected), Some(found)) if expected == found => None,
                (Some((expected, _)), Some((found, _))) if expected != found => {
                    Some(format!("{name} has {found} rows, not {expected}"))
                }
                (Some(_), Some(_)) => Some(format!("{name} holds other rows")),
                (Some(_), None) => Some(format!("{name} is missing")),
                (None, _) => Some(format!("{name} is there and was not")),
            })
            .collect()
    }
}

/// The balance of the ledger in `database`: nothing but 0 is whole.
pub(super) async fn balance(database: &Conninfo) -> Result<i64> {
    let session = Session::connect(database).await?;
    let statement = format!("SELECT sum(amount)::int8 FROM {LEDGER}");
    let row = session.client().query_one(&statement, &[]).await;
    let row = row.map_err(|cause| session.failed("cannot read the ledger", cause))?;
    Ok(row.get::<_, Option<i64>>(0).unwrap_or(i64::MIN))
}
