//! The flags of every command.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::log::format::LogFormat;
use super::values::{parse_timeout, worded};

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub struct GlobalArguments {
    /// Print one JSON document on stdout and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show every check and every table, and log what happens; -vv logs each statement, request and program, -vvv more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Append the log to a file instead of stderr, at least as with -v
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// How the log is written
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t)]
    pub log_format: LogFormat,
    /// Settings, as TOML; flags and environment win over it [env: PAYCRAFT_DR_CONFIG] [default: the first that is there of
    /// paycraft-dr.toml, ~/.config/paycraft-dr/config.toml, /etc/paycraft-dr/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of PostgreSQL's programs, instead of the best installed version
    #[arg(long, global = true, value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
    /// Connections that work side by side [default: one per core, at most 4]
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// How long a lock is waited for that another session holds, such as 90s or 10min [env: PAYCRAFT_LOCK_TIMEOUT] [default: 5min]
    #[arg(long, global = true, value_name = "DURATION", value_parser = |text: &str| worded(parse_timeout(text).map(|_| text.to_owned())))]
    pub lock_timeout: Option<String>,
}
