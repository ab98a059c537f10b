//! The rehearsal: private servers, synthetic data, one whole cycle of the production verbs, its evidence.

/// A private PostgreSQL server.
pub mod cluster;
/// What happens in a rehearsal, with the verbs that production uses.
mod cycle;
/// What a drill leaves behind on purpose: evidence and a log row.
pub mod evidence;
/// One rehearsal from seed to verdict.
pub mod rehearsal;
/// An S3 server in this process, on loopback.
pub mod s3_server;
/// A database that nothing may write.
pub mod sentinel;
/// The user that private servers run as.
pub mod server_user;
/// Where the servers of a drill run.
pub mod substrate;
/// Synthetic PayCraft data: the same seed and scale give the same bytes.
pub mod workload;
