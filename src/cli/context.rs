//! What every command works with.

use super::global::GlobalArguments;
use super::settings::{Settings, jobs};
use crate::error::{Error, Kind, Result};
use crate::model::timeline::Observer;
use crate::postgres::tools::Tools;
use crate::store::Store;

/// What every command is given.
pub struct Context<'a> {
    pub arguments: &'a GlobalArguments,
    pub settings: &'a Settings<'a>,
    /// Who is told what happens.
    pub observer: &'a dyn Observer,
    pub(super) store: Option<&'a Store>,
}

impl Context<'_> {
    /// The store that the command's arguments name.
    pub fn store(&self) -> Result<&Store> {
        self.store
            .ok_or_else(|| Error::new(Kind::Internal, "the command has no store"))
    }

    pub async fn tools(&self) -> Result<Tools> {
        Tools::find(
            self.arguments.pg_bin.as_deref(),
            std::env::var_os("PATH").as_deref(),
        )
        .await
    }

    /// How many connections work side by side.
    pub fn jobs(&self) -> usize {
        jobs(self.arguments.jobs)
    }
}
