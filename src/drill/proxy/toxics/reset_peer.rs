//! The connection is reset.

use serde::{Deserialize, Serialize};

/// Resets the connection `timeout_ms` after something wanted to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ResetPeer {
    /// How long it lives on, in milliseconds.
    pub timeout_ms: u64,
}
