//! `paycraft-dr backup`.

use std::fmt::Write;
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::line;
use crate::cli::units::{duration, rate, size};
use crate::cli::values::worded;
#[cfg(feature = "drill")]
use crate::cli::verbs::drill::{Prover, SubstrateArgument};
use crate::cli::verbs::pin::{check_until, parse_pin_why};
use crate::error::{Error, Result};
use crate::model::key::{BackupKey, parse_day};
use crate::model::left_out::LeftOut;
use crate::model::manifest::Manifest;
use crate::model::notice::RunFacts;
use crate::model::pin::Pin;
use crate::model::source::SourceName;
use crate::model::suspicion::Suspicion;
use crate::model::timeline::Event;
use crate::model::trouble::Troubles;
use crate::postgres::conninfo::Conninfo;
use crate::recovery::abandoned;
use crate::recovery::backup::{self, Made};
use crate::recovery::{marker, pin};
use crate::store::Store;

/// Dump the source into the store.
#[derive(Args, Debug)]
pub struct BackupArguments {
    /// The database to back up, without its password [env: SUPABASE_DB_URL or SOURCE_DB_URL]
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// Attempts, where the source is changed by migrations while it is dumped
    #[arg(long, value_name = "N", default_value_t = backup::ATTEMPTS, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub attempts: u32,
    /// Leave a random marker in the source's settings (ALTER DATABASE … SET), by which restores know production again
    #[arg(long)]
    pub leave_marker: bool,
    /// Do not read the tables for rows that break the source's own keys and checks, which no restore could make again
    #[arg(long)]
    pub no_source_check: bool,
    /// Keep this backup from being pruned; --why says for what reason
    #[arg(long, requires = "why")]
    pub pin: bool,
    /// Why it is pinned, in one line
    #[arg(long, value_name = "TEXT", requires = "pin", value_parser = |text: &str| worded(parse_pin_why(text)))]
    pub why: Option<String>,
    /// The last day (UTC) on which it is pinned, as YYYY/MM/DD [default: until it is unpinned]
    #[arg(long, value_name = "DAY", requires = "pin", value_parser = |text: &str| worded(parse_day(text)))]
    pub until: Option<Date>,
    /// Restore the backup at once into a private server, in containers or as a process of this machine, and verify it there
    #[cfg(feature = "drill")]
    #[arg(long, value_name = "WHERE", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    pub prove: Option<SubstrateArgument>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Makes one backup, and restores it where that is asked for.
pub async fn run(context: &Context<'_>, own: &BackupArguments) -> Result<Report> {
    #[cfg(feature = "drill")]
    if let Some(place) = own.prove {
        // Whether there is a private server is known before anything is backed up.
        let prover = Prover::prepare(context, place).await?;
        let made = make(context, own).await?;
        return prover.prove(context, made).await;
    }
    make(context, own).await.map(Report::done)
}

async fn make(context: &Context<'_>, own: &BackupArguments) -> Result<BackupMade> {
    check_until(own.until, Timestamp::now())?;
    let source = context.settings.source(own.source.as_deref())?;
    let tools = context.tools().await?;
    let began = Instant::now();
    if own.leave_marker || context.settings.config.guard.leave_marker {
        leave_marker(context, &source).await;
    }
    let store = context.store()?;
    abandoned::abort(store, context.observer).await;
    let _record = abandoned::record(store);
    let request = backup::BackupRequest {
        source: &source,
        tools: &tools,
        store,
        clock: &Timestamp::now,
        attempts: own.attempts,
        looks_for_trouble: !own.no_source_check,
        limits: &context.settings.shrink_limits(),
    };
    let made = backup::backup(request, context.observer).await?;
    if let Some(why) = &own.why {
        keep(store, made.key, why, own.until).await?;
    }
    for table in &context.settings.product().tables {
        let mut held = made.manifest.tables.iter();
        if !held.any(|held| table.is(&held.schema, &held.name)) {
            context.observer.observe(Event::Warned(format!(
                "the source has no table {table}: is it the right database?"
            )));
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(BackupMade { made, seconds })
}

/// Pins the backup that was just made.
async fn keep(store: &Store, key: BackupKey, why: &str, until: Option<Date>) -> Result<()> {
    let pin = Pin::new(key, why, until, Timestamp::now());
    pin::write(store, key, &pin).await.map_err(|cause| {
        Error::new(
            cause.kind(),
            format!("the backup {key} was made and is whole, and could not be pinned"),
        )
        .caused_by(cause)
        .hint(format!("pin it with: paycraft-dr pin {key} --why \"{why}\""))
    })
}

/// A backup is made whether or not a marker could be left.
async fn leave_marker(context: &Context<'_>, source: &Conninfo) {
    let told = match marker::leave(source).await {
        Ok(true) => Event::Noted("a marker was left in the source's settings".to_owned()),
        Ok(false) => return,
        Err(error) => Event::Warned(match error.next_step() {
            Some(hint) => format!("{error}: {hint}"),
            None => error.to_string(),
        }),
    };
    context.observer.observe(told);
}

/// A backup was made.
#[derive(Debug)]
pub(super) struct BackupMade {
    pub(super) made: Made,
    seconds: f64,
}

#[derive(Serialize)]
pub(super) struct BackupDocument<'a> {
    key: &'a str,
    manifest_key: &'a str,
    started_at: Timestamp,
    finished_at: Timestamp,
    raw_bytes: u64,
    stored_bytes: u64,
    sha256: &'a str,
    blocks: usize,
    source: SourceName,
    suspicion: Option<&'a Suspicion>,
    tables: Vec<TableDocument<'a>>,
    left_out: &'a [LeftOut],
    troubles: Option<&'a Troubles>,
}

#[derive(Serialize)]
struct TableDocument<'a> {
    schema: &'a str,
    name: &'a str,
    rows: u64,
    fingerprint: String,
}

impl Outcome for BackupMade {
    fn fields(&self) -> Value {
        json!({
            "backup": document(&self.made.manifest_key, &self.made.manifest),
            "backup_key": self.made.manifest.key,
            "seconds": self.seconds,
        })
    }

    fn run_facts(&self) -> RunFacts {
        let manifest = &self.made.manifest;
        let suspicion = manifest.suspicion.clone().unwrap_or_default();
        RunFacts {
            backup: Some(manifest.key.clone()),
            sizes: Some((manifest.raw_bytes, manifest.stored_bytes)),
            source: Some(SourceName::from(&manifest.source).to_string()),
            suspicion: suspicion.reasons,
            seconds: Some(self.seconds),
            ..RunFacts::default()
        }
    }

    fn text(&self, verbose: bool) -> String {
        let manifest = &self.made.manifest;
        let mut text = String::new();
        line(&mut text, "backup", &manifest.key);
        line(
            &mut text,
            "source",
            &SourceName::from(&manifest.source).to_string(),
        );
        for reason in manifest.suspicion.iter().flat_map(|suspicion| &suspicion.reasons) {
            line(&mut text, "suspicion", reason);
        }
        let sizes = format!(
            "{} archive, {} stored in {} blocks",
            size(manifest.raw_bytes),
            size(manifest.stored_bytes),
            manifest.blocks.len()
        );
        line(&mut text, "size", &sizes);
        let rows = format!("{} in {} tables", manifest.rows(), manifest.tables.len());
        line(&mut text, "rows", &rows);
        let took = format!(
            "{} ({})",
            duration(self.seconds),
            rate(manifest.raw_bytes, self.seconds)
        );
        line(&mut text, "took", &took);
        for LeftOut { what, name, reason } in &manifest.left_out {
            line(&mut text, "left out", &format!("{what} {name}: {reason}"));
        }
        for trouble in manifest.troubles.iter().flat_map(|troubles| &troubles.found) {
            line(&mut text, "trouble", trouble);
        }
        if verbose {
            for table in &manifest.tables {
                let _ = writeln!(
                    text,
                    "  {:>12}  {:032x}  {}.{}",
                    table.content.rows, table.content.hash, table.schema, table.name
                );
            }
        }
        text
    }
}

/// A backup as JSON tells it.
pub(super) fn document<'a>(manifest_key: &'a str, manifest: &'a Manifest) -> BackupDocument<'a> {
    let tables = manifest.tables.iter().map(|table| TableDocument {
        schema: &table.schema,
        name: &table.name,
        rows: table.content.rows,
        fingerprint: format!("{:032x}", table.content.hash),
    });
    BackupDocument {
        key: &manifest.key,
        manifest_key,
        started_at: manifest.started_at,
        finished_at: manifest.finished_at,
        raw_bytes: manifest.raw_bytes,
        stored_bytes: manifest.stored_bytes,
        sha256: &manifest.sha256,
        blocks: manifest.blocks.len(),
        source: (&manifest.source).into(),
        suspicion: manifest.suspicion.as_ref(),
        tables: tables.collect(),
        left_out: &manifest.left_out,
        troubles: manifest.troubles.as_ref(),
    }
}
