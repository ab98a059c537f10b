//! A line of the log on its way out, without the secrets that are known.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::progress::screen;
use crate::log;
use crate::model::redaction::Redactor;
use crate::worker::Worker;

/// Writes the file, so that a disk that takes its time holds up no event's teller.
static WRITER: Worker = Worker::new("log");
/// Whether it was told that lines are missing.
static HAS_FAILED: AtomicBool = AtomicBool::new(false);
/// Timeout for lines that wait at the end of the run.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) enum LogDestination {
    /// Above the progress, where there is some.
    Stderr,
    /// A file.
    File(Arc<File>),
}

#[derive(Debug)]
pub(super) struct Lines {
    pub(super) place: LogDestination,
    pub(super) secrets: Arc<RwLock<Redactor>>,
}

/// Waits until all is written.
pub(super) fn flush() {
    WRITER.finish(FLUSH_TIMEOUT);
}

/// One event, which is handed to whom writes it.
pub(super) struct LogLine<'a>(&'a Lines);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine(self)
    }
}

impl Write for LogLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let secrets = self.0.secrets.read();
        let text = secrets.redact(&text);
        let found = log::found_secrets();
        let text = match found.is_empty() {
            true => text,
            false => Redactor::for_lines(&found).redact(&text),
        };
        match &self.0.place {
            LogDestination::Stderr => screen::write_above(text),
            LogDestination::File(file) => {
                let file = Arc::clone(file);
                WRITER.give(move || {
                    let written = (&*file).write_all(text.as_bytes());
                    if let (Err(cause), false) = (written, HAS_FAILED.swap(true, Ordering::Relaxed)) {
                        screen::write_above(format!("warning: the log cannot be written: {cause}\n"));
                    }
                });
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
