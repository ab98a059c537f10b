//! What is shown on stderr while a verb runs, written by a thread of its own: where a terminal is stopped or a pipe is not read, the
//! run goes on, and only its lines wait.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;
use parking_lot::Mutex;

use crate::worker::Worker;

static WRITER: Worker = Worker::new("stderr");

/// The bar that is drawn, if one is. Only the writer waits for it.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// So many lines wait. Those that come then are left out, and counted.
const MOST_WAITING: usize = 10_000;
static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);

/// Timeout for lines that wait before a question, and at the end of the run.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

/// Writes `text`, which ends its line: above the bar, where one is drawn.
pub(in crate::cli) fn write_above(text: String) {
    if WRITER.left() >= MOST_WAITING {
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        return;
    }
    WRITER.give(move || {
        let bar = DRAWN.lock().clone();
        let write = || {
            let mut stderr = std::io::stderr().lock();
            let left_out = LEFT_OUT.swap(0, Ordering::Relaxed);
            if left_out > 0 {
                let _ = writeln!(stderr, "({left_out} lines were left out, as none was read)");
            }
            let _ = stderr.write_all(text.as_bytes());
        };
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    });
}

/// Draws a bar from now on, unless one is drawn.
pub(super) fn draw(bar: impl FnOnce() -> ProgressBar + Send + 'static) {
    WRITER.give(|| {
        let mut drawn = DRAWN.lock();
        if drawn.is_none() {
            *drawn = Some(bar());
        }
    });
}

/// Takes the bar away until the next phase.
pub(super) fn clear() {
    WRITER.give(|| {
        let bar = DRAWN.lock().take();
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    });
}

/// Waits until all is written, for what comes behind it: a question that a person types an answer to, or the report.
pub(in crate::cli) fn flush() {
    WRITER.finish(FLUSH_TIMEOUT);
}
