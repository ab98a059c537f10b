//! What the connections of a restore are to do next.
//!
//! Rows come first. A connection that finds none, because the download is slower than the target, builds what is ready; but
//! one connection at least stays free for rows as long as more will come.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::analyses::Analysis;
use super::builds::{Build, Start};
use crate::archive::DumpId;
use crate::recovery::refused::RefusedStep;

/// Rows of one table.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) table: DumpId,
    pub(super) rows: Bytes,
    /// Whether the last row ends here. Where it does not, what follows goes over the same connection.
    pub(super) is_whole: bool,
}

/// What a connection does next.
#[derive(Debug)]
pub(super) enum Work {
    /// Load these.
    Rows(Batch),
    /// Make the rows loaded so far permanent.
    EndCopy,
    /// Build this.
    Build {
        build: Build,
        /// Whether every other connection builds too, now or next.
        is_crowded: bool,
    },
    /// Gather these statistics.
    Analyze(Analysis),
    /// Nothing any more.
    Nothing,
}

/// The work of all connections.
#[derive(Debug)]
pub(super) struct Queue {
    connections: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Batch>,
    /// The connection over which a row has begun that has not ended.
    within_row: Option<usize>,
    tables: HashMap<DumpId, Loading>,
    /// Batches of all tables that are not permanent yet.
    unsettled: usize,
    /// The table whose rows go over one connection, and nothing else goes in beside them; the connection, once it has one.
    alone: Option<(DumpId, Option<usize>)>,
    /// No more rows will come.
    rows_have_ended: bool,
    waiting: Vec<Build>,
    building: Vec<Build>,
    built: HashSet<DumpId>,
    refused: Vec<RefusedStep>,
    /// Nothing more to build will be added.
    builds_have_ended: bool,
    /// Statistics to gather when a connection has nothing else to do.
    analyses: Vec<Analysis>,
    analyzing: Vec<Analysis>,
    unanalyzed: Vec<String>,
    analyzes: Analyzes,
}

/// When statistics are gathered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Analyzes {
    /// While connections wait for something else.
    #[default]
    Beside,
    /// Not now: tables must be free of locks.
    Never,
    /// Until all are.
    ToTheEnd,
}

/// How far the rows of a table are.
#[derive(Debug, Default)]
struct Loading {
    /// Handed in and not permanent yet.
    batches: usize,
    bytes: u64,
    has_ended: bool,
}

impl Queue {
    pub(super) fn new(connections: usize) -> Self {
        Self {
            connections,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// How many connections work it off.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Hands in rows. Waits while enough are there.
    pub(super) async fn push(&self, batch: Batch) {
        self.once(|state| state.batches.len() < self.connections + 2)
            .await;
        self.change(|state| {
            let loading = state.tables.entry(batch.table).or_default();
            loading.batches += 1;
            loading.bytes += batch.rows.len() as u64;
            state.unsettled += 1;
            state.batches.push_back(batch);
        });
    }

    /// All rows of the table were handed in.
    pub(super) fn table_ended(&self, table: DumpId) {
        self.change(|state| state.tables.entry(table).or_default().has_ended = true);
    }

    /// From here on only rows of `table` come, and all of them go over one connection.
    pub(super) fn begin_alone(&self, table: DumpId) {
        self.change(|state| state.alone = Some((table, None)));
    }

    /// Rows may go over any connection again.
    pub(super) fn end_alone(&self) {
        self.change(|state| state.alone = None);
    }

    /// Waits until all rows handed in so far are permanent. Each of their tables must have ended.
    pub(super) async fn settled(&self) {
        self.once(|state| state.unsettled == 0).await;
    }

    /// All rows of all tables were handed in.
    pub(super) fn rows_ended(&self) {
        self.change(|state| state.rows_have_ended = true);
    }

    /// Hands in something to be built.
    pub(super) fn add(&self, builds: impl IntoIterator<Item = Build>) {
        self.change(|state| state.waiting.extend(builds));
    }

    /// Everything to be built was handed in, for now or for good.
    pub(super) fn builds_ended(&self, have_ended: bool) {
        self.change(|state| state.builds_have_ended = have_ended);
    }

    /// Hands in tables whose statistics are to be gathered.
    pub(super) fn add_analyses(&self, analyses: impl IntoIterator<Item = Analysis>) {
        self.change(|state| state.analyses.extend(analyses));
    }

    /// From here on statistics are gathered at such times. What is under way is waited for.
    pub(super) async fn analyze(&self, when: Analyzes) {
        self.change(|state| state.analyzes = when);
        self.once(|state| when != Analyzes::Never || state.analyzing.is_empty())
            .await;
    }

    /// These statistics are gathered, or why not.
    pub(super) fn analyzed(&self, analysis: &Analysis, refused: Option<String>) {
        self.change(|state| {
            state.analyzing.retain(|other| other != analysis);
            state.unanalyzed.extend(refused);
        });
    }

    /// What could not be gathered since this was asked last, and why.
    pub(super) fn take_unanalyzed(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().unanalyzed)
    }

    /// Waits until all rows handed in are permanent.
    pub(super) async fn loaded(&self) {
        self.once(State::has_all_rows).await;
    }

    /// Waits until everything handed in is built.
    pub(super) async fn built(&self) {
        self.once(|state| state.waiting.is_empty() && state.building.is_empty())
            .await;
    }

    /// So many batches of the table are permanent.
    pub(super) fn made_permanent(&self, table: DumpId, batches: usize) {
        self.change(|state| {
            if let Some(loading) = state.tables.get_mut(&table) {
                loading.batches -= batches;
            }
            state.unsettled -= batches;
        });
    }

    /// This is built.
    pub(super) fn made(&self, build: &Build) {
        self.change(|state| {
            state.building.retain(|other| other != build);
            state.built.insert(build.id);
        });
    }

    /// The server refused this step, or the rows of this entry. What needs it is tried all the same, and says itself what it lacks.
    pub(super) fn refused(&self, step: RefusedStep) {
        self.change(|state| {
            let is_this = |other: &Build| (other.id, &other.statement) == (step.id, &step.statement);
            state.building.retain(|other| !is_this(other));
            state.built.insert(step.id);
            if !state.refused.iter().any(|other| other.id == step.id) {
                state.refused.push(step);
            }
        });
    }

    /// Whether the server refused rows of this entry.
    pub(super) fn has_refused(&self, rows: DumpId) -> bool {
        self.lock().refused.iter().any(|step| step.id == rows)
    }

    /// The entries of what was refused since it was taken last.
    pub(super) fn refused_ids(&self) -> HashSet<DumpId> {
        self.lock().refused.iter().map(|step| step.id).collect()
    }

    /// What was refused since this was asked last.
    pub(super) fn take_refused(&self) -> Vec<RefusedStep> {
        std::mem::take(&mut self.lock().refused)
    }

    /// What `connection` does next, which is loading rows of the table `open`.
    pub(super) async fn next(&self, connection: usize, open: Option<DumpId>) -> Work {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(work) = self.lock().next(connection, open, self.connections) {
                self.changed.notify_waiters();
                return work;
            }
            changed.await;
        }
    }

    async fn once(&self, holds: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self, connection: usize, open: Option<DumpId>, connections: usize) -> Option<Work> {
        let chosen = self.within_row.or(self.alone.and_then(|(_, chosen)| chosen));
        if chosen.is_none_or(|other| other == connection)
            && let Some(batch) = self.batches.pop_front()
        {
            self.within_row = (!batch.is_whole).then_some(connection);
            if let Some((table, chosen)) = &mut self.alone
                && *table == batch.table
            {
                *chosen = Some(connection);
            }
            return Some(Work::Rows(batch));
        }
        if self.within_row == Some(connection) {
            return None;
        }
        let ready = self.ready(connections);
        if let Some(table) = open {
            let is_over = self.tables.get(&table).is_some_and(|table| table.has_ended);
            let is_alone = self.alone.is_some_and(|(alone, _)| alone == table);
            return (is_over || ready.is_some() && !is_alone).then_some(Work::EndCopy);
        }
        if let Some(place) = ready {
            let build = self.waiting.swap_remove(place);
            let is_crowded = self.building.len() + self.waiting.len() + 1 >= connections;
            self.building.push(build.clone());
            return Some(Work::Build { build, is_crowded });
        }
        if let Some(place) = self.analyzable(connections) {
            let analysis = self.analyses.swap_remove(place);
            self.analyzing.push(analysis.clone());
            return Some(Work::Analyze(analysis));
        }
        let is_all = self.rows_have_ended
            && self.batches.is_empty()
            && self.builds_have_ended
            && self.waiting.is_empty()
            && (self.analyzes != Analyzes::ToTheEnd || self.analyses.is_empty());
        is_all.then_some(Work::Nothing)
    }

    /// Where statistics stand that can be gathered now, where a connection would have nothing else to do.
    fn analyzable(&self, connections: usize) -> Option<usize> {
        let is_time = match self.analyzes {
            Analyzes::Never => false,
            Analyzes::ToTheEnd => true,
            Analyzes::Beside => {
                !self.builds_have_ended || !self.waiting.is_empty() || !self.building.is_empty()
            }
        };
        let busy = self.building.len() + self.analyzing.len();
        let is_spared = self.rows_have_ended || busy + 1 < connections;
        let stands_in = |build: &Build, tree| build.claims.iter().any(|claimed| claimed.tree == tree);
        let can_begin = |analysis: &&Analysis| {
            let mut others = self.waiting.iter().chain(&self.building);
            analysis.rows.iter().all(|rows| self.is_loaded(*rows))
                && analysis.builds.iter().all(|id| self.built.contains(id))
                && !others.any(|build| stands_in(build, analysis.tree))
        };
        let place = self.analyses.iter().position(|analysis| can_begin(&analysis));
        place.filter(|_| is_time && is_spared)
    }

    fn is_loaded(&self, rows: DumpId) -> bool {
        self.tables
            .get(&rows)
            .is_some_and(|loading| loading.has_ended && loading.batches == 0)
    }

    /// The place of the largest that can be built now, where a connection may be spared for it.
    fn ready(&self, connections: usize) -> Option<usize> {
        let spared = if self.rows_have_ended {
            connections
        } else {
            connections - 1
        };
        if self.building.len() + self.analyzing.len() >= spared {
            return None;
        }
        let ready = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, build)| self.is_ready(build));
        ready
            .max_by_key(|(_, build)| self.bytes(build))
            .map(|(place, _)| place)
    }

    fn is_ready(&self, build: &Build) -> bool {
        let has_started = match build.start {
            Start::OwnRows => build.rows.iter().all(|rows| self.is_loaded(*rows)),
            Start::AllRows => self.has_all_rows(),
            Start::InOrder => {
                let mut others = self.waiting.iter().chain(&self.building);
                self.has_all_rows() && others.all(|other| other.place >= build.place)
            }
        };
        has_started
            && build.builds.iter().all(|id| self.built.contains(id))
            && self.building.iter().all(|other| build.suits(other))
            && !self
                .analyzing
                .iter()
                .any(|analysis| build.claims.iter().any(|claimed| claimed.tree == analysis.tree))
    }

    fn has_all_rows(&self) -> bool {
        self.rows_have_ended && self.unsettled == 0
    }

    fn bytes(&self, build: &Build) -> u64 {
        let tables = build.rows.iter().filter_map(|table| self.tables.get(table));
        tables.map(|loading| loading.bytes).sum()
    }
}
