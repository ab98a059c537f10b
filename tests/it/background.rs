//! Nothing goes on behind our back: what a killed run leaves, and what children are told.

/// What children see of our environment.
mod environment;
/// Children end with the program.
mod leash;
/// Statements that hold a password.
mod words;
