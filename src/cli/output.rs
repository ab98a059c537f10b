//! The only printer of results.

use std::io::{ErrorKind, Write};

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

/// Prints what a run came to and returns its exit code. A reader that went away is no failure of ours; output that cannot be written is
/// one.
pub(super) fn print(arguments: &Arguments, outcome: Result<Report, Error>) -> u8 {
    let exit_code = outcome::exit_code(&outcome);
    let (text, failure) = if arguments.json {
        let document = outcome::document(Some(arguments.command.name()), &outcome);
        (format!("{document}\n"), None)
    } else {
        match outcome {
            Ok(report) => (report.done.text(arguments.verbose > 0), report.failure),
            Err(error) => (String::new(), Some(error)),
        }
    };
    let unwritten = write(&text).err();
    for error in unwritten.iter().chain(&failure) {
        let _ = write!(std::io::stderr().lock(), "{}", text::error(error));
    }
    match unwritten {
        Some(error) if exit_code == 0 => error.kind().exit_code(),
        _ => exit_code,
    }
}

fn write(text: &str) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            let error = Error::new(Kind::Usage, "the result cannot be written to standard output");
            Err(error.caused_by(cause).hint(
                "the command ran to its end, and only its report is lost: free space where its output goes",
            ))
        }
        _ => Ok(()),
    }
}
