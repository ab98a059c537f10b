//! How much of an archive's head is read at most.

/// Header and table of contents together are never larger. Real ones are some hundred kilobytes; 100,000 tables with their keys and
/// indexes take about 150 MiB.
pub(super) const HEAD_LIMIT_BYTES: usize = 256 << 20;
/// No table of contents has more entries. A million take about 350 MB of memory, besides their texts.
pub const MAX_ENTRIES: usize = 1_000_000;
