//! Fills a database: schema, rows, constraints, in one transaction.

use super::tables::{BATCH_BYTES, TableLoad};
use super::{LargeObject, Workload};
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use futures_util::SinkExt;
use std::pin::pin;
use tokio_postgres::Client;

const TABLES: &str = include_str!("../../../fixtures/schema/1-tables.sql");
const CONSTRAINTS: &str = include_str!("../../../fixtures/schema/2-constraints.sql");
const RIGHTS: &str = include_str!("../../../fixtures/schema/3-rights.sql");

/// One transaction, so that a failure leaves the database as empty as it was, and so that the tables are this
/// transaction's own and COPY may write their rows frozen. The rest is memory for building indexes.
const BEGIN: &str = "BEGIN; SET LOCAL client_min_messages = warning;
    SET LOCAL maintenance_work_mem = '256MB'; SET LOCAL search_path = pg_catalog;";

/// What a load put into the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadStatistics {
    /// Tables that received rows; a partitioned table counts once.
    pub tables: u64,
    /// Rows in all of them.
    pub rows: u64,
    /// Bytes of `COPY` text that were sent.
    pub copy_bytes: u64,
}

impl Workload {
    /// Creates the schema in an empty database and fills it: rows, large objects, keys, indexes, sequences,
    /// materialized views, statistics, owners and grants, with the roles that these name. Nothing is left behind on failure.
    ///
    /// `loaded` hears how many bytes of `COPY` text were sent since it last heard.
    pub async fn load(
        &self,
        client: &Client,
        loaded: &mut (dyn FnMut(u64) + Send),
    ) -> Result<LoadStatistics> {
        let outcome = self.fill(client, loaded).await;
        if outcome.is_err() {
            // The first error is the one to report; without a connection there is nothing to roll back.
            let _ = client.batch_execute("ROLLBACK").await;
        }
        outcome
    }

    async fn fill(&self, client: &Client, loaded: &mut (dyn FnMut(u64) + Send)) -> Result<LoadStatistics> {
        run(client, BEGIN, "begin").await?;
        run(client, TABLES, "create the tables").await?;
        let mut total = LoadStatistics {
            tables: 0,
            rows: 0,
            copy_bytes: 0,
        };
        for table in self.tables() {
            total.tables += 1;
            total.rows += table.rows;
            total.copy_bytes += copy(client, table, loaded).await?;
        }
        store_large_objects(client, self.large_objects()).await?;
        run(client, CONSTRAINTS, "build keys, indexes and views").await?;
        run(client, RIGHTS, "grant the rights").await?;
        run(client, "COMMIT", "commit").await?;
        Ok(total)
    }
}

async fn run(client: &Client, sql: &str, step: &str) -> Result<()> {
    client
        .batch_execute(sql)
        .await
        .map_err(|error| failed(format!("cannot {step} of the synthetic database"), error))
}

async fn copy(client: &Client, mut table: TableLoad, loaded: &mut (dyn FnMut(u64) + Send)) -> Result<u64> {
    let name = table.name;
    let refused = |error| {
        failed(
            format!("cannot load table {name} of the synthetic database"),
            error,
        )
    };
    // Frozen rows need no second write by the first reader. Partitioned tables do not take them.
    let freeze = if table.partitioned { "" } else { " (FREEZE)" };
    let statement = format!("{}{freeze}", table.copy_statement);
    let mut sink = pin!(client.copy_in::<_, Bytes>(&statement).await.map_err(refused)?);
    let mut copy_bytes = 0;
    loop {
        let mut batch = Vec::with_capacity(BATCH_BYTES * 2);
        if !table.fill(&mut batch) {
            break;
        }
        let sent = batch.len() as u64;
        sink.send(batch.into()).await.map_err(refused)?;
        copy_bytes += sent;
        loaded(sent);
    }
    sink.finish().await.map_err(refused)?;
    Ok(copy_bytes)
}

async fn store_large_objects(client: &Client, objects: impl Iterator<Item = LargeObject>) -> Result<()> {
    let refused = |error| {
        failed(
            "cannot store the large objects of the synthetic database".into(),
            error,
        )
    };
    let store = client
        .prepare("SELECT pg_catalog.lo_from_bytea($1, $2)")
        .await
        .map_err(refused)?;
    for object in objects {
        client
            .query_one(&store, &[&object.oid, &object.content])
            .await
            .map_err(refused)?;
    }
    Ok(())
}

fn failed(message: String, error: tokio_postgres::Error) -> Error {
    Error::new(Kind::Source, message).caused_by(error)
}
