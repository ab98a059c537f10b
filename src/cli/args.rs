//! What a user may type.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use super::units::parse_size;
use crate::error::{Kind, Result};
use crate::model::key::{Selector, parse_day};

/// Back up a PostgreSQL product to object storage, restore it, and prove it.
#[derive(Debug, Parser)]
#[command(name = "paycraft-dr", version, arg_required_else_help = true, after_long_help = after_help())]
pub struct Arguments {
    /// Print one JSON document on stdout and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show every check and every table
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    pub verbose: bool,
    /// Directory of PostgreSQL's programs, instead of the best installed version
    #[arg(long, global = true, value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
    /// Connections that work side by side [default: one per core, at most 4]
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Dump the source into the store
    #[command(after_help = "Example:\n  SUPABASE_DB_URL_FILE=/run/secrets/db paycraft-dr backup")]
    Backup(BackupArguments),
    /// Show the backups in the store
    #[command(after_help = "Examples:\n  paycraft-dr list\n  paycraft-dr list 2026/11/23 --json")]
    List(ListArguments),
    /// Restore a backup into an empty database and verify it there
    #[command(after_help = "Examples:\n  paycraft-dr restore\n  paycraft-dr restore 2026/11/23")]
    Restore(RestoreArguments),
    /// Check a stored backup, or a restored database against it
    #[command(
        after_help = "Examples:\n  paycraft-dr verify --object\n  paycraft-dr verify latest --target postgresql://me@localhost/restored"
    )]
    Verify(VerifyArguments),
    /// Rehearse the whole cycle on private servers with synthetic data
    #[cfg(feature = "drill")]
    #[command(
        after_help = "Examples:\n  paycraft-dr drill\n  paycraft-dr drill --scale 1GiB --log docs/drill-log.md"
    )]
    Drill(DrillArguments),
}

/// Where backups are kept. The credentials come from `R2_ACCESS_KEY_ID` and `R2_SECRET_ACCESS_KEY`.
#[derive(Args, Clone, Debug)]
pub struct StoreArguments {
    /// Address of the store [env: R2_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Name of the bucket [env: R2_BUCKET] [default: paycraft-backups]
    #[arg(long, value_name = "NAME")]
    pub bucket: Option<String>,
}

/// Dump the source into the store.
#[derive(Args, Debug)]
pub struct BackupArguments {
    /// The database to back up, without its password [env: SUPABASE_DB_URL]
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Show the backups in the store.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// Only those of this day (UTC), as YYYY/MM/DD
    #[arg(value_name = "DAY", value_parser = |text: &str| worded(parse_day(text)))]
    pub day: Option<jiff::civil::Date>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Restore a backup into an empty database and verify it there.
#[derive(Args, Debug)]
pub struct RestoreArguments {
    /// Which backup: `latest`, a day as YYYY/MM/DD, or a key as `list` prints it
    #[arg(value_name = "DAY|KEY|latest", default_value = "latest", value_parser = |text: &str| worded(text.parse::<Selector>()))]
    pub backup: Selector,
    /// The empty database to restore into, without its password [env: TARGET_DB_URL]
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Check a stored backup, or a restored database against it.
#[derive(Args, Debug)]
pub struct VerifyArguments {
    /// Which backup: `latest`, a day as YYYY/MM/DD, or a key as `list` prints it
    #[arg(value_name = "DAY|KEY|latest", default_value = "latest", value_parser = |text: &str| worded(text.parse::<Selector>()))]
    pub backup: Selector,
    /// Read the stored bytes alone, without any database
    #[arg(long, conflicts_with = "target")]
    pub object: bool,
    /// The restored database, without its password [env: TARGET_DB_URL]
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Rehearse the whole cycle on private servers with synthetic data.
#[derive(Args, Debug)]
pub struct DrillArguments {
    /// Picks the synthetic data; the same seed and scale give the same bytes [default: drawn and printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How much data to rehearse with, as COPY text
    #[arg(long, value_name = "SIZE", default_value = "32MiB", value_parser = parse_size)]
    pub scale: u64,
    /// Add a row to this Markdown table of drills, or begin one
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Who drills, for the log [env: USER]
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
    /// Where the evidence of each drill is kept
    #[arg(long, value_name = "DIR", default_value = "drills")]
    pub report: PathBuf,
}

impl Command {
    /// The command's name, as it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Backup(_) => "backup",
            Self::List(_) => "list",
            Self::Restore(_) => "restore",
            Self::Verify(_) => "verify",
            #[cfg(feature = "drill")]
            Self::Drill(_) => "drill",
        }
    }
}

/// The parser of arguments shows one line: what is wrong, and what to do.
fn worded<T>(parsed: Result<T>) -> Result<T, String> {
    parsed.map_err(|error| match error.next_step() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}

/// Settings that have no flag, and the exit codes.
fn after_help() -> String {
    let mut text = String::from(
        "Environment:
  SUPABASE_DB_URL       the database to back up
  TARGET_DB_URL         the database to restore into
  R2_ENDPOINT_URL       address of the store
  R2_BUCKET             name of the bucket [default: paycraft-backups]
  R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY
  Each may instead be named with _FILE behind it, holding the path of a file with the value.

Exit codes:
    0  done, and verified where asked
",
    );
    for kind in Kind::ALL {
        let _ = writeln!(text, "  {:>3}  {}", kind.exit_code(), kind.meaning());
    }
    text
}
