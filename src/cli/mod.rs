//! The command line: the only part of the program that reads the environment, prints, or decides the exit code.

/// What a user may type.
pub mod args;
/// Progress while a verb runs.
pub mod progress;
/// What was done, as text.
pub mod render;
/// What was done, as a value, and as JSON.
pub mod report;
/// One verb for one command.
pub mod run;
/// Flags and environment as validated values.
pub mod settings;

mod memory;
mod output;
mod units;

use std::process::ExitCode;

use clap::Parser;

use self::args::Arguments;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    memory::return_large_buffers();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => return ExitCode::from(output::refuse(&refusal)),
    };
    let code = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let outcome = runtime.block_on(run::run(&arguments));
            // A lookup or a read that no one waits for any more must not hold up the end.
            runtime.shutdown_background();
            output::print(&arguments, outcome)
        }
        Err(cause) => output::print(
            &arguments,
            Err(crate::error::Error::new(crate::error::Kind::Internal, "cannot start").caused_by(cause)),
        ),
    };
    ExitCode::from(code)
}
