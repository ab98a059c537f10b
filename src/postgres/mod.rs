//! PostgreSQL: connection strings, its programs as children, every SQL statement of the verbs.

/// A program of PostgreSQL's as a child process.
pub mod child;
/// Connection strings.
pub mod conninfo;
/// Every SQL statement of the verbs, behind a name.
pub mod queries;
/// A connection and the task that drives it.
pub mod session;
/// The installed versions of PostgreSQL, and the command lines of its programs.
pub mod tools;
