//! The verbs of the runbook, each a recipe over the layers below.

/// Source → archive → blocks → object → manifest.
pub mod backup;
/// The backups in a store.
pub mod catalog;
/// What may be restored into.
pub mod guard;
/// The rows of an archive into a target.
pub mod loader;
/// An object's bytes, checked block by block as they arrive.
pub mod object;
/// Raw archive → gzip members → equal parts of one upload.
pub mod packer;
/// Which of an archive's entries are made before its rows, and which after.
pub mod plan;
/// The events of a run with their times.
pub mod recorder;
/// Backup → target, and the proof.
pub mod restore;
/// What an archive holds, found by reading it as it flows.
pub mod survey;
/// A target or an object against its manifest.
pub mod verify;
