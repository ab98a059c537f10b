//! The only printer of results.

use std::io::Write;

use super::args::Arguments;
use super::render;
use super::report::{self, Report};
use crate::error::Error;

/// Prints what a run came to and returns its exit code. A reader that went away is no failure of ours.
pub(super) fn print(arguments: &Arguments, outcome: Result<Report, Error>) -> u8 {
    let exit_code = report::exit_code(&outcome);
    if arguments.json {
        let document = report::document(arguments.command.name(), &outcome);
        let _ = writeln!(std::io::stdout().lock(), "{document}");
        return exit_code;
    }
    let failure = match outcome {
        Ok(report) => {
            let text = render::text(&report, arguments.verbose);
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            report.failure
        }
        Err(error) => Some(error),
    };
    if let Some(error) = failure {
        let _ = write!(std::io::stderr().lock(), "{}", render::error(&error));
    }
    exit_code
}
