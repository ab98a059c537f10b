//! Nothing passes any more.

use serde::{Deserialize, Serialize};

/// Drops everything, and closes the connection after `timeout_ms`; with 0 it stays open, and silent, until the toxic is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    /// How long it stays open, in milliseconds.
    pub timeout_ms: u64,
}
