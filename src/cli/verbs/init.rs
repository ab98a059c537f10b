//! `paycraft-dr init`.

use clap::Args;

use crate::cli::outcome::Report;
use crate::cli::run::Context;
use crate::error::{Error, Kind, Result};

/// Write the profile of another product.
#[derive(Args, Debug)]
pub struct InitArguments {}

/// Writes it.
pub async fn run(_: &Context<'_>, _: &InitArguments) -> Result<Report> {
    Err(Error::new(Kind::Internal, "not yet"))
}
