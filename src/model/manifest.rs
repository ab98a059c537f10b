//! The document that makes a backup exist.
//!
//! Version 1 is one JSON object. Unknown fields are tolerated, another major version is refused. Its last field,
//! `manifest_sha256`, is the SHA-256 of the document's own bytes with that field's 64 digits replaced by `0`, so a change
//! of any byte shows. It protects against damage, not against someone who can write to the bucket. Version 2 is the head of a
//! larger manifest, see [`manifest_head`](crate::model::manifest_head).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::model::access::Access;
pub use crate::model::blocks::Block;
use crate::model::blocks::Blocks;
use crate::model::data_ranges::DataRanges;
use crate::model::derived::Derived;
use crate::model::fingerprint::Fingerprint;
use crate::model::globals::Globals;
use crate::model::identity::{DatabaseFacts, Identity};
use crate::model::left_out::LeftOut;
pub use crate::model::seal::corrupt;
use crate::model::seal::seal;
use crate::model::sha256_sum::Sha256Sum;
use crate::model::suspicion::Suspicion;
use crate::model::trouble::Troubles;
use crate::model::wording::without_drawn_options;

/// The version of a manifest that is one document.
pub const VERSION: u32 = 1;

/// No block is larger, so that reading one never takes more memory than this.
const MAX_BLOCK_BYTES: u64 = 16 << 20;

/// Everything known about one backup at the time it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Major version of the document.
    pub manifest_version: u32,
    /// The object this manifest belongs to.
    pub key: String,
    /// When the backup began (UTC): writes after this instant may be missing from it.
    pub started_at: Timestamp,
    /// When the last byte of the object was stored (UTC).
    pub finished_at: Timestamp,
    /// Version of the program that wrote this.
    pub tool_version: String,
    /// What `pg_dump --version` said of itself, as the archive's header repeats it.
    pub pg_dump_version: String,
    /// Where the data came from.
    pub source: Source,
    /// Session settings that shape COPY text, and the values they had in the dump.
    pub copy_settings: BTreeMap<String, String>,
    /// Size of the archive, uncompressed, in bytes.
    pub raw_bytes: u64,
    /// Size of the archive's header and table of contents, in bytes.
    pub head_bytes: u64,
    /// Size of the object, in bytes.
    pub stored_bytes: u64,
    /// SHA-256 of the object, as lowercase hex.
    pub sha256: String,
    /// How the object's gzip members and its blocks lie to each other.
    #[serde(default)]
    pub framing: Framing,
    /// The object cut into blocks, in order and without gaps.
    pub blocks: Blocks,
    /// Every table with rows in the archive, also those with none.
    pub tables: Vec<Table>,
    /// The large objects: `rows` counts them.
    pub large_objects: Fingerprint,
    /// Where rows and large objects are in the archive; left out where it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_ranges: Option<DataRanges>,
    /// Every entry of the archive that defines something, in the archive's order.
    pub entries: Vec<EntryDigest>,
    /// Where each sequence stood.
    pub sequences: Vec<Sequence>,
    /// Materialized views that held data, as `schema.name`.
    pub populated_views: Vec<String>,
    /// Extensions the archive creates.
    pub extensions: Vec<String>,
    /// Roles that policies in the archive name.
    pub roles: Vec<String>,
    /// Who might do what in the source; left out where it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// What the source computed from its rows: generated columns and materialized views; left out where it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<Vec<Derived>>,
    /// What would keep the source from being made again as it was; left out where it was not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub troubles: Option<Troubles>,
    /// The roles and settings that belong to it; left out where they were not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub globals: Option<Globals>,
    /// How it compares with the backup before it, where that was looked at when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspicion: Option<Suspicion>,
    /// What the source held and the archive does not. Empty also where it was not recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// Where a backup's data came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Name of the database.
    pub database: String,
    /// Supabase's project reference, where the connection names one.
    pub project_ref: Option<String>,
    /// The cluster's system identifier, where the role may read it.
    pub system_identifier: Option<String>,
    /// The server's version, as `SHOW server_version` words it.
    pub server_version: String,
    /// What else tells that database from others. Empty in a manifest that is older than this field, or that was written later than
    /// its object.
    #[serde(default)]
    pub identity: Identity,
}

impl Source {
    /// What is known of that database, as of the time of the backup.
    pub fn facts(&self) -> DatabaseFacts {
        let digits = self.server_version.split(|mark: char| !mark.is_ascii_digit());
        DatabaseFacts {
            database: self.database.clone(),
            system_identifier: self.system_identifier.clone(),
            major: digits
                .into_iter()
                .next()
                .and_then(|major| major.parse().ok())
                .unwrap_or(0),
            is_standby: false,
            identity: self.identity.clone(),
        }
    }
}

/// How an object's gzip members and its blocks lie to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Framing {
    /// Each block is one gzip member and inflates by itself.
    #[default]
    Members,
    /// Blocks are cuts through one gzip stream, which inflates only from its beginning: an object of the shell workflow.
    Stream,
}

/// What one table held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub schema: String,
    pub name: String,
    /// The columns its rows were copied with, quoted where needed, as in `(id, "Full Name")`.
    pub columns: String,
    /// Row count and content hash, as the fields `rows` and `fingerprint`.
    #[serde(flatten)]
    pub content: Fingerprint,
}

/// One definition in the archive, as a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryDigest {
    /// What it defines, in pg_dump's words: `TABLE`, `FK CONSTRAINT`, …
    pub kind: String,
    /// The schema it belongs to, empty where it belongs to none.
    pub schema: String,
    pub name: String,
    /// SHA-256 of the definition's text.
    pub digest: Sha256Sum,
}

/// Where a sequence stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    pub schema: String,
    pub name: String,
    /// The last value handed out, or the first to come when `is_called` is false.
    pub last_value: i64,
    /// Whether `last_value` was handed out already.
    pub is_called: bool,
}

impl Manifest {
    /// The document as it is stored in one piece, sealed by its own digest.
    pub fn encode(&self) -> Result<Vec<u8>> {
        seal(self)
    }

    /// The encoding of the archive's text, as `SET client_encoding` takes it.
    pub fn encoding(&self) -> &str {
        let recorded = self.copy_settings.get("client_encoding");
        recorded.map_or("UTF8", String::as_str)
    }

    /// Rows in all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.content.rows).sum()
    }

    /// Every role that must be there before the backup is restored: those that policies, owners, grants, memberships and settings name.
    pub fn needed_roles(&self) -> Vec<String> {
        let named = self.access.as_ref().map(Access::named_roles);
        let recorded = self.globals.iter().flat_map(|globals| &globals.roles.roles);
        let recorded = recorded.map(|role| role.name.clone());
        let roles = self.roles.iter().cloned().chain(named.into_iter().flatten());
        roles
            .chain(recorded)
            .collect::<BTreeSet<String>>()
            .into_iter()
            .collect()
    }

    /// The manifest's table of that name in schema `public`.
    pub fn public_table(&self, name: &str) -> Option<&Table> {
        self.tables
            .iter()
            .find(|table| table.schema == "public" && table.name == name)
    }

    /// What is wrong with the blocks, if anything is.
    pub fn check_blocks(&self) -> Result<(), String> {
        let mut offset = 0_u64;
        let mut raw = 0_u64;
        for (number, block) in self.blocks.iter().enumerate() {
            if block.offset != offset || block.stored_bytes == 0 {
                return Err(format!("has a gap in its index at block {number}"));
            }
            let inflates_at_once = match self.framing {
                Framing::Members => block.raw_bytes,
                Framing::Stream => 0,
            };
            if inflates_at_once.max(block.stored_bytes) > MAX_BLOCK_BYTES {
                return Err(format!("has an impossibly large block {number}"));
            }
            offset = offset.saturating_add(block.stored_bytes);
            raw = raw.saturating_add(block.raw_bytes);
        }
        if (offset, raw) != (self.stored_bytes, self.raw_bytes) {
            return Err("has an index that does not add up to the object's size".into());
        }
        Ok(())
    }
}

impl EntryDigest {
    /// The digest of one definition, alike for all minor releases that print it.
    pub fn of(kind: &str, schema: &str, name: &str, definition: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            schema: schema.to_owned(),
            name: name.to_owned(),
            digest: Sha256Sum::of(without_drawn_options(definition).as_bytes()),
        }
    }
}
