//! The rehearsal: private servers, synthetic data, one whole cycle, its evidence.

/// An S3 server in this process, on loopback.
pub mod s3_server;
/// Synthetic PayCraft data: the same seed and scale give the same bytes.
pub mod workload;
