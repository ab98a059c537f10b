//! What a user may type.

use std::fmt::Write;

use clap::{Parser, Subcommand};

use super::examples;
use super::global::GlobalArguments;
use super::store_arguments::StoreArguments;
use super::verbs::{
    attest::AttestArguments, backup::BackupArguments, completions::CompletionsArguments,
    config::ConfigArguments, confirm::ConfirmArguments, cutover::CutoverArguments, diff::DiffArguments,
    doctor::DoctorArguments, extract::ExtractArguments, history::HistoryArguments, init::InitArguments,
    list::ListArguments, man::ManArguments, pin::PinArguments, pin::UnpinArguments, prune::PruneArguments,
    recover::RecoverArguments, restore::RestoreArguments, status::StatusArguments, verify::VerifyArguments,
};
#[cfg(feature = "drill")]
use super::verbs::{
    clear_containers::ClearContainersArguments, drill::DrillArguments, scenarios::ScenariosArguments,
    serve::ServeArguments,
};
use crate::error::Kind;

/// Back up a PostgreSQL product to object storage, restore it, and prove it.
#[derive(Debug, Parser)]
#[command(name = "paycraft-dr", version, arg_required_else_help = true, after_long_help = after_help())]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: GlobalArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Dump the source into the store
    #[command(after_help = examples::BACKUP)]
    Backup(BackupArguments),
    /// Show the backups in the store
    #[command(after_help = examples::LIST)]
    List(ListArguments),
    /// Restore a backup into a database and verify it there
    #[command(after_help = examples::RESTORE)]
    Restore(RestoreArguments),
    /// Check a stored backup, or a restored database against it
    #[command(after_help = examples::VERIFY)]
    Verify(VerifyArguments),
    /// Write rows of one table of a backup, without fetching the rest
    #[command(after_help = examples::EXTRACT)]
    Extract(ExtractArguments),
    /// Follow one table, or rows of it, through all backups
    #[command(after_help = examples::HISTORY)]
    History(HistoryArguments),
    /// Read an object without a manifest to its end, and write down what it holds
    #[command(after_help = examples::ATTEST)]
    Attest(AttestArguments),
    /// Say that a backup under suspicion is right, so that it counts
    #[command(after_help = examples::CONFIRM)]
    Confirm(ConfirmArguments),
    /// Show what changed between two backups, from their manifests alone
    #[command(after_help = examples::DIFF)]
    Diff(DiffArguments),
    /// Keep a backup from being pruned, for ever or to the end of a day
    #[command(after_help = examples::PIN)]
    Pin(PinArguments),
    /// Let a pinned backup be pruned again
    #[command(after_help = examples::UNPIN)]
    Unpin(UnpinArguments),
    /// Show which settings hold, and where each is set
    #[command(after_help = examples::CONFIG)]
    Config(ConfigArguments),
    /// Write the profile of another product
    #[command(after_help = examples::INIT)]
    Init(InitArguments),
    /// Put a restored database into service, with the steps of the configuration
    #[command(after_help = examples::CUTOVER)]
    Cutover(CutoverArguments),
    /// Restore, verify and cut over, on one clock
    #[command(after_help = examples::RECOVER)]
    Recover(RecoverArguments),
    /// Remove expired backups: older than 30 days, but never the newest attested ones
    #[command(after_help = examples::PRUNE)]
    Prune(PruneArguments),
    /// Say whether backups, storage and drills are as promised
    #[command(after_help = examples::STATUS)]
    Status(StatusArguments),
    /// Look for anything that would stop a restore tonight
    #[command(after_help = examples::DOCTOR)]
    Doctor(DoctorArguments),
    /// Rehearse the whole cycle on private servers
    #[cfg(feature = "drill")]
    #[command(after_help = examples::DRILL)]
    Drill(DrillArguments),
    /// Show what a drill can rehearse: what breaks, and what must happen then
    #[cfg(feature = "drill")]
    #[command(after_help = examples::SCENARIOS)]
    Scenarios(ScenariosArguments),
    /// Run the S3 server of drills for tests, until it is interrupted
    #[cfg(feature = "drill")]
    #[command(after_help = examples::SERVE)]
    Serve(ServeArguments),
    /// Remove the containers of a drill once standard input ends
    #[cfg(feature = "drill")]
    #[command(hide = true)]
    ClearContainers(ClearContainersArguments),
    /// Print what a shell needs to complete commands and flags
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArguments),
    /// Write the manual's pages into a directory
    #[command(after_help = examples::MAN)]
    Man(ManArguments),
}

impl Command {
    /// The command's name, as it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Backup(_) => "backup",
            Self::List(_) => "list",
            Self::Restore(_) => "restore",
            Self::Verify(_) => "verify",
            Self::Extract(_) => "extract",
            Self::History(_) => "history",
            Self::Attest(_) => "attest",
            Self::Confirm(_) => "confirm",
            Self::Diff(_) => "diff",
            Self::Pin(_) => "pin",
            Self::Unpin(_) => "unpin",
            Self::Config(_) => "config",
            Self::Init(_) => "init",
            Self::Cutover(_) => "cutover",
            Self::Recover(_) => "recover",
            Self::Prune(_) => "prune",
            Self::Status(_) => "status",
            Self::Doctor(_) => "doctor",
            #[cfg(feature = "drill")]
            Self::Drill(_) => "drill",
            #[cfg(feature = "drill")]
            Self::Scenarios(_) => "scenarios",
            #[cfg(feature = "drill")]
            Self::Serve(_) => "serve",
            #[cfg(feature = "drill")]
            Self::ClearContainers(_) => "clear-containers",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    /// Whether a configuration is looked for where none is named.
    pub(super) fn is_configured(&self) -> bool {
        match self {
            Self::Completions(_) | Self::Man(_) | Self::Init(_) => false,
            #[cfg(feature = "drill")]
            Self::Scenarios(_) | Self::ClearContainers(_) => false,
            _ => true,
        }
    }

    /// Where the command's backups are, where it works on any.
    pub(super) fn store(&self) -> Option<&StoreArguments> {
        match self {
            Self::Backup(own) => Some(&own.store),
            Self::List(own) => Some(&own.store),
            Self::Restore(own) => Some(&own.store),
            Self::Verify(own) => Some(&own.store),
            Self::Extract(own) => Some(&own.store),
            Self::History(own) => Some(&own.store),
            Self::Attest(own) => Some(&own.store),
            Self::Confirm(own) => Some(&own.store),
            Self::Diff(own) => Some(&own.store),
            Self::Pin(own) => Some(&own.store),
            Self::Unpin(own) => Some(&own.store),
            Self::Config(_) | Self::Init(_) => None,
            Self::Cutover(_) | Self::Completions(_) | Self::Man(_) => None,
            Self::Recover(own) => Some(&own.restore.store),
            Self::Prune(own) => Some(&own.store),
            // What these two tell, they tell also where the store's settings are wrong.
            Self::Status(_) | Self::Doctor(_) => None,
            #[cfg(feature = "drill")]
            Self::Drill(own) => own.from_store.then_some(&own.store),
            #[cfg(feature = "drill")]
            Self::Scenarios(_) | Self::Serve(_) | Self::ClearContainers(_) => None,
        }
    }
}

/// Settings that have no flag, and the exit codes.
fn after_help() -> String {
    let mut text = format!("{}\n\n", examples::PROGRAM);
    text.push_str(
        "Environment:
  PAYCRAFT_DR_CONFIG    the configuration, instead of the first one that is found
  SUPABASE_DB_URL       the database to back up
  TARGET_DB_URL         the database to restore into
  R2_ENDPOINT_URL       address of the store; file:///DIRECTORY for a directory of this machine, which takes no keys
  R2_BUCKET             name of the bucket [default: paycraft-backups], or of a directory below that of the address
  R2_PREFIX             what every key begins with; one for each source keeps their backups apart
  R2_REGION             its region; with AWS's keys and without an address, AWS is meant
  R2_ADDRESSING         path (HOST/BUCKET) or virtual-host (BUCKET.HOST) [default: virtual-host for AWS]
  R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY, R2_SESSION_TOKEN
  PAYCRAFT_WEBHOOK_URL  told how backup, drill and recover end, and when status fails
  PAYCRAFT_PING_URL     pinged at the same times, with /fail behind it where they failed
  Each may instead be named with _FILE behind it, holding the path of a file with the value.
  PAYCRAFT_LOCK_TIMEOUT how long a lock is waited for, as with --lock-timeout
  PAYCRAFT_LOG          what is logged: a level (info, debug, trace), or one for each part, such as
                        info,paycraft_dr::store=debug; -v wins over it
  Where these are not set, the names of others count: SOURCE_DB_URL or DATABASE_URL; S3_BUCKET and the like with S3_ for R2_, which
  come first for a product with a profile of its own (`paycraft-dr init`);
  AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
  Where no keys are set and AWS is meant, by an address of AWS's or by a variable below, AWS's standard sources give some:
  AWS_PROFILE (~/.aws/credentials, ~/.aws/config), AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN, AWS_CONTAINER_CREDENTIALS_*,
  and at an address of AWS's the role of the instance.
  AWS_CA_BUNDLE, HTTPS_PROXY, HTTP_PROXY and NO_PROXY hold for the store's connections.
  NO_COLOR leaves colour out; CLICOLOR_FORCE=1 has it also where no terminal is.

Exit codes:
    0  done, and verified where asked
",
    );
    for kind in Kind::ALL {
        let _ = writeln!(text, "  {:>3}  {}", kind.exit_code(), kind.meaning());
    }
    text
}
