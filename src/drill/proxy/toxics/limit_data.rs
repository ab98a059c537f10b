//! The connection is closed once so much has passed.

use serde::{Deserialize, Serialize};

/// Closes the connection after `limit_bytes` since it first met this toxic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LimitData {
    /// What still passes, in bytes.
    pub limit_bytes: u64,
}
