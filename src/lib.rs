//! paycraft-dr: backup, restore, proof and rehearsal of a Supabase/Postgres product.
//!
//! Dependencies point one way: `cli → recovery → {archive, child, http, model, postgres, store} → error`. `drill` uses the
//! verbs as a user would. `model` and `archive` do no I/O and read no clock; `postgres` and `store` do not know each other. What does I/O tells `log`.

/// pg_dump's custom format and gzip members: pure streaming codecs.
pub mod archive;
/// A program as a child process, ended with all it started.
pub mod child;
/// The command line: typed arguments, settings, one dispatch, the only printer.
pub mod cli;
/// The rehearsal: private servers, synthetic data, one whole cycle, its evidence.
#[cfg(feature = "drill")]
pub mod drill;
/// The one error type, and the table from its kind to the exit code.
pub mod error;
/// A small HTTP client for health checks and notifications.
pub mod http;
/// What a log is told along the way: the phase at work, and what is waited for.
pub mod log;
/// Nouns and decisions without I/O: manifest, fingerprint, keys, timeline, verdict.
pub mod model;
/// PostgreSQL: connection strings, its programs' command lines, every SQL statement of the verbs.
pub mod postgres;
/// The verbs of the runbook, each a recipe: backup, list, restore, verify, prune, status, doctor, cutover, recover.
pub mod recovery;
/// The object store.
pub mod store;
