//! In any order in which rows come and work ends: no step begins before what it needs is there, or beside one whose lock it would
//! wait for, and all is done once.

use std::collections::HashSet;

use bytes::Bytes;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::Queue;
use crate::archive::DumpId;
use crate::recovery::loader::analyses::Analysis;
use crate::recovery::loader::builds::{Build, Claimed, Exclusivity, Start};
use crate::recovery::loader::schedule::{Analyzes, Batch, Work};

const TABLES: i32 = 5;

/// What is to be done, and the chance by which it goes on.
#[derive(Clone, Debug)]
struct QueuePlan {
    connections: usize,
    /// Of each table, the tree that it is in, and of how many batches its rows are.
    tables: Vec<(i32, usize)>,
    builds: Vec<Build>,
    /// So many of them are indexes, which statistics wait for. The others are handed in later, as keys are.
    indexes: usize,
    when: Analyzes,
    chances: Vec<usize>,
}

fn id(number: i32) -> DumpId {
    DumpId(number)
}

/// What a build is, with tables and earlier builds by number.
type Drawn = (Vec<(i32, Exclusivity)>, Start, HashSet<usize>);

fn drawn() -> impl Strategy<Value = Drawn> {
    let claim = prop_oneof![
        Just(Exclusivity::Shared),
        Just(Exclusivity::Table),
        Just(Exclusivity::Tree)
    ];
    let start = prop_oneof![Just(Start::OwnRows), Just(Start::AllRows), Just(Start::InOrder)];
    let claims = prop::collection::vec((0..TABLES, claim), 0..3);
    (claims, start, prop::collection::hash_set(0..20_usize, 0..3))
}

fn plan() -> impl Strategy<Value = QueuePlan> {
    let tables = prop::collection::vec((0..TABLES, 0..3_usize), TABLES as usize);
    let builds = (prop::collection::vec(drawn(), 0..20), 0..20_usize);
    let when = prop_oneof![Just(Analyzes::Beside), Just(Analyzes::ToTheEnd)];
    let chances = prop::collection::vec(any::<usize>(), 40..200);
    (1..5_usize, tables, builds, when, chances).prop_map(
        |(connections, tables, (builds, indexes), when, chances)| {
            let builds = builds.into_iter().enumerate();
            let builds: Vec<Build> = builds
                .map(|(place, drawn)| build(place, drawn, &tables))
                .collect();
            QueuePlan {
                connections,
                tables,
                indexes: indexes.min(builds.len()),
                builds,
                when,
                chances,
            }
        },
    )
}

fn build(place: usize, (claims, start, needs): Drawn, tables: &[(i32, usize)]) -> Build {
    let number = |place: usize| id(1000 + i32::try_from(place).expect("a small number"));
    let rows: HashSet<DumpId> = claims.iter().map(|(table, _)| id(*table)).collect();
    let claimed = claims.into_iter().map(|(table, claim)| Claimed {
        table: id(table),
        tree: id(100 + tables[usize::try_from(table).expect("a table")].0),
        claim,
    });
    Build {
        id: number(place),
        place,
        what: String::new(),
        statement: String::new(),
        claims: claimed.collect(),
        start,
        rows: rows.into_iter().collect(),
        builds: needs
            .into_iter()
            .filter(|need| *need < place)
            .map(number)
            .collect(),
    }
}

/// One analysis for each tree that has tables, as a restore asks for them.
fn analyses(plan: &QueuePlan) -> Vec<Analysis> {
    let trees: HashSet<i32> = plan.tables.iter().map(|(tree, _)| *tree).collect();
    let of = |tree: i32| Analysis {
        tree: id(100 + tree),
        name: tree.to_string(),
        statement: String::new(),
        rows: (0..)
            .zip(&plan.tables)
            .filter(|(_, (own, _))| *own == tree)
            .map(|(table, _)| id(table))
            .collect(),
        builds: plan.builds[..plan.indexes]
            .iter()
            .filter(|build| is_in(build, id(100 + tree)))
            .map(|build| build.id)
            .collect(),
    };
    trees.into_iter().map(of).collect()
}

fn is_in(build: &Build, tree: DumpId) -> bool {
    build.claims.iter().any(|claimed| claimed.tree == tree)
}

/// Whether one of the two would wait for the other's lock.
fn collide(one: &Build, other: &Build) -> bool {
    one.claims.iter().any(|one| {
        other.claims.iter().any(|other| {
            let (one_claim, other_claim) = (one.claim, other.claim);
            let is_on_tree = one_claim == Exclusivity::Tree || other_claim == Exclusivity::Tree;
            let is_alone = one_claim == Exclusivity::Table || other_claim == Exclusivity::Table;
            one.tree == other.tree && (is_on_tree || is_alone && one.table == other.table)
        })
    })
}

#[derive(Clone, Debug)]
enum Doing {
    Nothing,
    /// With so many batches of the table that are not permanent.
    Loading(DumpId, usize),
    Building(Build),
    Analyzing(Analysis),
    Gone,
}

#[derive(Clone, Debug)]
enum Coming {
    Rows(DumpId),
    TableEnds(DumpId),
    RowsEnd,
    Keys,
    BuildsEnd,
}

struct QueueRun {
    queue: Queue,
    plan: QueuePlan,
    coming: std::collections::VecDeque<Coming>,
    connections: Vec<Doing>,
    permanent: Vec<usize>,
    tables_ended: HashSet<DumpId>,
    rows_ended: bool,
    /// So many builds were handed in.
    added: usize,
    built: HashSet<DumpId>,
    analyzed: HashSet<String>,
}

impl QueueRun {
    fn begin(plan: QueuePlan) -> Self {
        let queue = Queue::new(plan.connections);
        queue.add(plan.builds[..plan.indexes].iter().cloned());
        queue.add_analyses(analyses(&plan));
        queue.analyze(plan.when).now_or_never().expect("none runs");
        let mut coming = Vec::new();
        for (table, (_, batches)) in (0..).zip(&plan.tables) {
            coming.extend((0..*batches).map(|_| Coming::Rows(id(table))));
            coming.push(Coming::TableEnds(id(table)));
        }
        coming.extend([Coming::RowsEnd, Coming::Keys, Coming::BuildsEnd]);
        Self {
            queue,
            coming: coming.into(),
            connections: vec![Doing::Nothing; plan.connections],
            permanent: vec![0; plan.tables.len()],
            tables_ended: HashSet::new(),
            rows_ended: false,
            added: plan.indexes,
            built: HashSet::new(),
            analyzed: HashSet::new(),
            plan,
        }
    }

    /// Goes on with one of all that can. Whether something did.
    fn step(&mut self, chance: usize) -> bool {
        let actors = self.connections.len() + 1;
        (0..actors).any(|turn| match (chance + turn) % actors {
            0 => self.hand_in(),
            connection => self.work(connection - 1),
        })
    }

    fn hand_in(&mut self) -> bool {
        match self.coming.front().cloned() {
            None => return false,
            Some(Coming::Rows(table)) => {
                let batch = Batch {
                    table,
                    rows: Bytes::from_static(b"1\n"),
                    is_whole: true,
                };
                if self.queue.push(batch).now_or_never().is_none() {
                    return false;
                }
            }
            Some(Coming::TableEnds(table)) => {
                self.tables_ended.insert(table);
                self.queue.table_ended(table);
            }
            Some(Coming::RowsEnd) => {
                self.rows_ended = true;
                self.queue.rows_ended();
            }
            Some(Coming::Keys) => {
                self.added = self.plan.builds.len();
                self.queue
                    .add(self.plan.builds[self.plan.indexes..].iter().cloned());
            }
            Some(Coming::BuildsEnd) => self.queue.builds_ended(true),
        }
        self.coming.pop_front();
        true
    }

    fn work(&mut self, connection: usize) -> bool {
        match std::mem::replace(&mut self.connections[connection], Doing::Nothing) {
            Doing::Building(build) => {
                assert!(self.built.insert(build.id), "it was built before");
                self.queue.made(&build);
            }
            Doing::Analyzing(analysis) => {
                assert!(
                    self.analyzed.insert(analysis.name.clone()),
                    "it was analyzed before"
                );
                self.queue.analyzed(&analysis, None);
            }
            Doing::Gone => {
                self.connections[connection] = Doing::Gone;
                return false;
            }
            doing => return self.next(connection, doing),
        }
        true
    }

    fn next(&mut self, connection: usize, doing: Doing) -> bool {
        let open = match &doing {
            Doing::Loading(table, _) => Some(*table),
            _ => None,
        };
        let Some(work) = self.queue.next(connection, open).now_or_never() else {
            self.connections[connection] = doing;
            return false;
        };
        let next = match (work, doing) {
            (Work::Rows(batch), Doing::Loading(table, batches)) if batch.table == table => {
                Doing::Loading(table, batches + 1)
            }
            (Work::Rows(batch), doing) => {
                self.settle(&doing);
                Doing::Loading(batch.table, 1)
            }
            (Work::EndCopy, doing) => {
                self.settle(&doing);
                Doing::Nothing
            }
            (Work::Build { build, .. }, _) => {
                self.check_build(&build);
                Doing::Building(build)
            }
            (Work::Analyze(analysis), _) => {
                self.check_analysis(&analysis);
                Doing::Analyzing(analysis)
            }
            (Work::Nothing, _) => Doing::Gone,
        };
        self.connections[connection] = next;
        true
    }

    fn settle(&mut self, doing: &Doing) {
        if let Doing::Loading(table, batches) = *doing {
            self.permanent[usize::try_from(table.0).expect("a table")] += batches;
            self.queue.made_permanent(table, batches);
        }
    }

    fn has(&self, rows: DumpId) -> bool {
        let place = usize::try_from(rows.0).expect("a table");
        self.tables_ended.contains(&rows) && self.permanent[place] == self.plan.tables[place].1
    }

    fn running(&self) -> impl Iterator<Item = &Build> {
        self.connections.iter().filter_map(|doing| match doing {
            Doing::Building(build) => Some(build),
            _ => None,
        })
    }

    fn check_build(&self, build: &Build) {
        let has_all = self.rows_ended && (0..TABLES).all(|table| self.has(id(table)));
        match build.start {
            Start::OwnRows => assert!(
                build.rows.iter().all(|rows| self.has(*rows)),
                "its rows are missing"
            ),
            Start::AllRows | Start::InOrder => assert!(has_all, "rows are missing"),
        }
        assert!(
            build.builds.iter().all(|need| self.built.contains(need)),
            "what it needs is missing"
        );
        if build.start == Start::InOrder {
            let mut before = self.plan.builds[..build.place].iter();
            assert!(
                before.all(|before| self.built.contains(&before.id)),
                "one before it is left"
            );
        }
        assert!(
            !self.running().any(|other| collide(build, other)),
            "it waits for another's lock"
        );
        let mut doing = self.connections.iter();
        let waits =
            doing.any(|doing| matches!(doing, Doing::Analyzing(analysis) if is_in(build, analysis.tree)));
        assert!(!waits, "it waits for an ANALYZE");
        assert!(
            self.rows_ended || self.running().count() + 1 < self.plan.connections,
            "none is left for rows"
        );
    }

    fn check_analysis(&self, analysis: &Analysis) {
        assert!(
            analysis.rows.iter().all(|rows| self.has(*rows)),
            "its rows are missing"
        );
        let mut over = self.plan.builds[..self.added]
            .iter()
            .filter(|build| is_in(build, analysis.tree));
        assert!(
            over.all(|build| self.built.contains(&build.id)),
            "something is built over it later"
        );
    }

    fn finish(mut self) {
        for chance in self.plan.chances.clone() {
            self.step(chance);
        }
        while self.step(0) {}
        // As at the end of a restore: what was not gathered beside everything else.
        self.queue
            .analyze(Analyzes::ToTheEnd)
            .now_or_never()
            .expect("none is asked to end");
        self.connections.fill(Doing::Nothing);
        while self.step(0) {}
        assert!(
            self.connections.iter().all(|doing| matches!(doing, Doing::Gone)),
            "it is stuck: {:?}",
            self.connections
        );
        assert_eq!(self.built.len(), self.plan.builds.len());
        assert_eq!(self.analyzed.len(), analyses(&self.plan).len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn all_is_done_once_and_nothing_too_early(plan in plan()) {
        QueueRun::begin(plan).finish();
    }
}
