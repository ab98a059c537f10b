//! The failures to come.

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};

use super::failure::RequestFailure;
use super::operation::Operation;

/// Which requests fail, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    /// Those for this operation; without one, all.
    pub operation: Option<Operation>,
    /// Those for a key that ends so; without one, all.
    pub key_suffix: Option<String>,
    /// After so many that were spared.
    pub skip: u32,
    /// So many; without a number, all until the rule is removed.
    pub times: Option<u32>,
    pub failure: RequestFailure,
}

/// Names a rule of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(u64);

#[derive(Debug)]
struct PlannedFault {
    id: RuleId,
    rule: FaultRule,
    fired: u32,
}

/// The failures to come, in the order they were asked for, and those that came.
#[derive(Debug, Default)]
pub struct FaultPlan {
    state: Mutex<PlanState>,
    struck: Notify,
    healed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct PlanState {
    next: u64,
    planned: Vec<PlannedFault>,
}

impl FaultPlan {
    /// Adds a rule behind those that are there.
    pub fn add(&self, rule: FaultRule) -> RuleId {
        let mut state = self.lock();
        let id = RuleId(state.next);
        state.next += 1;
        state.planned.push(PlannedFault { id, rule, fired: 0 });
        id
    }

    /// How many requests the rule has failed; 0 once it was removed.
    pub fn fired(&self, id: RuleId) -> u32 {
        let state = self.lock();
        let planned = state.planned.iter().find(|planned| planned.id == id);
        planned.map_or(0, |planned| planned.fired)
    }

    /// Waits until the rule has failed a request.
    pub async fn strikes(&self, id: RuleId) {
        loop {
            let struck = self.struck.notified();
            tokio::pin!(struck);
            // A strike between the look and the wait must not be missed.
            struck.as_mut().enable();
            if self.fired(id) > 0 {
                return;
            }
            struck.await;
        }
    }

    /// How many of the failures asked for have not happened yet. Rules without a number count for none.
    pub fn left(&self) -> u32 {
        let state = self.lock();
        let left = |planned: &PlannedFault| planned.rule.times.unwrap_or(0).saturating_sub(planned.fired);
        state.planned.iter().map(left).sum()
    }

    /// Forgets every rule and lets go of requests that were kept waiting.
    pub fn heal(&self) {
        self.lock().planned.clear();
        self.healed.send_replace(());
    }

    /// Lets no rule fail a further request, and lets go of those that were kept waiting. What they did stays known.
    pub fn end(&self) {
        for planned in &mut self.lock().planned {
            planned.rule.times = Some(planned.fired);
        }
        self.healed.send_replace(());
    }

    /// The failure of a request for `operation` on `key` that has come now, where one was asked for.
    pub(super) fn strike(&self, operation: Operation, key: &str) -> Option<RequestFailure> {
        let mut state = self.lock();
        let meant = state.planned.iter_mut().filter(|planned| {
            let rule = &planned.rule;
            rule.operation.is_none_or(|meant| meant == operation)
                && rule
                    .key_suffix
                    .as_deref()
                    .is_none_or(|suffix| key.ends_with(suffix))
                && rule.times.is_none_or(|times| planned.fired < times)
        });
        let mut failure = None;
        for planned in meant {
            if planned.rule.skip > 0 {
                planned.rule.skip -= 1;
            } else if failure.is_none() {
                planned.fired += 1;
                failure = Some(planned.rule.failure.clone());
            }
        }
        drop(state);
        if failure.is_some() {
            self.struck.notify_waiters();
        }
        failure
    }

    /// Changes when what is kept waiting is let go.
    pub(super) fn healed(&self) -> watch::Receiver<()> {
        self.healed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, PlanState> {
        self.state.lock()
    }
}
