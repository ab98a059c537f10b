//! PostgreSQL: connection strings, the command lines of its programs, every SQL statement of the verbs.

pub mod address;
pub mod conninfo;
pub mod examination;
pub mod patience;
pub mod pooling;
pub mod queries;
pub mod refusal;
pub mod rights;
pub mod session;
pub mod statement;
pub mod tools;

mod connector;
mod environment;
mod pieces;
mod side;
mod tls;
