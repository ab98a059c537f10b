//! Everything arrives in small pieces.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

/// Cuts what passes into pieces of about `average_bytes`, with a pause of `delay_us` behind each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Slicer {
    /// The size of a piece, in bytes.
    pub average_bytes: u32,
    /// How much that varies, in bytes.
    #[serde(default)]
    pub variation_bytes: u32,
    /// The pause, in microseconds.
    #[serde(default)]
    pub delay_us: u64,
}

impl Slicer {
    /// The size of the next piece.
    pub(super) fn piece_bytes(self, rng: &mut impl Rng) -> usize {
        let variation = rng.random_range(0..=2 * u64::from(self.variation_bytes));
        let bytes =
            (u64::from(self.average_bytes) + variation).saturating_sub(u64::from(self.variation_bytes));
        usize::try_from(bytes.max(1)).unwrap_or(usize::MAX)
    }
}
