//! Everything arrives later.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::passage::Chunk;

/// Delays what passes by `latency_ms` plus or minus up to `jitter_ms`. What follows closely is delayed at the same time, so a
/// long way takes no more time than a short one for what is already under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The delay, in milliseconds.
    pub latency_ms: u64,
    /// How much it varies, in milliseconds.
    #[serde(default)]
    pub jitter_ms: u64,
}

impl Latency {
    /// When a chunk may go on.
    pub(super) fn due(self, chunk: &Chunk, rng: &mut impl Rng) -> Instant {
        let jitter = rng.random_range(0..=2 * self.jitter_ms);
        let delay_ms = (self.latency_ms + jitter).saturating_sub(self.jitter_ms);
        chunk.arrived + Duration::from_millis(delay_ms)
    }
}
