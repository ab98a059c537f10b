//! One of the connections over which a target is filled.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::CopyInSink;
use tracing::debug;

use super::analyses::Analysis;
use super::builds::Build;
use super::prepare;
use super::queue::Queue;
use super::schedule::{Batch, Work};
use crate::archive::{Contents, DumpId, Entry};
use crate::error::{Error, Kind, Result};
use crate::log;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::refusal::Refusal;
use crate::postgres::session::Session;
use crate::recovery::refused::RefusedStep;

/// What all connections have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) target: Conninfo,
    pub(super) contents: Arc<Contents>,
    pub(super) queue: Queue,
    /// Whether tables that are filled have triggers and keys that must not fire.
    pub(super) fires_no_triggers: bool,
    /// Whether the first statement that the server refuses ends the restore.
    pub(super) stops_at_first_error: bool,
}

impl Common {
    fn name(&self, table: DumpId) -> String {
        let entry = self.contents.entry(table);
        entry.map_or_else(String::new, |entry| {
            format!("{}.{}", entry.schema.as_deref().unwrap_or_default(), entry.tag)
        })
    }
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
    prepare(&session, &common.contents).await?;
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
            Work::Analyze(analysis) => connection.analyze(&analysis).await?,
            Work::Nothing => return queries::loading::settle(&connection.session).await,
        }
    }
}

impl Connection<'_> {
    async fn load(&mut self, batch: Batch) -> Result<()> {
        let table = batch.table;
        if self.copy.as_ref().is_some_and(|copy| copy.table != table) {
            self.end_copy().await?;
        }
        if self.copy.is_none() {
            let begun = match self.common.queue.has_refused(table) {
                true => None,
                false => self.begin_copy(table).await?,
            };
            if begun.is_none() {
                self.common.queue.made_permanent(table, 1);
                return Ok(());
            }
            self.copy = begun;
        }
        let Some(copy) = &mut self.copy else {
            return Ok(());
        };
        copy.batches += 1;
        let _wait = self
            .session
            .wait(|| format!("the target to take rows of {}", self.common.name(table)));
        let sent = self.session.with_timeout(copy.sink.send(batch.rows)).await?;
        match sent {
            Ok(()) => Ok(()),
            Err(cause) => {
                self.refuse_rows(table, cause)?;
                self.drop_copy();
                Ok(())
            }
        }
    }

    async fn begin_copy(&mut self, table: DumpId) -> Result<Option<Copy>> {
        self.be_for_rows(true).await?;
        let begun = queries::loading::copy_in(&self.session, &self.entry(table)?.copy_statement);
        match self.session.with_timeout(begun).await? {
            Ok(sink) => Ok(Some(Copy {
                table,
                batches: 0,
                sink: Box::pin(sink),
            })),
            Err(cause) => self.refuse_rows(table, cause).map(|()| None),
        }
    }

    async fn end_copy(&mut self) -> Result<()> {
        let Some(copy) = &mut self.copy else {
            return Ok(());
        };
        let (table, batches) = (copy.table, copy.batches);
        let wait = self
            .session
            .wait(|| format!("the target to keep the rows of {}", self.common.name(table)));
        let loaded = self.session.with_timeout(copy.sink.as_mut().finish()).await?;
        drop(wait);
        match loaded {
            Ok(rows) => {
                let table = self.common.name(table);
                debug!(parent: &log::phase(), table, rows, batches, "rows loaded");
            }
            Err(cause) => self.refuse_rows(table, cause)?,
        }
        self.drop_copy();
        Ok(())
    }

    /// Ends with a COPY, also with one that failed.
    fn drop_copy(&mut self) {
        if let Some(copy) = self.copy.take() {
            self.common.queue.made_permanent(copy.table, copy.batches);
        }
    }

    /// Goes on without rows that the server refused, where that may be.
    fn refuse_rows(&self, table: DumpId, cause: tokio_postgres::Error) -> Result<()> {
        let what = format!("cannot load the rows of {}", self.common.name(table));
        if self.common.stops_at_first_error {
            return Err(self.session.failed(what, cause));
        }
        let refusal = Refusal::of(&self.session, what, cause)?;
        self.common.queue.refused(RefusedStep {
            id: table,
            statement: String::new(),
            refusal,
        });
        Ok(())
    }

    async fn build(&mut self, build: &Build, is_crowded: bool) -> Result<()> {
        self.be_for_rows(false).await?;
        if self.has_workers == is_crowded {
            queries::loading::give_workers(&self.session, &build.what, !is_crowded).await?;
            self.has_workers = !is_crowded;
        }
        match make(&self.session, build, self.common.stops_at_first_error).await? {
            Ok(()) => self.common.queue.made(build),
            Err(refused) => self.common.queue.refused(refused),
        }
        Ok(())
    }

    /// Without statistics queries are slow and right: what the server refuses ends nothing.
    async fn analyze(&mut self, analysis: &Analysis) -> Result<()> {
        self.be_for_rows(false).await?;
        let (name, statement) = (&analysis.name, &analysis.statement);
        let what = format!("statistics of {name}");
        let made = queries::loading::attempt(&self.session, &what, statement).await?;
        let refused = made
            .err()
            .map(|refusal| format!("{name} (code {})", refusal.code));
        self.common.queue.analyzed(analysis, refused);
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
}

/// Runs a step. Where the server refuses it and that ends nothing, says why.
pub(super) async fn make(
    session: &Session,
    build: &Build,
    stops_at_first_error: bool,
) -> Result<Result<(), RefusedStep>> {
    let made = queries::loading::attempt(session, &build.what, &build.statement).await?;
    let Err(refusal) = made else { return Ok(Ok(())) };
    if stops_at_first_error {
        return Err(refusal.into_error(Kind::Target, format!("cannot make the {}", build.what)));
    }
    Ok(Err(RefusedStep {
        id: build.id,
        statement: build.statement.clone(),
        refusal,
    }))
}
