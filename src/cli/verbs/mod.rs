//! One file for one command: what may be typed, which verb of the engine it calls, and how its outcome is told.

pub mod attest;
pub mod backup;
#[cfg(feature = "drill")]
pub mod clear_containers;
pub mod completions;
pub mod config;
pub mod confirm;
pub mod cutover;
pub mod doctor;
#[cfg(feature = "drill")]
pub mod drill;
pub mod extract;
pub mod history;
pub mod init;
pub mod list;
pub mod man;
pub mod prune;
pub mod recover;
pub mod restore;
#[cfg(feature = "drill")]
pub mod scenarios;
#[cfg(feature = "drill")]
pub mod serve;
pub mod status;
pub mod verify;
