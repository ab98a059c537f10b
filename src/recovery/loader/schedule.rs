//! What a connection of a restore does next.
//!
//! Rows come first. A connection that finds none, because the download is slower than the target, builds what is ready; but
//! one connection at least stays free for rows as long as more will come.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use bytes::Bytes;

use super::analyses::Analysis;
use super::builds::{Build, Start};
use super::waiting::{Need, Waiting};
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
    Rows(Batch),
    /// Make the rows loaded so far permanent.
    EndCopy,
    Build {
        build: Build,
        /// Whether every other connection builds too, now or next.
        is_crowded: bool,
    },
    Analyze(Analysis),
    Nothing,
}

/// What is to be done and what is done.
#[derive(Debug, Default)]
pub(super) struct LoadSchedule {
    pub(super) batches: VecDeque<Batch>,
    /// The connection over which a row has begun that has not ended.
    pub(super) within_row: Option<usize>,
    pub(super) tables: HashMap<DumpId, Loading>,
    /// Batches of all tables that are not permanent yet.
    pub(super) unsettled: usize,
    /// The table whose rows go over one connection, and nothing else goes in beside them; the connection, once it has one.
    pub(super) alone: Option<(DumpId, Option<usize>)>,
    /// No more rows will come.
    pub(super) rows_have_ended: bool,
    /// What has arrived of what work waits for.
    pub(super) there: HashSet<Need>,
    pub(super) waiting: Waiting<Build>,
    /// The place in the archive and the number of each that waits.
    pub(super) places: BTreeSet<(usize, usize)>,
    pub(super) building: Vec<Build>,
    /// How many of those that wait or are being built work on each tree.
    pub(super) claims: HashMap<DumpId, usize>,
    pub(super) refused: Vec<RefusedStep>,
    /// Nothing more to build will be added.
    pub(super) builds_have_ended: bool,
    /// Statistics to gather when a connection has nothing else to do.
    pub(super) analyses: Waiting<Analysis>,
    pub(super) analyzing: Vec<Analysis>,
    pub(super) unanalyzed: Vec<String>,
    pub(super) analyzes: Analyzes,
}

/// When statistics are gathered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Analyzes {
    /// While connections wait for something else.
    #[default]
    Beside,
    /// Not now: tables must be free of locks.
    Never,
    ToTheEnd,
}

/// How far the rows of a table are.
#[derive(Debug, Default)]
pub(super) struct Loading {
    /// Handed in and not permanent yet.
    pub(super) batches: usize,
    pub(super) bytes: u64,
    pub(super) has_ended: bool,
}

impl LoadSchedule {
    pub(super) fn next(
        &mut self,
        connection: usize,
        open: Option<DumpId>,
        connections: usize,
    ) -> Option<Work> {
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
        if let Some(number) = ready
            && let Some(build) = self.waiting.take(number)
        {
            self.places.remove(&(build.place, number));
            let is_crowded = self.building.len() + self.waiting.len() + 1 >= connections;
            self.building.push(build.clone());
            return Some(Work::Build { build, is_crowded });
        }
        let analyzable = self.analyzable(connections);
        if let Some(analysis) = analyzable.and_then(|number| self.analyses.take(number)) {
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

    /// The number of statistics that can be gathered now, where a connection would have nothing else to do.
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
        if !is_time || !is_spared {
            return None;
        }
        let mut free = self.analyses.free();
        free.find(|(_, analysis)| !self.claims.contains_key(&analysis.tree))
            .map(|(number, _)| number)
    }

    /// The number of the largest that can be built now, where a connection may be spared for it.
    fn ready(&self, connections: usize) -> Option<usize> {
        let spared = if self.rows_have_ended {
            connections
        } else {
            connections - 1
        };
        if self.building.len() + self.analyzing.len() >= spared {
            return None;
        }
        self.first_in_order().or_else(|| {
            // What keeps the archive's order has the lowest rank.
            let mut free = self
                .waiting
                .free()
                .take_while(|(_, build)| build.start != Start::InOrder);
            free.find(|(_, build)| self.may_begin(build))
                .map(|(number, _)| number)
        })
    }

    /// What keeps the archive's order, where nothing is left before it.
    fn first_in_order(&self) -> Option<usize> {
        let (_, number) = *self.places.first()?;
        let build = self.waiting.if_free(number)?;
        let is_first = self.building.iter().all(|other| other.place >= build.place);
        (build.start == Start::InOrder && is_first && self.may_begin(build)).then_some(number)
    }

    /// Whether nothing that runs works on the same.
    fn may_begin(&self, build: &Build) -> bool {
        let is_claimed =
            |analysis: &Analysis| build.claims.iter().any(|claimed| claimed.tree == analysis.tree);
        self.building.iter().all(|other| build.suits(other)) && !self.analyzing.iter().any(is_claimed)
    }

    pub(super) fn add(&mut self, build: Build) {
        for claimed in &build.claims {
            *self.claims.entry(claimed.tree).or_default() += 1;
        }
        let rows = build.rows.iter().map(|rows| Need::Rows(*rows));
        let mut needs: Vec<Need> = match build.start {
            Start::OwnRows => rows.collect(),
            Start::AllRows | Start::InOrder => vec![Need::AllRows],
        };
        needs.extend(build.builds.iter().map(|id| Need::Built(*id)));
        let place = build.place;
        let rank = |build: &Build| rank(&self.tables, build);
        let number = self.waiting.add(build, needs, &self.there, rank);
        self.places.insert((place, number));
    }

    pub(super) fn add_analysis(&mut self, analysis: Analysis) {
        let rows = analysis.rows.iter().map(|rows| Need::Rows(*rows));
        let builds = analysis.builds.iter().map(|id| Need::Built(*id));
        let needs: Vec<Need> = rows.chain(builds).collect();
        self.analyses.add(analysis, needs, &self.there, |_| 0);
    }

    pub(super) fn arrived(&mut self, need: Need) {
        if self.there.insert(need) {
            self.waiting.arrived(need, |build| rank(&self.tables, build));
            self.analyses.arrived(need, |_| 0);
        }
    }

    /// Those of what is being built are not any more.
    pub(super) fn end(&mut self, is_this: impl Fn(&Build) -> bool) {
        let ended = self.building.extract_if(.., |build| is_this(build));
        for claimed in ended.flat_map(|build| build.claims) {
            if let Entry::Occupied(mut count) = self.claims.entry(claimed.tree) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }

    pub(super) fn note_rows(&mut self, rows: DumpId) {
        let loading = self.tables.get(&rows);
        if loading.is_some_and(|loading| loading.has_ended && loading.batches == 0) {
            self.arrived(Need::Rows(rows));
        }
    }

    pub(super) fn note_all_rows(&mut self) {
        if self.has_all_rows() {
            self.arrived(Need::AllRows);
        }
    }

    pub(super) fn has_all_rows(&self) -> bool {
        self.rows_have_ended && self.unsettled == 0
    }
}

/// The larger a table, the earlier what is built over it begins. What keeps the archive's order is behind all that does not.
fn rank(tables: &HashMap<DumpId, Loading>, build: &Build) -> u64 {
    if build.start == Start::InOrder {
        return 0;
    }
    let tables = build.rows.iter().filter_map(|table| tables.get(table));
    1 + tables.map(|loading| loading.bytes).sum::<u64>()
}
