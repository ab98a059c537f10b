//! Rows of one table out of a backup: its name, its columns, which rows are meant, and how they are written.

pub mod column;
pub mod condition;
pub mod copy_text;
pub mod definition;
pub mod format;
pub mod name;
pub mod number;
pub mod relation;
pub mod row_changes;
