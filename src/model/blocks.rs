//! The blocks of an object. A backup of 10 TiB has ten million of them: they are small, and clones share them.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::sha256_sum::Sha256Sum;

/// A run of the object's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Where it begins in the object, in bytes.
    pub offset: u64,
    /// Its length in the object, in bytes.
    pub stored_bytes: u64,
    /// What it inflates to, in bytes; in a stream, how much more is inflated when it was read.
    pub raw_bytes: u64,
    /// SHA-256 of its stored bytes.
    pub sha256: Sha256Sum,
}

/// Blocks in order. A clone copies none of them until one of the two is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks(Arc<Vec<Block>>);

impl From<Vec<Block>> for Blocks {
    fn from(blocks: Vec<Block>) -> Self {
        Self(Arc::new(blocks))
    }
}

impl Deref for Blocks {
    type Target = Vec<Block>;

    fn deref(&self) -> &Vec<Block> {
        &self.0
    }
}

impl DerefMut for Blocks {
    fn deref_mut(&mut self) -> &mut Vec<Block> {
        Arc::make_mut(&mut self.0)
    }
}

impl Serialize for Blocks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Blocks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}
