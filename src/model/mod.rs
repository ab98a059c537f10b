//! Nouns and decisions without I/O: everything here is a function of its arguments.

/// The backups in a store, told from its listing.
pub mod catalog;
/// What was found against what a manifest says, check by check.
pub mod comparison;
/// The Markdown table of past drills.
pub mod drill_log;
/// Row count and order-independent hash of a table's rows.
pub mod fingerprint;
/// Object keys and what a user may select a backup by.
pub mod key;
/// The document that makes a backup exist.
pub mod manifest;
/// Objectives of recovery, and what was measured against them.
pub mod objective;
/// Strings that must never be printed.
pub mod secret;
/// Phases, the events of a run, and how long each took.
pub mod timeline;
/// Checks and what they add up to.
pub mod verdict;

/// The tables whose counts every restore prints, in the runbook's order.
pub const CANONICAL_TABLES: [&str; 5] = [
    "tenants",
    "tenant_providers",
    "tenant_products",
    "tier_definitions",
    "subscriptions",
];
