//! The rows of an archive, and the indexes over them, into a target.
//!
//! The archive comes as one stream; its rows go over several connections at once, cut at the ends of rows, so that a single
//! large table loads no slower than many small ones. Whoever is slowest holds up the stream.

mod builds;
mod connection;
mod queue;

use std::sync::Arc;

use bytes::BytesMut;
use memchr::memrchr;
use tokio::task::JoinSet;

pub use self::builds::Builds;
use self::connection::{Common, work};
use self::queue::{Batch, Queue};
use super::plan;
use super::platform::Selection;
use super::silence::silence;
use crate::archive::{Contents, DumpId, Event};
use crate::error::{Error, Kind, Result};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::session::Session;

/// Rows are handed to a connection in batches of about this size.
const BATCH_BYTES: usize = 256 << 10;

/// Loads what it is given.
#[derive(Debug)]
pub struct Loader<'a> {
    /// For what one connection does alone: large objects, and attaching foreign keys.
    session: &'a Session,
    common: Arc<Common>,
    connections: JoinSet<Result<()>>,
    selection: Selection,
    builds: Builds,
    /// Tables that autovacuum is kept from until everything is built.
    held_off: Vec<String>,
    /// The table whose rows are coming, where they are wanted.
    table: Option<DumpId>,
    large_object: Option<(u32, i64)>,
    waiting: BytesMut,
}

impl<'a> Loader<'a> {
    /// Opens `connections` to the target, which `session` reaches too. Of the rows of the archive with these contents, those of the
    /// selection are loaded, and then `builds` are built.
    pub async fn begin(
        target: &Conninfo,
        session: &'a Session,
        contents: &Arc<Contents>,
        selection: Selection,
        builds: Builds,
        connections: usize,
    ) -> Result<Self> {
        queries::loading::prepare_load(session, plan::encoding(contents)).await?;
        queries::loading::prepare_builds(session).await?;
        let held_off =
            queries::loading::hold_off_autovacuum(session, &made_tables(contents, &selection)).await?;
        let common = Arc::new(Common {
            target: target.clone(),
            contents: Arc::clone(contents),
            queue: Queue::new(connections),
            fires_no_triggers: !selection.filled().is_empty(),
        });
        common.queue.add(builds.indexes.iter().cloned());
        let mut opened = JoinSet::new();
        for number in 0..connections {
            opened.spawn(work(Arc::clone(&common), number));
        }
        Ok(Self {
            session,
            common,
            connections: opened,
            selection,
            builds,
            held_off,
            table: None,
            large_object: None,
            waiting: BytesMut::with_capacity(BATCH_BYTES),
        })
    }

    /// Takes the next thing read. Waits while enough is under way.
    pub async fn take(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Contents(_) => {}
            Event::TableBegan(id) => self.table = self.selection.keeps(id).then_some(id),
            Event::Rows(rows) => {
                if self.table.is_some() {
                    self.waiting.extend_from_slice(rows);
                }
                if self.waiting.len() >= BATCH_BYTES {
                    self.hand_in().await?;
                }
            }
            Event::TableEnded(id) => {
                self.hand_in().await?;
                self.table = None;
                self.common.queue.table_ended(id);
            }
            Event::LargeObjectBegan(oid) => self.large_object = Some((oid, 0)),
            Event::LargeObjectData(data) => {
                self.waiting.extend_from_slice(data);
                if self.waiting.len() >= BATCH_BYTES {
                    self.write_large_object().await?;
                }
            }
            Event::LargeObjectEnded(_) => {
                self.write_large_object().await?;
                self.large_object = None;
            }
        }
        Ok(())
    }

    /// Waits until all rows are in. None may come after.
    pub async fn load(&mut self) -> Result<()> {
        let common = Arc::clone(&self.common);
        common.queue.rows_ended();
        self.unless_one_fails(common.queue.loaded()).await
    }

    /// Waits until everything is built, and closes the connections.
    pub async fn build(mut self) -> Result<()> {
        let session = self.session;
        tokio::select! {
            built = self.build_all() => built,
            silence = silence(session, "the target's server") => Err(silence),
        }
    }

    async fn build_all(&mut self) -> Result<()> {
        let common = Arc::clone(&self.common);
        let queue = &common.queue;
        self.unless_one_fails(queue.built()).await?;
        queue.add(self.builds.refreshes.iter().cloned());
        for key in &self.builds.foreign_keys {
            queries::loading::make(self.session, &key.attach.what, &key.attach.statement).await?;
            queue.made(&key.attach);
        }
        queue.add(self.builds.foreign_keys.iter().map(|key| key.check.clone()));
        queue.builds_ended();
        while let Some(ended) = self.connections.join_next().await {
            ended.map_err(broken)??;
        }
        queries::loading::let_autovacuum_come(self.session, &self.held_off).await?;
        queries::loading::settle(self.session).await
    }

    async fn hand_in(&mut self) -> Result<()> {
        let Some(table) = self.table else {
            return Ok(());
        };
        // Without any end in sight a part of a row goes on its way, as a row may be larger than memory should be.
        let end = memrchr(b'\n', &self.waiting).map_or(self.waiting.len(), |end| end + 1);
        if end == 0 {
            return Ok(());
        }
        let rows = self.waiting.split_to(end).freeze();
        self.waiting.reserve(BATCH_BYTES);
        let batch = Batch {
            table,
            is_whole: rows.ends_with(b"\n"),
            rows,
        };
        let common = Arc::clone(&self.common);
        self.unless_one_fails(common.queue.push(batch)).await
    }

    async fn write_large_object(&mut self) -> Result<()> {
        let Some((oid, offset)) = &mut self.large_object else {
            return Ok(());
        };
        if !self.waiting.is_empty() {
            let written = queries::loading::write_large_object(self.session, *oid, *offset, &self.waiting);
            self.session.bear(written).await??;
            *offset += i64::try_from(self.waiting.len()).unwrap_or(i64::MAX);
            self.waiting.clear();
        }
        Ok(())
    }

    /// What `work` comes to, or why a connection failed meanwhile.
    async fn unless_one_fails<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                Some(ended) = self.connections.join_next() => ended.map_err(broken)??,
            }
        }
    }
}

/// The tables that the archive makes, as schema and name. Those of a platform, which it only fills, are none of them.
fn made_tables<'a>(contents: &'a Contents, selection: &Selection) -> Vec<(&'a str, &'a str)> {
    let tables = contents
        .entries
        .iter()
        .filter(|entry| entry.kind == "TABLE" && selection.keeps(entry.id));
    tables
        .map(|entry| (entry.schema.as_deref().unwrap_or_default(), entry.tag.as_str()))
        .collect()
}

fn broken(cause: tokio::task::JoinError) -> Error {
    Error::new(Kind::Internal, "a connection to the target broke down").caused_by(cause)
}
