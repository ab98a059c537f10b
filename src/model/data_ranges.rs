//! Where the data of an archive is, so that the rows of one table can be had without the rest.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::blocks::Block;

/// A run of bytes of the uncompressed archive. Written as `[offset, bytes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct DataRange {
    /// Where it begins.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
}

impl From<(u64, u64)> for DataRange {
    fn from((offset, bytes): (u64, u64)) -> Self {
        Self { offset, bytes }
    }
}

impl From<DataRange> for (u64, u64) {
    fn from(range: DataRange) -> Self {
        (range.offset, range.bytes)
    }
}

impl DataRange {
    /// The byte behind its last one.
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.bytes)
    }
}

/// Where the data of an archive is. Each range holds whole data blocks as pg_dump writes them, from the byte that tells the type of
/// the block to the end of its data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRanges {
    /// One for each of the manifest's `tables`, in the same order.
    pub tables: Vec<DataRange>,
    /// Those of the large objects. Neighbours are one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub large_objects: Vec<DataRange>,
}

impl DataRanges {
    /// Adds the next data block of large objects.
    pub fn add_large_objects(&mut self, range: DataRange) {
        match self
            .large_objects
            .last_mut()
            .filter(|last| last.end() == range.offset)
        {
            Some(last) => last.bytes += range.bytes,
            None => self.large_objects.push(range),
        }
    }
}

/// The blocks that hold the bytes of `ranges`, which are in order, as runs of neighbours: each run with the place in the archive at which
/// its first block begins.
pub fn runs(blocks: &[Block], ranges: &[DataRange]) -> Vec<(Range<usize>, u64)> {
    let mut runs: Vec<(Range<usize>, u64)> = Vec::new();
    let (mut start, mut next) = (0_u64, ranges.iter().peekable());
    for (place, block) in blocks.iter().enumerate() {
        let end = start.saturating_add(block.raw_bytes);
        while next.next_if(|range| range.end() <= start).is_some() {}
        match next.peek() {
            None => break,
            Some(range) if range.offset < end => match runs.last_mut() {
                Some((run, _)) if run.end == place => run.end = place + 1,
                _ => runs.push((place..place + 1, start)),
            },
            Some(_) => {}
        }
        start = end;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::{DataRange, DataRanges, runs};
    use crate::model::blocks::Block;
    use crate::model::sha256_sum::Sha256Sum;

    #[test]
    fn only_the_blocks_that_hold_a_range_are_needed() {
        let block = |raw_bytes| Block {
            offset: 0,
            stored_bytes: 1,
            raw_bytes,
            sha256: Sha256Sum::of(b""),
        };
        let blocks = [10, 10, 10, 10, 5].map(block);
        let range = |(offset, bytes): (u64, u64)| DataRange { offset, bytes };
        let needed = |ranges: &[(u64, u64)]| {
            let ranges: Vec<DataRange> = ranges.iter().copied().map(range).collect();
            runs(&blocks, &ranges)
        };
        assert_eq!(needed(&[]), []);
        assert_eq!(needed(&[(10, 10)]), [(1..2, 10)]);
        assert_eq!(needed(&[(9, 2)]), [(0..2, 0)]);
        assert_eq!(needed(&[(3, 2), (5, 1), (44, 1)]), [(0..1, 0), (4..5, 40)]);
        assert_eq!(needed(&[(3, 8), (22, 1)]), [(0..3, 0)]);
        assert_eq!(needed(&[(45, 7)]), []);
    }

    #[test]
    fn large_objects_next_to_each_other_are_one_range() {
        let mut ranges = DataRanges::default();
        for range in [(5, 10), (15, 1), (20, 2)] {
            ranges.add_large_objects(range.into());
        }
        assert_eq!(ranges.large_objects, [(5, 11).into(), (20, 2).into()]);
        let written = serde_json::to_string(&ranges).expect("JSON");
        assert_eq!(written, r#"{"tables":[],"large_objects":[[5,11],[20,2]]}"#);
        assert_eq!(
            serde_json::from_str::<DataRanges>(&written).expect("ranges"),
            ranges
        );
    }
}
