//! `paycraft-dr attest`.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::line;
use crate::cli::units::size;
use crate::cli::values::worded;
use crate::error::{Error, Kind, Result};
use crate::model::key::{BackupKey, Selector};
use crate::recovery::attest;
use crate::recovery::backup::Made;

/// Read an object without a manifest to its end, and write down what it holds.
#[derive(Args, Debug)]
pub struct AttestArguments {
    /// The object's key, as `list` prints it
    #[arg(value_name = "KEY", value_parser = |text: &str| worded(key(text)))]
    pub key: BackupKey,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

fn key(text: &str) -> Result<BackupKey> {
    match text.parse()? {
        Selector::Key(key) => Ok(key),
        Selector::Latest | Selector::Day(_) => {
            Err(Error::new(Kind::Usage, format!("{text:?} is no backup's key"))
                .hint("give a key as `paycraft-dr list` prints it"))
        }
    }
}

/// Makes one object attested.
pub async fn run(context: &Context<'_>, own: &AttestArguments) -> Result<Report> {
    let made = attest::attest(context.store()?, own.key, context.observer).await?;
    Ok(Report::done(Attested(made)))
}

/// An object was read to its end and has a manifest now.
#[derive(Debug)]
struct Attested(Made);

impl Outcome for Attested {
    fn fields(&self) -> Value {
        json!({
            "backup": super::backup::document(&self.0.manifest_key, &self.0.manifest),
            "backup_key": self.0.manifest.key,
        })
    }

    fn text(&self, _: bool) -> String {
        let manifest = &self.0.manifest;
        let mut text = String::new();
        line(&mut text, "attested", &manifest.key);
        let sizes = format!(
            "{} archive, {} stored",
            size(manifest.raw_bytes),
            size(manifest.stored_bytes)
        );
        line(&mut text, "size", &sizes);
        let rows = format!("{} in {} tables", manifest.rows(), manifest.tables.len());
        line(&mut text, "rows", &rows);
        line(&mut text, "manifest", &self.0.manifest_key);
        text
    }
}
