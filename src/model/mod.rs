//! Nouns and decisions without I/O: everything here is a function of its arguments.

/// Differences that an operator knows and accepts.
pub mod acceptance;
/// Who may do what in a database, and how two of them compare.
pub mod access;
/// The blocks of an object.
pub mod blocks;
/// The backups in a store, told from its listing.
pub mod catalog;
/// What was found against what a manifest says, check by check.
pub mod comparison;
/// An operator's word that a backup under suspicion is right.
pub mod confirmation;
/// The way back into service: its steps as data, and what remains of them.
pub mod cutover;
/// How much of a restored database is compared.
pub mod depth;
/// What a database computes from its rows and keeps.
pub mod derived;
/// The Markdown table of past drills.
pub mod drill_log;
/// A status as Prometheus reads it.
pub mod exposition;
/// What an examination found, and what to do about it.
pub mod finding;
/// Row count and order-independent hash of a table's rows.
pub mod fingerprint;
/// Roles, memberships and settings that belong to a backup.
pub mod globals;
/// Bytes as digests are written.
pub mod hex;
/// The backups of a store in the order they were made, each judged by the ones before it.
pub mod history;
/// Facts that tell one database from all others, and decisions made from them.
pub mod identity;
/// Object keys and what a user may select a backup by.
pub mod key;
/// What a source holds and its backup does not.
pub mod left_out;
/// The document that makes a backup exist.
pub mod manifest;
/// The manifest of a large backup: a short document, and an index beside it.
pub mod manifest_head;
/// What a restore could not make, and the SQL that makes it.
pub mod missing;
/// What a run tells those who were not there.
pub mod notice;
/// Objectives of recovery, and what was measured against them.
pub mod objective;
/// The key prefix that keeps one source's backups apart.
pub mod prefix;
/// What kind of place a target is.
pub mod profile;
/// Taking secrets out of what others say.
pub mod redaction;
/// Which of the things in a store stay and which go.
pub mod retention;
/// When backups and drills are due.
pub mod schedule;
/// Strings that must never be printed.
pub mod secret;
/// Which backup of which source a command takes.
pub mod selection;
/// SHA-256 digests as 32 bytes.
pub mod sha256_sum;
/// What a backup held, in the numbers that one day is compared with the day before.
pub mod shape;
/// Which database a backup is of, and whether two descriptions are of the same one.
pub mod source;
/// The tables and definitions of a source at one moment.
pub mod source_state;
/// Whether the promises hold today.
pub mod standing;
/// Whether a backup holds so much less than the one before it that a person should look.
pub mod suspicion;
/// Phases, the events of a run, and how long each took.
pub mod timeline;
/// What would keep a source from being made again as it is.
pub mod trouble;
/// Sizes and durations as people read them.
pub mod units;
/// Checks and what they add up to.
pub mod verdict;
/// How a definition is worded, whatever printed it.
mod wording;

/// The tables whose counts every restore prints, in the runbook's order.
pub const CANONICAL_TABLES: [&str; 5] = [
    "tenants",
    "tenant_providers",
    "tenant_products",
    "tier_definitions",
    "subscriptions",
];

/// Tables of the schema `public` whose row counts never change: the tiers free, pro and enterprise.
pub const ALWAYS_COUNTED: [(&str, u64); 1] = [("tier_definitions", 3)];

/// Supabase's reference of the project that is PayCraft's production, whatever else a configuration says.
pub const PRODUCTION_PROJECT: &str = "mlwfgytjxlqyfxcgpysm";
