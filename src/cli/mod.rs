//! The command line: the only part of the program that reads the environment, prints, or decides the exit code.

pub mod args;
pub mod config;
pub mod log;
pub mod outcome;
pub mod progress;
pub mod run;
pub mod settings;
pub mod verbs;

mod colour;
mod config_file;
mod consent;
pub mod context;
mod examples;
pub mod global;
mod interruption;
mod memory;
mod notification;
mod output;
pub mod store_arguments;
mod store_settings;
mod text;
mod units;
mod values;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::args::Arguments;
use crate::child::reaper;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    memory::share_buffers();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => return ExitCode::from(output::refuse(&refusal, &Arguments::command())),
    };
    let (global, verb) = (&arguments.global, arguments.command.name());
    let log = match log::Log::begin(global, verb) {
        Ok(log) => log,
        Err(error) => return ExitCode::from(output::print(global, verb, Err(error))),
    };
    let code = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let notification = notification::Notification::begin(&arguments, &runtime);
            let outcome = runtime.block_on(run::run(&arguments, log.as_ref()));
            if let Some(log) = &log {
                log.end(&outcome);
            }
            progress::screen::flush();
            let notice = notification.notice(&arguments, &outcome);
            let code = output::print(global, verb, outcome);
            runtime.block_on(notification.end(notice));
            // A lookup or a read that no one waits for any more must not hold up the end.
            runtime.shutdown_background();
            code
        }
        Err(cause) => output::print(
            global,
            verb,
            Err(crate::error::Error::new(crate::error::Kind::Internal, "cannot start").caused_by(cause)),
        ),
    };
    // What was told to end is not left behind, nor is a line.
    reaper::finish();
    log::flush();
    progress::screen::flush();
    ExitCode::from(code)
}
