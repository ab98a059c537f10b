//! A PayCraft-like database, made from a seed and a size.

pub mod copy_text;
mod draw;
mod json;
mod large_objects;
mod literal;
mod load;
mod moment;
mod pools;
mod scale;
mod tables;
mod world;

pub use large_objects::LargeObject;
pub use load::LoadStatistics;
pub use moment::Moment;
pub use tables::TableLoad;

use std::sync::Arc;
use world::World;

/// A synthetic data set. The same seed and size are the same bytes, on every machine and in any order of generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    seed: u64,
    size_bytes: u64,
}

impl Workload {
    /// Names a data set: `seed` picks its content, `size_bytes` is how much `COPY` text all tables have together (within
    /// 10 % from 1 MiB on; below that, no less than a few rows in each table).
    pub const fn new(seed: u64, size_bytes: u64) -> Self {
        Self { seed, size_bytes }
    }

    /// Every table that has rows, parents first.
    pub fn tables(&self) -> Vec<TableLoad> {
        tables::all(&Arc::new(self.world()))
    }

    /// The large objects that `invoice_documents` refers to, in the order of their ids.
    pub fn large_objects(&self) -> impl Iterator<Item = LargeObject> + use<> {
        large_objects::all(self.world())
    }

    fn world(self) -> World {
        World::new(self.seed, self.size_bytes)
    }
}
