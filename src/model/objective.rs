//! Objectives of recovery, and what was measured against them.

use std::time::Duration;

use serde::Serialize;

/// The runbook's promise: service back within four hours.
pub const RTO_OBJECTIVE: Duration = Duration::from_hours(4);
/// The runbook's promise: at most a day of writes lost.
pub const RPO_OBJECTIVE: Duration = Duration::from_hours(24);

/// What a product promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objectives {
    /// At most writes of so long are lost.
    pub rpo: Duration,
    /// Service is back within this time.
    pub rto: Duration,
}

impl Default for Objectives {
    fn default() -> Self {
        Self {
            rpo: RPO_OBJECTIVE,
            rto: RTO_OBJECTIVE,
        }
    }
}

/// What was promised and what happened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// What happened, in seconds.
    pub measured_seconds: f64,
    /// What was promised, in seconds.
    pub objective_seconds: f64,
    /// Whether the promise held.
    pub met: bool,
}

impl Measured {
    /// Holds `measured` against `objective`; meeting it exactly is meeting it.
    pub fn against(measured: Duration, objective: Duration) -> Self {
        Self {
            measured_seconds: measured.as_secs_f64(),
            objective_seconds: objective.as_secs_f64(),
            met: measured <= objective,
        }
    }
}
