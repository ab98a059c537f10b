//! Breaks things when their time has come, by the events of the run itself, and repairs them when the breaking time ends.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Handle;

use super::inject::{ActiveFault, inject};
use super::servers::TrialServers;
use crate::drill::rehearsal::FaultReport;
use crate::drill::scenario::{Fault, FaultKind, Scenario};
use crate::error::{Error, Result};
use crate::model::timeline::{Event, Observer, Phase};

/// Follows a run and breaks it.
pub(super) struct Injector<'a> {
    servers: &'a TrialServers<'a>,
    armed: Vec<Armed>,
    progress: Mutex<RunProgress>,
    is_over: AtomicBool,
    trouble: Mutex<Option<Error>>,
    warnings: Mutex<Vec<String>>,
    next: &'a dyn Observer,
}

/// A fault and what became of it.
struct Armed {
    fault: Fault,
    state: Mutex<FaultState>,
}

enum FaultState {
    Waiting,
    /// It struck, or is striking; the lasting part, if there is one.
    Active(Option<Box<ActiveFault>>),
    Healed {
        fired: bool,
    },
}

#[derive(Default)]
struct RunProgress {
    phase: Option<Phase>,
    bytes: u64,
}

impl<'a> Injector<'a> {
    pub(super) fn new(scenario: &Scenario, servers: &'a TrialServers<'a>, next: &'a dyn Observer) -> Self {
        let armed = scenario.faults.iter().map(|fault| Armed {
            fault: fault.clone(),
            state: Mutex::new(FaultState::Waiting),
        });
        Self {
            servers,
            armed: armed.collect(),
            progress: Mutex::default(),
            is_over: AtomicBool::new(false),
            trouble: Mutex::default(),
            warnings: Mutex::default(),
            next,
        }
    }

    /// What a fault asks of the trial, while the breaking time lasts. Asking is its firing.
    pub(super) fn asks<T>(
        &self,
        phase: impl Fn(Phase) -> bool,
        read: impl Fn(&FaultKind) -> Option<T>,
    ) -> Option<T> {
        if self.is_over() {
            return None;
        }
        self.armed.iter().find_map(|armed| {
            let asked = read(&armed.fault.what).filter(|_| phase(armed.fault.at.phase))?;
            *lock(&armed.state) = FaultState::Healed { fired: true };
            Some(asked)
        })
    }

    /// Who follows the run past the faults.
    pub(super) fn next(&self) -> &dyn Observer {
        self.next
    }

    /// Tells that what `phase` makes is there: what breaks in it breaks now. So with a source that is filled, and a target that is
    /// empty.
    pub(super) fn made(&self, phase: Phase) {
        self.advance(|progress| {
            progress.phase = Some(phase);
            progress.bytes = 0;
        });
        self.strike_due();
    }

    /// Tells that a verb begins as a process of its own, whose events are not heard.
    pub(super) fn begins(&self, phase: Phase) {
        self.observe(Event::Began(phase));
    }

    /// Whether the breaking time has ended.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Ends the breaking time: what lasts is mended.
    pub(super) async fn heal(&self) -> Result<()> {
        self.is_over.store(true, Ordering::Release);
        for armed in &self.armed {
            let state = std::mem::replace(&mut *lock(&armed.state), FaultState::Waiting);
            let healed = match state {
                FaultState::Active(Some(lasting)) => FaultState::Healed {
                    fired: lasting.heal(self.servers).await?,
                },
                FaultState::Active(None) => FaultState::Healed { fired: true },
                other => other,
            };
            *lock(&armed.state) = healed;
        }
        Ok(())
    }

    /// Why a fault could not strike, where one could not.
    pub(super) fn trouble(&self) -> Option<Error> {
        lock(&self.trouble).take()
    }

    /// Every fault and what became of it.
    pub(super) fn reports(&self) -> Vec<FaultReport> {
        let report = |armed: &Armed| {
            let (fired, healed) = match *lock(&armed.state) {
                FaultState::Waiting => (false, false),
                FaultState::Active(_) => (true, false),
                FaultState::Healed { fired } => (fired, true),
            };
            FaultReport {
                fault: armed.fault.what.name(),
                phase: armed.fault.at.phase,
                fired,
                healed,
            }
        };
        self.armed.iter().map(report).collect()
    }

    /// Everything that people were warned of.
    pub(super) fn warnings(&self) -> Vec<String> {
        lock(&self.warnings).clone()
    }

    fn advance(&self, change: impl FnOnce(&mut RunProgress)) {
        change(&mut lock(&self.progress));
    }

    /// Lets everything strike whose time has come and that has not struck yet.
    fn strike_due(&self) {
        if self.is_over() {
            return;
        }
        let (phase, bytes) = {
            let progress = lock(&self.progress);
            (progress.phase, progress.bytes)
        };
        for armed in &self.armed {
            let at = armed.fault.at;
            if Some(at.phase) != phase || bytes < at.after_bytes || armed.fault.what.is_asked_for() {
                continue;
            }
            {
                let mut state = lock(&armed.state);
                if !matches!(*state, FaultState::Waiting) {
                    continue;
                }
                *state = FaultState::Active(None);
            }
            // The run waits for the blow: what breaks next must find it done.
            let struck = tokio::task::block_in_place(|| {
                Handle::current().block_on(inject(&armed.fault.what, self.servers))
            });
            match struck {
                Ok(lasting) => *lock(&armed.state) = FaultState::Active(lasting.map(Box::new)),
                Err(cause) => {
                    *lock(&armed.state) = FaultState::Waiting;
                    lock(&self.trouble).get_or_insert(cause);
                }
            }
        }
    }
}

impl Observer for Injector<'_> {
    fn observe(&self, event: Event) {
        let is_due = match event {
            Event::Began(phase) => {
                self.advance(|progress| {
                    progress.phase = Some(phase);
                    progress.bytes = 0;
                });
                // A target that is being provisioned is not there yet.
                phase != Phase::Provision
            }
            Event::Bytes(bytes) => {
                self.advance(|progress| progress.bytes += bytes);
                true
            }
            Event::Warned(ref warning) => {
                lock(&self.warnings).push(warning.clone());
                false
            }
            // What a drill leaves behind, it takes away itself.
            Event::Advised(_) => return,
            _ => false,
        };
        self.next.observe(event);
        if is_due {
            self.strike_due();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
