//! One file for one command: what may be typed, which verb of the engine it calls, and how its outcome is told.

/// Read an object without a manifest to its end, and write down what it holds.
pub mod attest;
/// Dump the source into the store.
pub mod backup;
/// Remove the containers of a drill that was killed.
#[cfg(feature = "drill")]
pub mod clear_containers;
/// Print what a shell needs to complete commands.
pub mod completions;
/// Say that a backup under suspicion is right.
pub mod confirm;
/// Put a restored database into service.
pub mod cutover;
/// Look for whatever would stop a restore.
pub mod doctor;
/// Rehearse the whole cycle.
#[cfg(feature = "drill")]
pub mod drill;
/// Show the backups in the store.
pub mod list;
/// Write the manual's pages.
pub mod man;
/// Remove what has had its time.
pub mod prune;
/// Restore, verify and cut over.
pub mod recover;
/// Restore a backup and verify it.
pub mod restore;
/// Show what a drill can rehearse.
#[cfg(feature = "drill")]
pub mod scenarios;
/// Say whether the promises hold.
pub mod status;
/// Check a stored backup, or a restored database.
pub mod verify;
