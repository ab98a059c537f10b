//! A line of the log on its way out, without the secrets that are known.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::progress;
use crate::log;
use crate::model::redaction::Redactor;

#[derive(Debug)]
pub(super) enum LogDestination {
    /// Above the progress, where there is some.
    Stderr,
    File(Mutex<File>),
}

#[derive(Debug)]
pub(super) struct Lines {
    pub(super) place: LogDestination,
    pub(super) secrets: Arc<RwLock<Redactor>>,
}

/// One event, which is written at once.
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
            LogDestination::Stderr => progress::write_above(&text),
            LogDestination::File(file) => {
                let mut file = file.lock();
                file.write_all(text.as_bytes())?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
