//! The log: what is in it, how it is written and where, and that it holds no secret.
//!
//! Without `-v`, `PAYCRAFT_LOG` and `--log-file` there is none, and an event costs one look at a number.

mod events;
pub mod format;
mod line;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;
use tracing::{Level, Metadata, Span, error, info, info_span};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

pub(super) use self::events::LoggedEvents;
use self::format::LogFormat;
use self::line::{Lines, LogDestination};
use super::global::GlobalArguments;
use super::outcome::{self, Report};
use crate::error::{Error, Kind, Result};
use crate::log;
use crate::model::redaction::Redactor;
use crate::model::secret::Secret;

const VARIABLE: &str = "PAYCRAFT_LOG";
const OWN_TARGET: &str = "paycraft_dr";
/// Libraries that tell of keys, signatures or what is signed.
const NEVER_HEARD: [&str; 6] = [
    "aws_config",
    "aws_credential_types",
    "aws_runtime",
    "aws_sdk_sts",
    "aws_sigv4",
    "s3s",
];

/// The log of a run.
#[derive(Debug)]
pub(super) struct Log {
    secrets: Arc<RwLock<Redactor>>,
    run: Span,
    began: Instant,
}

impl Log {
    /// Begins the log that the flags and the environment ask for, if any.
    pub(super) fn begin(arguments: &GlobalArguments, verb: &str) -> Result<Option<Self>> {
        let wanted = std::env::var_os(VARIABLE).unwrap_or_default();
        let wanted = wanted.to_str().ok_or_else(|| bad_filter("it is no text"))?;
        let filter = filter(wanted, arguments.verbose, arguments.log_file.is_some())?;
        let place = match arguments.log_file.as_deref() {
            Some(path) => LogDestination::File(Arc::new(open(path)?)),
            None => LogDestination::Stderr,
        };
        let Some(filter) = filter else { return Ok(None) };
        let secrets: Arc<RwLock<Redactor>> = Arc::default();
        let lines = Lines {
            place,
            secrets: Arc::clone(&secrets),
        };
        let layer = fmt::layer().with_ansi(false).with_writer(lines);
        let layer: Box<dyn Layer<_> + Send + Sync> = match arguments.log_format {
            LogFormat::Text => layer.with_filter(filter_fn(may_be_heard)).boxed(),
            LogFormat::Json => {
                let layer = layer.json().flatten_event(true).with_current_span(false);
                layer.with_filter(filter_fn(may_be_heard)).boxed()
            }
        };
        Registry::default()
            .with(layer)
            .with(filter)
            .try_init()
            .map_err(|cause| Error::new(Kind::Internal, "cannot begin the log").caused_by(cause))?;
        let run = info_span!("run", verb);
        log::enter_phase(run.clone());
        run.in_scope(|| info!(version = env!("CARGO_PKG_VERSION"), "began"));
        Ok(Some(Self {
            secrets,
            run,
            began: Instant::now(),
        }))
    }

    /// From here on no line repeats one of the `secrets`.
    pub(super) fn withhold<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) {
        *self.secrets.write() = Redactor::for_lines(secrets);
    }

    /// The span of the whole run.
    pub(super) fn run(&self) -> &Span {
        &self.run
    }

    /// Tells how the run ended.
    pub(super) fn end(&self, outcome: &Result<Report, Error>) {
        let exit_code = outcome::exit_code(outcome);
        let seconds = self.began.elapsed().as_secs_f64();
        let failure = match outcome {
            Ok(report) => report.failure.as_ref(),
            Err(error) => Some(error),
        };
        log::enter_phase(self.run.clone());
        self.run.in_scope(|| match failure {
            None => info!(exit_code, seconds, "ended"),
            Some(error) => error!(exit_code, seconds, %error, causes = ?error.causes(), "ended"),
        });
    }
}

/// Waits until what was logged is in its file.
pub(super) fn flush() {
    line::flush();
}

/// What is logged; nothing where no log is wanted. A flag wins over the variable for this program's own events.
fn filter(wanted: &str, verbose: u8, has_file: bool) -> Result<Option<EnvFilter>> {
    let level = match (verbose, has_file && wanted.is_empty()) {
        (0, false) => None,
        (0, true) | (1, _) => Some(Level::INFO),
        (2, _) => Some(Level::DEBUG),
        _ => Some(Level::TRACE),
    };
    if wanted.is_empty() && level.is_none() {
        return Ok(None);
    }
    // The library takes a level that is written wrong for the name of a crate.
    let is_unclear =
        |part: &&str| !part.contains(['=', '[']) && part.parse::<Level>().is_err() && *part != "off";
    if let Some(part) = wanted
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .find(is_unclear)
    {
        return Err(bad_filter(&format!("{part:?} is no level")));
    }
    let filter = EnvFilter::builder()
        .with_regex(false)
        .parse(wanted)
        .map_err(|cause| bad_filter(&cause.to_string()))?;
    let own = level.and_then(|level| format!("{OWN_TARGET}={level}").parse().ok());
    Ok(Some(match own {
        Some(directive) => filter.add_directive(directive),
        None => filter,
    }))
}

fn bad_filter(why: &str) -> Error {
    Error::new(Kind::Usage, format!("{VARIABLE} is no filter: {why}")).hint(format!(
        "write a level (error, warn, info, debug, trace), or one for each part, such as {VARIABLE}=info,{OWN_TARGET}::store=debug"
    ))
}

/// Whether an event may be in any log. What libraries tell at the finest level holds headers, signatures and bodies.
fn may_be_heard(event: &Metadata<'_>) -> bool {
    let is_of = |name: &str| {
        let rest = event.target().strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    is_of(OWN_TARGET) || *event.level() <= Level::DEBUG && !NEVER_HEARD.iter().any(|name| is_of(name))
}

fn open(path: &Path) -> Result<File> {
    let opened = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path);
    opened.map_err(|cause| {
        let message = format!("cannot write the log to {}", path.display());
        Error::new(Kind::Usage, message)
            .caused_by(cause)
            .hint("name a file in a directory that you may write to with --log-file")
    })
}
