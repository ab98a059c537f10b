//! paycraft-dr: backup, restore, proof and rehearsal of a Supabase/Postgres product.
//!
//! Dependencies point one way: `cli → recovery → {archive, child, http, model, postgres, store} → error`. `drill` uses the
//! verbs as a user would. `model` and `archive` do no I/O and read no clock; `postgres` and `store` do not know each other. What does I/O tells `log`.

pub mod archive;
pub mod child;
pub mod cli;
pub mod deadline;
#[cfg(feature = "drill")]
pub mod drill;
pub mod error;
pub mod http;
pub mod log;
pub mod model;
pub mod postgres;
pub mod recovery;
pub mod store;
pub mod worker;
