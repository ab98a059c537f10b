//! Where the data of each entry is in an archive.

use std::ops::Range;

use super::contents::DumpId;

/// The data of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataBlock {
    /// The entry.
    pub id: DumpId,
    /// Its place in the archive, in bytes: from the byte that tells its type to the end of its data.
    pub range: Range<u64>,
}

/// The data blocks as far as an archive was read.
#[derive(Debug, Default)]
pub(super) struct DataBlocks {
    open: Option<(DumpId, u64)>,
    ended: Vec<DataBlock>,
}

impl DataBlocks {
    /// Takes note that the archive was read up to `position`, within the block `current` or between two. A block is seen for the
    /// first time right behind its head of `head_bytes`.
    pub(super) fn reached(&mut self, position: u64, current: Option<DumpId>, head_bytes: u64) {
        match (current, self.open.take()) {
            (Some(id), None) => self.open = Some((id, position.saturating_sub(head_bytes))),
            (None, Some((id, start))) => self.ended.push(DataBlock {
                id,
                range: start..position,
            }),
            (_, open) => self.open = open,
        }
    }

    /// Those that were read to their end, in the archive's order.
    pub(super) fn ended(&self) -> &[DataBlock] {
        &self.ended
    }
}
