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
mod examples;
mod memory;
mod notification;
mod output;
mod store_settings;
mod text;
mod units;

use std::process::ExitCode;

use clap::Parser;

use self::args::Arguments;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    memory::share_buffers();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => return ExitCode::from(output::refuse(&refusal)),
    };
    let log = match log::Log::begin(&arguments) {
        Ok(log) => log,
        Err(error) => return ExitCode::from(output::print(&arguments, Err(error))),
    };
    let code = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let notification = notification::Notification::begin(&arguments, &runtime);
            let outcome = runtime.block_on(run::run(&arguments, log.as_ref()));
            if let Some(log) = &log {
                log.end(&outcome);
            }
            let document = notification.document(&arguments, &outcome);
            let code = output::print(&arguments, outcome);
            runtime.block_on(notification.end(document));
            // A lookup or a read that no one waits for any more must not hold up the end.
            runtime.shutdown_background();
            code
        }
        Err(cause) => output::print(
            &arguments,
            Err(crate::error::Error::new(crate::error::Kind::Internal, "cannot start").caused_by(cause)),
        ),
    };
    ExitCode::from(code)
}
