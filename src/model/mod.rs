//! Nouns and decisions without I/O.

/// Row count and order-independent hash of a table's rows.
pub mod fingerprint;
