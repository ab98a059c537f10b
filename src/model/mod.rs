//! Nouns and decisions without I/O: everything here is a function of its arguments.

pub mod acceptance;
pub mod access;
pub mod blocks;
pub mod catalog;
#[expect(missing_docs, reason = "the value of a name says what it is")]
pub mod check_names;
pub mod comparison;
pub mod confirmation;
pub mod cutover;
pub mod depth;
pub mod derived;
pub mod drill_log;
pub mod exposition;
pub mod finding;
pub mod fingerprint;
pub mod globals;
pub mod hex;
pub mod history;
pub mod identity;
pub mod key;
pub mod left_out;
pub mod manifest;
pub mod manifest_document;
pub mod manifest_head;
pub mod missing;
pub mod nearest;
pub mod notice;
pub mod objective;
pub mod prefix;
pub mod profile;
pub mod redaction;
pub mod retention;
pub mod schedule;
mod seal;
pub mod secret;
pub mod selection;
pub mod sha256_sum;
pub mod shape;
pub mod source;
pub mod source_state;
pub mod standing;
pub mod suspicion;
pub mod timeline;
pub mod trouble;
pub mod units;
pub mod verdict;
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

/// Supabase's reference of the project that is PayCraft's production, under any configuration.
pub const PRODUCTION_PROJECT: &str = "mlwfgytjxlqyfxcgpysm";
