//! PostgreSQL: connection strings, the command lines of its programs, every SQL statement of the verbs.

/// One address for all connections of a run.
pub mod address;
/// Connection strings.
pub mod conninfo;
/// What could stop a dump or a restore, asked before it does.
pub mod examination;
/// How long a server is waited for.
pub mod patience;
/// Whether one session is one server session.
pub mod pooling;
/// What is asked of a database and done to it, statement by statement, behind names.
pub mod queries;
/// A statement that the server refused, where others go on.
pub mod refusal;
/// What the role of a session may do.
pub mod rights;
/// A connection and the task that drives it.
pub mod session;
/// SQL statements in words.
pub mod statement;
/// The installed versions of PostgreSQL, and the command lines of its programs.
pub mod tools;

mod connector;
mod environment;
mod pieces;
mod tls;
