//! Nothing goes on behind our back: what a killed run leaves, what children are told, and who else works in a target.

/// How many connections are opened.
mod budget;
/// What children see of our environment.
mod environment;
/// Verbs that are killed at random moments.
mod kills;
/// Children end with the program.
mod leash;
/// What a target's server writes down.
mod logs;
/// One restore at a time.
mod occupancy;
/// Statements that hold a password.
mod words;
