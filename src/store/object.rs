//! What a store tells of its objects and uploads.

use jiff::Timestamp;

/// What the store says of an object without sending it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether this program made it.
    pub is_ours: bool,
    /// When it was stored (UTC), where the store says.
    pub stored_at: Option<Timestamp>,
}

/// How an attempt to publish once ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The key was free and now holds the bytes.
    Now,
    /// Something was there already, and still is.
    Before,
}

/// An upload that was begun and neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// The key it was to become.
    pub key: String,
    /// The store's name for it.
    pub id: String,
    /// When it was begun (UTC).
    pub begun_at: Timestamp,
}

/// A part the store has taken.
#[derive(Clone, Debug)]
pub struct StoredPart {
    pub(super) number: i32,
    /// The store's name for its bytes, where it gives one.
    pub(super) etag: Option<String>,
    pub(super) bytes: u64,
}
