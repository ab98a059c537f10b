//! What the pages for the operator say is true: every command in them runs here, and every flag they name exists.

mod commands;
mod desk;
pub mod page;
mod tried;
