//! The only printer of results.

use std::io::Write;

use super::args::Arguments;
use super::outcome::{self, Report};
use super::text;
use crate::error::{Error, Kind};

/// Prints why the arguments cannot be used, or the help that was asked for, and returns the exit code.
pub(super) fn refuse(refusal: &clap::Error) -> u8 {
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    if refusal.use_stderr() && wants_json {
        let error = Error::new(Kind::Usage, refusal.kind().to_string())
            .caused_by(refusal.to_string().trim_end().to_owned())
            .hint("see `paycraft-dr --help`");
        let _ = writeln!(
            std::io::stdout().lock(),
            "{}",
            outcome::document(None, &Err(error))
        );
    } else {
        let _ = refusal.print();
    }
    u8::try_from(refusal.exit_code()).unwrap_or(Kind::Usage.exit_code())
}

/// Prints what a run came to and returns its exit code. A reader that went away is no failure of ours.
pub(super) fn print(arguments: &Arguments, outcome: Result<Report, Error>) -> u8 {
    let exit_code = outcome::exit_code(&outcome);
    if arguments.json {
        let document = outcome::document(Some(arguments.command.name()), &outcome);
        let _ = writeln!(std::io::stdout().lock(), "{document}");
        return exit_code;
    }
    let failure = match outcome {
        Ok(report) => {
            let text = report.done.text(arguments.verbose > 0);
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            report.failure
        }
        Err(error) => Some(error),
    };
    if let Some(error) = failure {
        let _ = write!(std::io::stderr().lock(), "{}", text::error(&error));
    }
    exit_code
}
