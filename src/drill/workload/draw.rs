//! Fast random choices, the same on every machine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of choices. The range reduction is ours, so that no release of a crate changes what a seed means.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    /// The source of `seed`'s independent stream number `stream`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// The generator itself, for the crate `fake`.
    pub(super) fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.0
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// The same as signed, for differences of time.
    pub(super) fn below_signed(&mut self, bound: i64) -> i64 {
        i64::try_from(self.below(bound.unsigned_abs())).unwrap_or(0)
    }

    /// A number below `bound`, small ones much likelier: a few tenants have most of the traffic.
    pub(super) fn skewed(&mut self, bound: u64) -> u64 {
        let ceiling = self.below(bound) + 1;
        self.below(ceiling.min(bound))
    }

    /// True once in `times` on average.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these texts, of which there must be one.
    pub(super) fn pick<'a, T: AsRef<str>>(&mut self, texts: &'a [T]) -> &'a str {
        texts[index(self.below(texts.len() as u64))].as_ref()
    }

    /// One of these texts, the first ones much likelier.
    pub(super) fn pick_skewed<'a, T: AsRef<str>>(&mut self, texts: &'a [T]) -> &'a str {
        texts[index(self.skewed(texts.len() as u64))].as_ref()
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A random UUID (version 4).
    pub(super) fn uuid(&mut self) -> u128 {
        as_version_4(u128::from_be_bytes(self.bytes()))
    }
}

/// An index into a list that is in memory.
#[expect(
    clippy::cast_possible_truncation,
    reason = "below the length of a list in memory"
)]
pub(super) fn index(number: u64) -> usize {
    number as usize
}

/// The same 122 random bits, marked as a version 4 UUID.
pub(super) fn as_version_4(bits: u128) -> u128 {
    bits & !(0xf << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62)
}
