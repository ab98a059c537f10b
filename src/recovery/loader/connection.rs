//! One of the connections over which a target is filled.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::CopyInSink;

use super::builds::Build;
use super::queue::{Batch, Queue, Work};
use super::settings;
use crate::archive::{Contents, DumpId, Entry};
use crate::error::{Error, Kind, Result};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::session::Session;

/// What all connections have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) target: Conninfo,
    pub(super) contents: Arc<Contents>,
    pub(super) queue: Queue,
    /// Whether tables that are filled have triggers and keys that must not fire.
    pub(super) fires_no_triggers: bool,
}

struct Connection<'a> {
    common: &'a Common,
    session: Session,
    is_for_rows: bool,
    /// Whether the server may help with more processes where it builds an index.
    has_workers: bool,
    copy: Option<Copy>,
}

/// Rows on their way into a table.
struct Copy {
    table: DumpId,
    batches: usize,
    sink: Pin<Box<CopyInSink<Bytes>>>,
}

/// Works over one connection until nothing is left to do.
pub(super) async fn work(common: Arc<Common>, number: usize) -> Result<()> {
    let session = Session::connect(&common.target).await?;
    queries::loading::prepare_load(&session, &settings(&common.contents)).await?;
    queries::loading::prepare_builds(&session).await?;
    let mut connection = Connection {
        common: &common,
        session,
        is_for_rows: false,
        has_workers: true,
        copy: None,
    };
    loop {
        let open = connection.copy.as_ref().map(|copy| copy.table);
        match common.queue.next(number, open).await {
            Work::Rows(batch) => connection.load(batch).await?,
            Work::EndCopy => connection.end_copy().await?,
            Work::Build { build, is_crowded } => connection.build(&build, is_crowded).await?,
            Work::Nothing => return queries::loading::settle(&connection.session).await,
        }
    }
}

impl Connection<'_> {
    async fn load(&mut self, batch: Batch) -> Result<()> {
        if self.copy.as_ref().is_some_and(|copy| copy.table != batch.table) {
            self.end_copy().await?;
        }
        if self.copy.is_none() {
            self.copy = Some(self.begin_copy(batch.table).await?);
        }
        let Some(copy) = &mut self.copy else {
            return Ok(());
        };
        copy.batches += 1;
        let sent = self.session.bear(copy.sink.send(batch.rows)).await?;
        sent.map_err(|cause| self.cannot_load(batch.table, cause))
    }

    async fn begin_copy(&mut self, table: DumpId) -> Result<Copy> {
        self.be_for_rows(true).await?;
        let begun = queries::loading::copy_in(&self.session, &self.entry(table)?.copy_statement);
        let sink = self.session.bear(begun).await?;
        Ok(Copy {
            table,
            batches: 0,
            sink: Box::pin(sink.map_err(|cause| self.cannot_load(table, cause))?),
        })
    }

    async fn end_copy(&mut self) -> Result<()> {
        let Some(mut copy) = self.copy.take() else {
            return Ok(());
        };
        let loaded = self.session.bear(copy.sink.as_mut().finish()).await?;
        loaded.map_err(|cause| self.cannot_load(copy.table, cause))?;
        self.common.queue.made_permanent(copy.table, copy.batches);
        Ok(())
    }

    async fn build(&mut self, build: &Build, is_crowded: bool) -> Result<()> {
        self.be_for_rows(false).await?;
        if self.has_workers == is_crowded {
            queries::loading::give_workers(&self.session, &build.what, !is_crowded).await?;
            self.has_workers = !is_crowded;
        }
        queries::loading::make(&self.session, &build.what, &build.statement).await?;
        self.common.queue.made(build);
        Ok(())
    }

    /// Triggers are kept from firing for rows alone: what is built may fire the platform's own, as it would at any time.
    async fn be_for_rows(&mut self, is_for_rows: bool) -> Result<()> {
        if self.common.fires_no_triggers && self.is_for_rows != is_for_rows {
            if is_for_rows {
                queries::platform::fire_no_triggers(&self.session).await?;
            } else {
                queries::platform::fire_triggers(&self.session).await?;
            }
            self.is_for_rows = is_for_rows;
        }
        Ok(())
    }

    fn entry(&self, table: DumpId) -> Result<&Entry> {
        let entry = self.common.contents.entry(table);
        entry.ok_or_else(|| Error::new(Kind::Internal, "rows came of no table"))
    }

    fn cannot_load(&self, table: DumpId, cause: tokio_postgres::Error) -> Error {
        let entry = self.common.contents.entry(table);
        let name = entry.map_or_else(String::new, |entry| {
            format!("{}.{}", entry.schema.as_deref().unwrap_or_default(), entry.tag)
        });
        self.session
            .failed(format!("cannot load the rows of {name}"), cause)
    }
}
