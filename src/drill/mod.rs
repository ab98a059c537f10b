//! The rehearsal: private servers, synthetic data, one whole cycle of the production verbs, its evidence.

mod canaries;
pub mod cluster;
mod database;
pub mod evidence;
mod from_store;
mod http_listener;
mod leash;
mod loopback;
mod processes;
pub mod proxy;
mod quiet;
pub mod rehearsal;
pub mod rehearse;
pub mod s3_faults;
pub mod s3_server;
pub mod scenario;
pub mod sentinel;
pub mod server_user;
pub mod substrate;
pub mod suite;
mod surroundings;
mod trial;
pub mod workload;
