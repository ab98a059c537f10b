//! The rows of an archive, and the indexes over them, into a target.
//!
//! The archive comes as one stream; its rows go over several connections at once, cut at the ends of rows, so that a single
//! large table loads no slower than many small ones. The slowest of archive, network and target holds up the stream.
//!
//! A table for whose rows an unknown function is called is loaded as one connection would load it: after all rows before it are
//! permanent, in one COPY, and before any row behind it. Once all rows are in, its generated columns are computed again where that
//! gives something else.

mod analyses;
mod builds;
mod connection;
mod large_objects;
mod queue;
mod schedule;
mod trees;
mod waiting;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::BytesMut;
use memchr::memrchr;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::analyses::{Analyses, Analysis};
pub use self::builds::Builds;
use self::connection::{Common, make, work};
use self::large_objects::LargeObjectWriter;
pub use self::queue::Counts;
use self::queue::Queue;
use self::schedule::{Analyzes, Batch};
use super::plan;
use super::platform::Selection;
use super::refused::RefusedStep;
use super::silence::silence;
use crate::archive::{ArchiveEvent, Contents, DumpId, EntryKind};
use crate::error::{Error, Kind, Result};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::queries::loading::ArchiveSettings;
use crate::postgres::rights::Name;
use crate::postgres::session::Session;
use crate::postgres::tools::Leniency;

/// Rows are handed to a connection in batches of about this size.
const BATCH_BYTES: usize = 256 << 10;

/// How a load is worked off.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// What ends it, and which parts of the source are not kept.
    pub leniency: Leniency,
    /// How many connections work side by side.
    pub connections: usize,
    /// Whether planner statistics are gathered.
    pub gathers_statistics: bool,
}

/// Loads what it is given.
#[derive(Debug)]
pub struct Loader<'a> {
    /// For what one connection does alone: large objects, and attaching foreign keys.
    session: &'a Session,
    common: Arc<Common>,
    connections: JoinSet<Result<()>>,
    selection: Selection,
    builds: Builds,
    /// The entries of rows that are loaded alone.
    loaded_alone: HashSet<DumpId>,
    /// The entries of rows whose tables are missing.
    absent: HashSet<DumpId>,
    /// What was refused before the rows of foreign keys were to be checked.
    unattached: HashSet<DumpId>,
    leniency: Leniency,
    /// What is analyzed behind everything else; nothing where nothing is.
    late_analyses: Vec<Analysis>,
    /// Tables that autovacuum is kept from until everything is built.
    held_off: Vec<String>,
    /// The table whose rows are coming, where they are wanted.
    table: Option<DumpId>,
    large_objects: LargeObjectWriter,
    waiting: BytesMut,
}

impl<'a> Loader<'a> {
    /// Opens connections to the target, which `session` reaches too. Of the rows of the archive with these contents, those of the
    /// selection are loaded, but for the entries `absent`, whose tables are missing, and then what can be built here is built. The
    /// definitions must be there.
    pub async fn begin(
        target: &Conninfo,
        session: &'a Session,
        contents: &Arc<Contents>,
        selection: Selection,
        absent: HashSet<DumpId>,
        means: LoadOptions,
    ) -> Result<Self> {
        let LoadOptions {
            leniency,
            connections,
            gathers_statistics,
        } = means;
        prepare(session, contents).await?;
        let unknown = queries::unknown::unknown(session).await?;
        let builds = Builds::of(contents, &selection, &unknown, leniency.keeps_tablespaces);
        let held_off =
            queries::loading::hold_off_autovacuum(session, &made_tables(contents, &selection)).await?;
        let common = Arc::new(Common {
            target: target.clone(),
            contents: Arc::clone(contents),
            queue: Queue::new(connections),
            fires_no_triggers: !selection.filled().is_empty(),
            stops_at_first_error: leniency.stops_at_first_error,
        });
        common.queue.expect_builds(builds.steps());
        common.queue.add(builds.indexes.iter().cloned());
        let analyses = match gathers_statistics {
            true => Analyses::of(contents, &selection, &builds, &absent),
            false => Analyses::default(),
        };
        common.queue.add_analyses(analyses.early);
        let mut loader = Self {
            session,
            common,
            connections: JoinSet::new(),
            loaded_alone: rows_of(contents, &unknown.tables),
            absent,
            unattached: HashSet::new(),
            leniency,
            selection,
            builds,
            late_analyses: analyses.late,
            held_off,
            table: None,
            large_objects: LargeObjectWriter::default(),
            waiting: BytesMut::with_capacity(BATCH_BYTES),
        };
        loader.connect(usize::MAX);
        Ok(loader)
    }

    /// Opens as many connections again as have something to do.
    fn reconnect(&mut self) {
        self.connect(self.common.queue.left());
    }

    fn connect(&mut self, most: usize) {
        for number in 0..self.common.queue.connections().min(most) {
            self.connections.spawn(work(Arc::clone(&self.common), number));
        }
    }

    /// Takes the next thing read. Waits while enough is under way.
    pub async fn take(&mut self, event: ArchiveEvent<'_>) -> Result<()> {
        match event {
            ArchiveEvent::Contents(_) => {}
            ArchiveEvent::TableBegan(id) => {
                let is_wanted = self.selection.keeps(id) && !self.absent.contains(&id);
                self.table = is_wanted.then_some(id);
                if self.loaded_alone.contains(&id) {
                    self.settle_rows().await?;
                    self.common.queue.begin_alone(id);
                }
            }
            ArchiveEvent::Rows(rows) => {
                if self.table.is_some() {
                    self.waiting.extend_from_slice(rows);
                }
                if self.waiting.len() >= BATCH_BYTES {
                    self.hand_in().await?;
                }
            }
            ArchiveEvent::TableEnded(id) => {
                self.hand_in().await?;
                self.table = None;
                self.common.queue.table_ended(id);
                if self.loaded_alone.contains(&id) {
                    self.settle_rows().await?;
                    self.common.queue.end_alone();
                }
            }
            ArchiveEvent::LargeObjectBegan(oid) => self.large_objects.began(oid),
            ArchiveEvent::LargeObjectData(data) => self.large_objects.data(self.session, data).await?,
            ArchiveEvent::LargeObjectEnded(_) => self.large_objects.ended(self.session).await?,
        }
        Ok(())
    }

    /// Waits until all rows are in. None may come after.
    pub async fn load(&mut self) -> Result<()> {
        self.settle_rows().await?;
        let session = self.session;
        tokio::select! {
            computed = self.compute_again() => computed?,
            silence = silence(session, "the target's server") => return Err(silence),
        }
        let common = Arc::clone(&self.common);
        common.queue.rows_ended();
        self.unless_one_fails(common.queue.loaded()).await
    }

    /// What an unknown function gave while rows were still to come may not be what it gives now.
    async fn compute_again(&self) -> Result<()> {
        for entry in &self.common.contents.entries {
            if self.loaded_alone.contains(&entry.id) && self.selection.keeps(entry.id) {
                let schema = entry.schema.as_deref().unwrap_or_default();
                queries::derived::compute_again(self.session, schema, &entry.tag).await?;
            }
        }
        Ok(())
    }

    /// Waits until indexes and keys are built, attaches the foreign keys, and closes the connections. Of foreign keys, rows are not
    /// checked yet.
    pub async fn build(&mut self) -> Result<()> {
        let session = self.session;
        tokio::select! {
            built = self.build_keys() => built,
            silence = silence(session, "the target's server") => Err(silence),
        }
    }

    /// Checks the rows of foreign keys and fills materialized views, side by side, and lets autovacuum come. Everything else that
    /// views may read must be there.
    pub async fn fill(&mut self) -> Result<()> {
        let session = self.session;
        tokio::select! {
            filled = self.check_and_fill() => filled,
            silence = silence(session, "the target's server") => Err(silence),
        }
    }

    /// Gathers the statistics that were not gathered beside everything else. Returns of what there are none, and why.
    pub async fn analyze(&mut self) -> Result<Vec<String>> {
        let common = Arc::clone(&self.common);
        common.queue.add_analyses(self.late_analyses.drain(..));
        common.queue.analyze(Analyzes::ToTheEnd).await;
        let session = self.session;
        self.reconnect();
        tokio::select! {
            done = self.disconnect() => done?,
            silence = silence(session, "the target's server") => return Err(silence),
        }
        Ok(common.queue.take_unanalyzed())
    }

    /// Follows how many indexes, keys and views are built.
    pub(super) fn count_builds(&self) -> watch::Receiver<Counts> {
        self.common.queue.count_builds()
    }

    /// Follows of how many tables statistics are gathered.
    pub(super) fn count_analyses(&self) -> watch::Receiver<Counts> {
        self.common.queue.count_analyses()
    }

    /// What the server refused since this was asked last.
    pub(super) fn take_refused(&self) -> Vec<RefusedStep> {
        self.common.queue.take_refused()
    }

    async fn build_keys(&mut self) -> Result<()> {
        let common = Arc::clone(&self.common);
        let queue = &common.queue;
        self.unless_one_fails(queue.built()).await?;
        // Attaching takes tables for itself, and waits for a lock no longer than it may.
        self.unless_one_fails(queue.analyze(Analyzes::Never)).await?;
        for key in &self.builds.foreign_keys {
            match make(self.session, &key.attach, common.stops_at_first_error).await? {
                Ok(()) => queue.made(&key.attach),
                Err(refused) => queue.refused(RefusedStep {
                    // The key as the archive has it, in one step.
                    statement: self.definition_of(key.attach.id),
                    ..refused
                }),
            }
        }
        self.unattached = queue.refused_ids();
        queue.add(self.builds.whole_keys.drain(..));
        queue.builds_ended(true);
        queue.analyze(Analyzes::Beside).await;
        self.disconnect().await
    }

    async fn check_and_fill(&mut self) -> Result<()> {
        let (keys, refreshes) = (&self.builds.foreign_keys, &self.builds.refreshes);
        if !keys.is_empty() || !refreshes.is_empty() {
            // Views are as they will be only now, and their indexes are there.
            let unknown = queries::unknown::unknown(self.session).await?;
            let builds = Builds::of(
                &self.common.contents,
                &self.selection,
                &unknown,
                self.leniency.keeps_tablespaces,
            );
            let queue = &self.common.queue;
            queue.builds_ended(false);
            let checks = builds.foreign_keys.into_iter().map(|key| key.check);
            queue.add(checks.filter(|check| !self.unattached.contains(&check.id)));
            queue.add(builds.refreshes);
            queue.builds_ended(true);
            self.reconnect();
            self.disconnect().await?;
        }
        queries::loading::let_autovacuum_come(self.session, &self.held_off).await?;
        queries::loading::settle(self.session).await
    }

    fn definition_of(&self, id: DumpId) -> String {
        let entry = self.common.contents.entry(id);
        entry.map_or_else(String::new, |entry| entry.definition.clone())
    }

    /// Waits until the connections have nothing left to do.
    async fn disconnect(&mut self) -> Result<()> {
        while let Some(ended) = self.connections.join_next().await {
            ended.map_err(broken)??;
        }
        Ok(())
    }

    /// Waits until all rows and large objects handed in are permanent.
    async fn settle_rows(&mut self) -> Result<()> {
        self.large_objects.finish(self.session).await?;
        let common = Arc::clone(&self.common);
        self.unless_one_fails(common.queue.settled()).await
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
        .filter(|entry| entry.kind == EntryKind::Table && selection.keeps(entry.id));
    tables
        .map(|entry| (entry.schema.as_deref().unwrap_or_default(), entry.tag.as_str()))
        .collect()
}

/// The entries of the rows of these tables.
fn rows_of(contents: &Contents, tables: &HashSet<Name>) -> HashSet<DumpId> {
    let rows = contents.entries.iter().filter(|entry| {
        let name = (entry.schema.clone().unwrap_or_default(), entry.tag.clone());
        entry.kind == EntryKind::TableData && tables.contains(&name)
    });
    rows.map(|entry| entry.id).collect()
}

/// Makes a session ready for the archive's rows and definitions.
pub async fn prepare(session: &Session, contents: &Contents) -> Result<()> {
    queries::loading::prepare_load(session, &settings(contents)).await?;
    queries::loading::prepare_builds(session).await
}

/// The settings under which the archive's SQL and rows are read.
fn settings(contents: &Contents) -> ArchiveSettings<'_> {
    ArchiveSettings {
        encoding: plan::encoding(contents),
        has_standard_strings: plan::has_standard_strings(contents),
    }
}

fn broken(cause: tokio::task::JoinError) -> Error {
    Error::new(Kind::Internal, "a connection to the target broke down").caused_by(cause)
}
