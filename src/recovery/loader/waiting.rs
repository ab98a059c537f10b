//! Work that waits for rows and for other work.
//!
//! An archive may hold 60,000 tables and as many keys. So each arrival finds what waits for it, and nothing looks through all
//! that waits.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::archive::DumpId;

/// What work waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Need {
    /// The rows of this entry are permanent.
    Rows(DumpId),
    /// The rows of all entries are permanent.
    AllRows,
    /// This entry is built, or was tried.
    Built(DumpId),
}

/// Work by its number, until it is taken.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    work: HashMap<usize, WaitingItem<T>>,
    next_number: usize,
    /// Which work waits for each need.
    by_need: HashMap<Need, Vec<usize>>,
    /// What lacks nothing: by its rank, and then by its number.
    free: BTreeSet<(u64, Reverse<usize>)>,
}

#[derive(Debug)]
struct WaitingItem<T> {
    what: T,
    /// Of its needs, so many are not there.
    missing: usize,
    /// Once it is free.
    rank: u64,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            work: HashMap::new(),
            next_number: 0,
            by_need: HashMap::new(),
            free: BTreeSet::new(),
        }
    }
}

impl<T> Waiting<T> {
    /// Hands in work. `there` is what has arrived already; `rank` says how early work comes that lacks nothing. Returns its number.
    pub(super) fn add(
        &mut self,
        what: T,
        needs: impl IntoIterator<Item = Need>,
        there: &HashSet<Need>,
        rank: impl Fn(&T) -> u64,
    ) -> usize {
        let number = self.next_number;
        self.next_number += 1;
        let mut missing = 0;
        for need in needs.into_iter().filter(|need| !there.contains(need)) {
            self.by_need.entry(need).or_default().push(number);
            missing += 1;
        }
        let rank = if missing == 0 { rank(&what) } else { 0 };
        if missing == 0 {
            self.free.insert((rank, Reverse(number)));
        }
        self.work.insert(number, WaitingItem { what, missing, rank });
        number
    }

    /// A need is there, for the first time.
    pub(super) fn arrived(&mut self, need: Need, rank: impl Fn(&T) -> u64) {
        for number in self.by_need.remove(&need).unwrap_or_default() {
            let Some(work) = self.work.get_mut(&number) else {
                continue;
            };
            work.missing -= 1;
            if work.missing == 0 {
                work.rank = rank(&work.what);
                self.free.insert((work.rank, Reverse(number)));
            }
        }
    }

    /// What lacks nothing, the highest rank first, and of equals what was handed in first.
    pub(super) fn free(&self) -> impl Iterator<Item = (usize, &T)> {
        let numbers = self.free.iter().rev().map(|(_, Reverse(number))| *number);
        numbers.filter_map(|number| self.work.get(&number).map(|work| (number, &work.what)))
    }

    /// This work, where it lacks nothing.
    pub(super) fn if_free(&self, number: usize) -> Option<&T> {
        let work = self.work.get(&number)?;
        (work.missing == 0).then_some(&work.what)
    }

    pub(super) fn take(&mut self, number: usize) -> Option<T> {
        let work = self.work.remove(&number)?;
        self.free.remove(&(work.rank, Reverse(number)));
        Some(work.what)
    }

    pub(super) fn len(&self) -> usize {
        self.work.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.work.is_empty()
    }
}
