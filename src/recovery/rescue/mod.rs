//! One table out of a backup, without the rest: only the blocks that hold it are fetched, and each is checked before it is used.

pub mod extract;
mod fields;
pub mod history;
mod reading;
mod sink;
mod table;
