//! The end of a connection arrives later.

use serde::{Deserialize, Serialize};

/// Delays the end of a direction by `delay_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SlowClose {
    /// The delay, in milliseconds.
    pub delay_ms: u64,
}
