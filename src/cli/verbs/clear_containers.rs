//! `paycraft-dr clear-containers`: what a drill in containers starts beside itself; it is not for people.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::outcome::{Outcome, Report};
use crate::drill::substrate::clear_containers;
use crate::error::Result;

/// Remove the containers of a drill once standard input ends.
#[derive(Args, Debug)]
pub struct ClearContainersArguments {
    /// Which ground they belong to
    pub ground: String,
}

/// Waits, and removes them.
pub async fn run(own: &ClearContainersArguments) -> Result<Report> {
    clear_containers(&own.ground).await?;
    Ok(Report::done(Cleared))
}

#[derive(Debug)]
struct Cleared;

impl Outcome for Cleared {
    fn fields(&self) -> Value {
        json!({})
    }

    fn text(&self, _: bool) -> String {
        String::new()
    }
}
