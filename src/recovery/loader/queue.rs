//! The work of a restore's connections, handed from those that have some to those that do it.

use std::collections::HashSet;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};

use super::analyses::Analysis;
use super::builds::Build;
use super::schedule::{Analyzes, Batch, LoadSchedule, Work};
use super::waiting::Need;
use crate::archive::DumpId;
use crate::recovery::refused::RefusedStep;

/// How much of something is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// So many are done.
    pub done: u64,
    /// The total.
    pub of: u64,
}

/// The work of all connections.
#[derive(Debug)]
pub(super) struct Queue {
    /// Everything that is built.
    builds: watch::Sender<Counts>,
    /// All statistics that are gathered.
    analyses: watch::Sender<Counts>,
    connections: usize,
    state: Mutex<LoadSchedule>,
    changed: Notify,
}

impl Queue {
    pub(super) fn new(connections: usize) -> Self {
        Self {
            builds: watch::Sender::default(),
            analyses: watch::Sender::default(),
            connections,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// How many connections work it off.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// How many steps and statistics no connection has begun.
    pub(super) fn left(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.analyses.len()
    }

    /// So much will be built.
    pub(super) fn expect_builds(&self, of: usize) {
        self.builds.send_modify(|counts| counts.of += of as u64);
    }

    /// Follows how much is built.
    pub(super) fn count_builds(&self) -> watch::Receiver<Counts> {
        self.builds.subscribe()
    }

    /// Follows how much statistics are gathered.
    pub(super) fn count_analyses(&self) -> watch::Receiver<Counts> {
        self.analyses.subscribe()
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
        self.change(|state| {
            state.tables.entry(table).or_default().has_ended = true;
            state.note_rows(table);
        });
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
        self.change(|state| {
            state.rows_have_ended = true;
            state.note_all_rows();
        });
    }

    /// Hands in something to be built.
    pub(super) fn add(&self, builds: impl IntoIterator<Item = Build>) {
        self.change(|state| {
            for build in builds {
                state.add(build);
            }
        });
    }

    /// Everything to be built was handed in, for now or for good.
    pub(super) fn builds_ended(&self, have_ended: bool) {
        self.change(|state| state.builds_have_ended = have_ended);
    }

    /// Hands in tables whose statistics are to be gathered.
    pub(super) fn add_analyses(&self, analyses: impl IntoIterator<Item = Analysis>) {
        self.change(|state| {
            for analysis in analyses {
                state.add_analysis(analysis);
                self.analyses.send_modify(|counts| counts.of += 1);
            }
        });
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
        self.analyses.send_modify(|counts| counts.done += 1);
    }

    /// What could not be gathered since this was asked last, and why.
    pub(super) fn take_unanalyzed(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().unanalyzed)
    }

    /// Waits until all rows handed in are permanent.
    pub(super) async fn loaded(&self) {
        self.once(LoadSchedule::has_all_rows).await;
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
            state.note_rows(table);
            state.note_all_rows();
        });
    }

    pub(super) fn made(&self, build: &Build) {
        self.change(|state| {
            state.end(|other| other == build);
            state.arrived(Need::Built(build.id));
        });
        self.builds.send_modify(|counts| counts.done += 1);
    }

    /// The server refused this step, or the rows of this entry. What needs it is tried all the same, and says itself what it lacks.
    pub(super) fn refused(&self, step: RefusedStep) {
        // Rows that are refused have no statement.
        if !step.statement.is_empty() {
            self.builds.send_modify(|counts| counts.done += 1);
        }
        self.change(|state| {
            state.end(|other| (other.id, &other.statement) == (step.id, &step.statement));
            state.arrived(Need::Built(step.id));
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

    async fn once(&self, holds: impl Fn(&LoadSchedule) -> bool) {
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

    fn change(&self, change: impl FnOnce(&mut LoadSchedule)) {
        change(&mut self.lock());
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, LoadSchedule> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests;
