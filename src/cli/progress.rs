//! Progress while a verb runs: a bar per phase on a terminal, a line per phase elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::units::{duration, rate, size};
use crate::model::timeline::{Event, Observer, Phase};

/// The bar that is drawn, if one is.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

const REDRAW: Duration = Duration::from_millis(100);

/// Shows the events of a run on stderr.
#[derive(Debug)]
pub struct Progress {
    is_quiet: bool,
    running: Mutex<Option<Running>>,
    advice: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Running {
    began: Instant,
    bytes: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A display, or none where `quiet`. Warnings are shown in either case.
    pub fn new(quiet: bool) -> Self {
        Self {
            is_quiet: quiet,
            running: Mutex::default(),
            advice: Mutex::default(),
        }
    }

    /// What is to be done next if the run ends where it is now.
    pub fn advice(&self) -> Option<String> {
        self.advice.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn begin(phase: Phase) -> Running {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{prefix:<10} {spinner} {elapsed}"));
            bar.set_prefix(phase.name());
            bar.enable_steady_tick(REDRAW);
            bar
        });
        draw(bar.clone());
        Running {
            began: Instant::now(),
            bytes: 0,
            bar,
        }
    }
}

impl Observer for Progress {
    fn observe(&self, event: Event) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = running.as_ref().and_then(|running| running.bar.clone());
        match event {
            Event::Warned(warning) => {
                let warning = format!("warning: {warning}");
                match bar {
                    Some(bar) => bar.suspend(|| say(&warning)),
                    None => say(&warning),
                }
            }
            Event::Advised(advice) => {
                *self.advice.lock().unwrap_or_else(PoisonError::into_inner) = Some(advice);
            }
            _ if self.is_quiet => {}
            Event::Noted(note) => say(&note),
            Event::Began(phase) => *running = Some(Self::begin(phase)),
            Event::Expected(bytes) => {
                if let Some(bar) = bar {
                    bar.set_length(bytes);
                    bar.set_style(style(
                        "{prefix:<10} {bar:30} {binary_bytes:>11} of about {binary_total_bytes} {binary_bytes_per_sec:>13} {elapsed}",
                    ));
                }
            }
            Event::Bytes(bytes) => {
                if let Some(running) = running.as_mut() {
                    running.bytes += bytes;
                }
                if let Some(bar) = bar {
                    bar.inc(bytes);
                }
            }
            Event::Ended(phase) => {
                let Some(ended) = running.take() else { return };
                draw(None);
                if let Some(bar) = &ended.bar {
                    bar.finish_and_clear();
                }
                let seconds = ended.began.elapsed().as_secs_f64();
                let moved = if ended.bytes == 0 {
                    String::new()
                } else {
                    size(ended.bytes)
                };
                let line = format!(
                    "{phase:<10} {:>12} {moved:>11} {:>13}",
                    duration(seconds),
                    rate(ended.bytes, seconds)
                );
                say(line.trim_end());
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        draw(None);
        if let Some(bar) = running.and_then(|running| running.bar) {
            bar.finish_and_clear();
        }
    }
}

/// Writes `text`, which ends its line, to stderr: above the bar, where one is drawn.
pub(super) fn write_above(text: &str) {
    let bar = DRAWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let write = || {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    };
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn draw(bar: Option<ProgressBar>) {
    *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
