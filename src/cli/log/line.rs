//! A line of the log on its way out, without the secrets that are known.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::progress;
use crate::log;
use crate::model::redaction::Redactor;

/// Where lines go.
#[derive(Debug)]
pub(super) enum Place {
    /// Above the progress, where there is some.
    Stderr,
    /// A file.
    File(Mutex<File>),
}

/// Writes lines.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) place: Place,
    pub(super) secrets: Arc<RwLock<Redactor>>,
}

/// One event, which is written at once.
pub(super) struct Line<'a>(&'a Lines);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

impl Write for Line<'_> {
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
            Place::Stderr => progress::write_above(&text),
            Place::File(file) => {
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
