//! Which toxics there are, what they did, and what passed: shared by all connections of a proxy.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::direction::Direction;
use super::toxics::Toxic;

/// Names a toxic of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ToxicId(u64);

/// A toxic as a connection finds it.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub(super) id: ToxicId,
    pub(super) toxic: Toxic,
}

#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) seed: u64,
    state: Mutex<LedgerState>,
    /// Changes with every change of the toxics.
    changed: watch::Sender<u64>,
    /// Changes when open connections are to be reset; the flag says whether new ones are, too.
    resets: watch::Sender<bool>,
    upstream_bytes: AtomicU64,
    downstream_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct LedgerState {
    next: u64,
    entries: Vec<ToxicEntry>,
}

#[derive(Debug)]
struct ToxicEntry {
    active: Active,
    direction: Direction,
    connections: Option<u32>,
    /// The numbers of the connections it did something to.
    struck: HashSet<u64>,
}

impl Ledger {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            resets: watch::Sender::new(false),
            upstream_bytes: AtomicU64::new(0),
            downstream_bytes: AtomicU64::new(0),
        }
    }

    pub(super) fn add(&self, toxic: Toxic, direction: Direction, connections: Option<u32>) -> ToxicId {
        let mut state = self.lock();
        let id = ToxicId(state.next);
        state.next += 1;
        state.entries.push(ToxicEntry {
            active: Active { id, toxic },
            direction,
            connections,
            struck: HashSet::new(),
        });
        drop(state);
        self.tell();
        id
    }

    pub(super) fn has_fired(&self, id: ToxicId) -> bool {
        let state = self.lock();
        let mut entries = state.entries.iter();
        entries.any(|entry| entry.active.id == id && !entry.struck.is_empty())
    }

    pub(super) fn remove(&self, id: ToxicId) {
        self.lock().entries.retain(|entry| entry.active.id != id);
        self.tell();
    }

    pub(super) fn clear(&self) {
        self.lock().entries.clear();
        self.tell();
    }

    /// The toxics for a direction of a connection, in the order they were added.
    pub(super) fn toxics(&self, direction: Direction, connection: u64) -> Vec<Active> {
        let is_open = |entry: &&ToxicEntry| {
            let is_full = entry
                .connections
                .is_some_and(|most| entry.struck.len() >= most as usize);
            entry.direction == direction && (!is_full || entry.struck.contains(&connection))
        };
        let state = self.lock();
        let entries = state.entries.iter().filter(is_open);
        entries.map(|entry| entry.active.clone()).collect()
    }

    /// Notes that a toxic is about to do something to a connection. It may not where its number of connections is full.
    pub(super) fn claims(&self, id: ToxicId, connection: u64) -> bool {
        let mut state = self.lock();
        let entry = state.entries.iter_mut().find(|entry| entry.active.id == id);
        let Some(entry) = entry else { return false };
        let most = entry.connections.map_or(usize::MAX, |most| most as usize);
        if entry.struck.len() >= most && !entry.struck.contains(&connection) {
            return false;
        }
        entry.struck.insert(connection);
        true
    }

    /// Hears of every change of the toxics from now on.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn reset_connections(&self) {
        self.resets.send_modify(|_| {});
    }

    pub(super) fn set_down(&self, is_down: bool) {
        self.resets.send_modify(|down| *down = is_down);
    }

    pub(super) fn resets(&self) -> watch::Receiver<bool> {
        self.resets.subscribe()
    }

    pub(super) fn passed(&self, direction: Direction, bytes: usize) {
        self.count(direction).fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self, direction: Direction) -> u64 {
        self.count(direction).load(Ordering::Relaxed)
    }

    fn count(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Upstream => &self.upstream_bytes,
            Direction::Downstream => &self.downstream_bytes,
        }
    }

    fn tell(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, LedgerState> {
        self.state.lock()
    }
}
