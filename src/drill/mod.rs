//! The rehearsal: private servers, synthetic data, one whole cycle of the production verbs, its evidence.

/// Known-bad backups beside the real one.
mod canaries;
/// A private PostgreSQL server.
pub mod cluster;
/// Databases on the servers of a drill.
mod database;
/// What a drill leaves behind on purpose: evidence and a log row.
pub mod evidence;
/// The newest backup of a real store, in a private server.
mod from_store;
/// An HTTP service on loopback.
mod http_listener;
/// A process that outlives this one to clear away behind it.
mod leash;
/// Ports that nobody else can reach.
mod loopback;
/// The processes of this machine.
mod processes;
/// Whatever passes between a client and a server, behaving badly.
pub mod proxy;
/// An observer of what nobody follows.
mod quiet;
/// What one rehearsal showed.
pub mod rehearsal;
/// One rehearsal from seed to verdict.
pub mod rehearse;
/// Failures of an S3 service.
pub mod s3_faults;
/// An S3 server in this process, on loopback.
pub mod s3_server;
/// What is rehearsed, as data.
pub mod scenario;
/// A database that nothing may write.
pub mod sentinel;
/// The user that private servers run as.
pub mod server_user;
/// Where the servers of a drill run.
pub mod substrate;
/// Several drills, and what they add up to.
pub mod suite;
/// What of our environment the programs that a drill calls are given.
mod surroundings;
/// One scenario, played.
mod trial;
/// Synthetic PayCraft data: the same seed and scale give the same bytes.
pub mod workload;
