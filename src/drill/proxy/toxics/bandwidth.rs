//! Only so much passes in a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Lets `rate_kb` kilobytes pass per second, on each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// Kilobytes of 1000 bytes per second.
    pub rate_kb: u64,
}

impl Bandwidth {
    /// What passes at once: a tenth of a second's worth, so that a slow line is slow all the time.
    pub(super) fn piece_bytes(self) -> usize {
        usize::try_from((self.rate_kb * 100).max(1)).unwrap_or(usize::MAX)
    }

    /// How long so many bytes take.
    pub(super) fn time_of(self, bytes: usize) -> Duration {
        let bytes_per_second = (self.rate_kb * 1000).max(1);
        Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / bytes_per_second)
    }
}
