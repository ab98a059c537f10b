//! Row count and order-independent hash of a table's rows.
//!
//! # Definition
//!
//! The hash of a row is XXH3-128 (seed 0) of its COPY text without the newline that ends it. The fingerprint of a table is the
//! number of its rows and the sum of their hashes modulo 2^128, so the order of the rows does not matter. It is written as 32
//! lowercase hexadecimal digits, most significant first.
//!
//! COPY text depends on the session. It is that of `COPY table (columns) TO STDOUT`, with the columns of the archive's COPY
//! statement, under the settings the manifest records: `DateStyle` ISO, `IntervalStyle` postgres, `extra_float_digits` 3,
//! `TimeZone` UTC, an empty `search_path`, `bytea_output` and `xmlbinary` as the source had them, and the database's own
//! encoding.
//!
//! Large objects have one fingerprint together: each counts as a row whose text is its oid in decimal, a tab, and its bytes.
//!
//! XXH3 finds damage and difference; it does not resist someone who makes up rows to fit a hash.

use std::fmt;

use memchr::memchr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use twox_hash::xxhash3_128::Hasher;

/// Row count and content hash of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub rows: u64,
    /// The sum of their hashes modulo 2^128.
    #[serde(
        rename = "fingerprint",
        serialize_with = "write_hash",
        deserialize_with = "read_hash"
    )]
    pub hash: u128,
}

fn write_hash<S: Serializer>(hash: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{hash:032x}"))
}

fn read_hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    let digits = String::deserialize(deserializer)?;
    if digits.len() != 32 {
        return Err(serde::de::Error::custom("a fingerprint has 32 digits"));
    }
    u128::from_str_radix(&digits, 16).map_err(serde::de::Error::custom)
}

/// Takes a table's COPY text piece by piece and makes its fingerprint.
#[derive(Default)]
pub struct TableHasher {
    content: Fingerprint,
    /// The row that an earlier piece ended in.
    begun: Option<Hasher>,
}

impl TableHasher {
    /// The hasher of a table of which nothing was seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece, which may begin and end inside a row. Each row ends with a newline.
    pub fn update(&mut self, mut piece: &[u8]) {
        while let Some(end) = memchr(b'\n', piece) {
            let hash = match self.begun.take() {
                Some(mut begun) => {
                    begun.write(&piece[..end]);
                    begun.finish_128()
                }
                None => Hasher::oneshot(&piece[..end]),
            };
            self.content.count(hash);
            piece = &piece[end + 1..];
        }
        if !piece.is_empty() {
            self.begun.get_or_insert_default().write(piece);
        }
    }

    /// The fingerprint of all that was taken. A last row without its newline counts as a row.
    pub fn finish(mut self) -> Fingerprint {
        if let Some(begun) = self.begun.take() {
            self.content.count(begun.finish_128());
        }
        self.content
    }
}

/// Takes large objects one after another and makes their fingerprint.
#[derive(Default)]
pub struct LargeObjectHasher {
    content: Fingerprint,
    begun: Option<Hasher>,
}

impl LargeObjectHasher {
    /// The hasher of no large objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of the object with this oid follow.
    pub fn began(&mut self, oid: u32) {
        let mut hasher = Hasher::new();
        hasher.write(format!("{oid}\t").as_bytes());
        self.begun = Some(hasher);
    }

    /// Takes some bytes of it.
    pub fn data(&mut self, piece: &[u8]) {
        if let Some(begun) = &mut self.begun {
            begun.write(piece);
        }
    }

    /// All its bytes were taken.
    pub fn ended(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.content.count(begun.finish_128());
        }
    }

    /// The fingerprint of all objects that ended.
    pub fn finish(self) -> Fingerprint {
        self.content
    }
}

impl Fingerprint {
    /// The fingerprint of these rows and those.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            hash: self.hash.wrapping_add(other.hash),
        }
    }

    fn count(&mut self, hash: u128) {
        self.rows += 1;
        self.hash = self.hash.wrapping_add(hash);
    }
}

impl fmt::Debug for TableHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableHasher")
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LargeObjectHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LargeObjectHasher")
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}
