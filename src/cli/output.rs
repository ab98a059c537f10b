//! The only printer of results.

use std::io::{ErrorKind, Write};

use super::global::GlobalArguments;
use super::outcome::{self, Report};
use super::text;
use crate::error::{Error, Kind};

/// Prints why the arguments cannot be used, or the help that was asked for, and returns the exit code.
pub(super) fn refuse(refusal: &clap::Error, program: &clap::Command) -> u8 {
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
        let text = refusal.render().ansi().to_string();
        let _ = match refusal.use_stderr() {
            true => write!(anstream::stderr().lock(), "{}", with_hint(&text, program)),
            false => write!(anstream::stdout().lock(), "{text}"),
        };
    }
    u8::try_from(refusal.exit_code()).unwrap_or(Kind::Usage.exit_code())
}

/// The refusal as the parser words it, with a hint at its end like every other error.
fn with_hint(text: &str, program: &clap::Command) -> String {
    let own = text.find("For more information").unwrap_or(text.len());
    let words: Vec<String> = std::env::args().skip(1).collect();
    let verb = words.iter().find(|word| !word.starts_with('-'));
    let is_one = |verb: &&String| program.find_subcommand(verb).is_some();
    let verb = verb
        .filter(is_one)
        .map_or_else(String::new, |verb| format!("{verb} "));
    format!(
        "{}\n\nhint: `paycraft-dr {verb}--help` shows what it takes, with examples\n",
        text[..own].trim_end()
    )
}

/// Prints what a command is doing that runs until it is ended.
#[cfg(feature = "drill")]
pub(super) fn announce(arguments: &GlobalArguments, verb: &str, report: Report) -> Result<(), Error> {
    match arguments.json {
        true => {
            let document = outcome::document(Some(verb), &Ok(report));
            write(std::io::stdout().lock(), &format!("{document}\n"))
        }
        false => write(
            anstream::stdout().lock(),
            &report.done.text(arguments.verbose > 0),
        ),
    }
}

/// Prints what a run came to and returns its exit code. A reader that went away is no failure of ours; output that cannot be written is
/// one.
pub(super) fn print(arguments: &GlobalArguments, verb: &str, outcome: Result<Report, Error>) -> u8 {
    let exit_code = outcome::exit_code(&outcome);
    let is_announced = |report: &Report| report.done.is_announced() && report.failure.is_none();
    if outcome.as_ref().is_ok_and(is_announced) {
        return exit_code;
    }
    let (written, failure) = if arguments.json {
        let document = outcome::document(Some(verb), &outcome);
        (write(std::io::stdout().lock(), &format!("{document}\n")), None)
    } else {
        let (text, failure) = match outcome {
            Ok(report) => (report.done.text(arguments.verbose > 0), report.failure),
            Err(error) => (String::new(), Some(error)),
        };
        // Colour goes only where a terminal shows it and `NO_COLOR` does not forbid it.
        (write(anstream::stdout().lock(), &text), failure)
    };
    let unwritten = written.err();
    for error in unwritten.iter().chain(&failure) {
        let _ = write!(anstream::stderr().lock(), "{}", text::error(error));
    }
    match unwritten {
        Some(error) if exit_code == 0 => error.kind().exit_code(),
        _ => exit_code,
    }
}

fn write(mut output: impl Write, text: &str) -> Result<(), Error> {
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
