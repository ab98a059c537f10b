//! The verbs of the runbook, each a recipe over the layers below.

/// Uploads of backups that were killed.
pub mod abandoned;
/// Rights: recorded with a backup, made equal in its target, and compared there.
mod access;
/// What a program of PostgreSQL writes, where all of it is wanted at once.
mod answer;
/// How one attempt at a backup failed.
mod attempt;
/// An object without a manifest, read to its end: what its manifest says, and publishing it.
pub mod attest;
/// Work that goes on while nobody waits for it.
mod background;
/// Source → archive → blocks → object → manifest.
pub mod backup;
/// How many connections a restore may open.
mod budget;
/// The backups in a store.
pub mod catalog;
/// The backup that a command takes, and the newest one that counts.
pub mod choosing;
/// Making room in a target that holds an older state of what is restored.
mod clean;
/// An operator's word that a backup under suspicion is right.
pub mod confirm;
/// How far a restore has come, and what is to be done where it ends there.
mod course;
/// Putting a restored target into service.
pub mod cutover;
/// Everything of an archive but its rows, as `pg_restore` makes it from the archive's head.
mod definitions;
/// Generated columns and materialized views: recorded and compared.
mod derived;
/// Whatever would stop a restore tonight.
pub mod doctor;
/// pg_dump of one snapshot, read as it flows to the store.
mod dump;
/// The object with a backup's roles and settings.
mod globals;
/// What may be restored into.
pub mod guard;
/// Indexes are asked whether they find what is there.
mod index_answers;
/// The rows of an archive, and the indexes over them, into a target.
pub mod loader;
/// A manifest as bytes: in one piece, or as a head and an index.
pub mod manifest_index;
/// Manifests in the store.
mod manifests;
/// A random marker in the source's settings.
pub mod marker;
/// What of a backup means the same in a target although it is worded otherwise.
mod meaning;
/// Telling what a restore could not make.
mod missing;
/// Telling those who are not there.
pub mod notify;
/// An object's bytes, checked block by block as they arrive.
pub mod object;
/// Raw archive → gzip members → equal parts of one upload.
pub mod packer;
/// Which of an archive's entries are made before its rows, and which after.
pub mod plan;
/// What of a backup the target's platform brings itself.
pub mod platform;
/// What has had its time, removed from the store.
pub mod prune;
/// The events of a run with their times.
pub mod recorder;
/// Restore, verify, cut over, on one clock.
pub mod recover;
/// Entries that could not be made at first.
mod refused;
/// Which entries `pg_restore` could not make.
mod rejected;
/// A second that belongs to one backup alone.
pub mod reservation;
/// Backup → target, and the proof.
pub mod restore;
/// Roles that a backup needs and a target lacks.
pub mod roles;
/// Private directories, cleared away also where their run was killed.
pub mod scratch;
/// Settings of the database and of roles, made as they were.
mod settings;
/// How long a target is waited for in which statements run that say nothing until they end.
mod silence;
/// One state of the source, which the dump and all other questions about it see.
pub mod snapshot;
/// Whether the definitions of an archive can be made again.
mod soundness;
/// Whether the promises hold today.
pub mod status;
/// What an archive holds, found by reading it as it flows.
pub mod survey;
/// A new backup beside the ones before it.
mod suspicion;
/// The rows of a target's tables against the manifest, over several connections.
mod tables;
/// What would keep the source from being made again, looked for while it is dumped.
mod trouble;
/// A target or an object against its manifest.
pub mod verify;
/// A file that is replaced as a whole.
pub mod whole_file;
/// The time zone of an object that was not attested when it was made.
mod zones;
