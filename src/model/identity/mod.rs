//! Facts that tell one database from all others, and decisions made from them.
//!
//! A name says where a connection leads today. These facts belong to the database itself, so they stay the same behind an
//! alias, a tunnel or a new name. All of them but the system identifier may be read by every role of an ordinary server.

mod assessment;
mod likeness;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::assessment::{Assessment, Challenge, SourceAnswer, TargetEvidence, assess};
pub use self::likeness::{Likeness, likeness};

/// What a database says of itself, besides its name and its server's system identifier. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// OID of the database. It stays when the database is renamed, and no two databases of one server share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_oid: Option<u32>,
    /// When the server process was started, to the microsecond. Equal instants mean the same running server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_started_at: Option<Timestamp>,
    /// Since when the server's background writer is counted, to the microsecond. It outlives an orderly restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistics_since: Option<Timestamp>,
    /// The server's next transaction id, 64 bits wide. It only grows, unless the server is set back to an earlier moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transaction: Option<u64>,
    /// Position in the write-ahead log, in bytes. It only grows, unless the server is set back to an earlier moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wal_position: Option<u64>,
    /// The random marker that `backup --leave-marker` left in the database's settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// The user tables with the lowest OIDs, those of a platform left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub oldest_tables: Vec<TableOid>,
}

/// A table and its OID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOid {
    pub schema: String,
    pub name: String,
    pub oid: u32,
}

/// All that is known of one database at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseFacts {
    pub database: String,
    /// The cluster's system identifier, where the role may read it.
    pub system_identifier: Option<String>,
    /// The server's major version.
    pub major: u32,
    /// Whether the server is a standby, whose counters are behind its primary's.
    pub is_standby: bool,
    /// What it says besides.
    pub identity: Identity,
}
