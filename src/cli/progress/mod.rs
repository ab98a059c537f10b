//! Progress while a verb runs: one line that is drawn again and again on a terminal, and lines now and then elsewhere.

mod board;
pub mod line;
pub(super) mod screen;
mod steps;

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use parking_lot::{Mutex, MutexGuard};

use self::board::{Board, EndedPhase};
pub(super) use self::steps::steps;
use super::units::{duration, rate, size};
use crate::model::timeline::{Event, Observer, Phase};

const REDRAW: Duration = Duration::from_millis(100);
/// How often it is looked whether a line is due where no terminal is.
const LOOK: Duration = Duration::from_secs(1);
/// Of a terminal that does not tell.
const USUAL_COLUMNS: usize = 80;

/// Shows the events of a run on stderr.
#[derive(Debug)]
pub struct Progress {
    is_quiet: bool,
    is_terminal: bool,
    board: Arc<Mutex<Board>>,
    advice: Mutex<Option<String>>,
    /// Dropped, it ends the thread that writes lines where no terminal is.
    _lines: Option<Sender<()>>,
}

impl Progress {
    /// A display of a run of these steps, or none where `quiet`. Warnings are shown in either case.
    pub fn new(quiet: bool, steps: Vec<Phase>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let board = Arc::new(Mutex::new(Board::new(steps)));
        let lines = (!quiet && !is_terminal).then(|| write_lines(Arc::clone(&board)));
        Self {
            is_quiet: quiet,
            is_terminal,
            board,
            advice: Mutex::default(),
            _lines: lines,
        }
    }

    /// What is to be done next if the run ends where it is now.
    pub fn advice(&self) -> Option<String> {
        self.advice.lock().clone()
    }

    /// Draws the line from now on.
    fn draw(&self) {
        if !self.is_terminal {
            return;
        }
        let board = Arc::clone(&self.board);
        let shown = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            if let Some(shown) = lock(&board).shown(Instant::now()) {
                let _ = out.write_str(&line::line(&shown, columns()));
            }
        };
        screen::draw(|| {
            let style =
                ProgressStyle::with_template("{line}").unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style.with_key("line", shown));
            bar.enable_steady_tick(REDRAW);
            bar
        });
    }
}

impl Observer for Progress {
    fn observe(&self, event: Event) {
        match &event {
            Event::Warned(warning) => return say(&format!("warning: {warning}")),
            Event::Advised(advice) => {
                *self.advice.lock() = Some(advice.clone());
                return;
            }
            _ if self.is_quiet => return,
            Event::Noted(note) => return say(note),
            _ => {}
        }
        let ended = lock(&self.board).take(&event, Instant::now());
        match event {
            Event::Began(_) | Event::Doing(_) => self.draw(),
            Event::Ended(phase) => {
                screen::clear();
                if let Some(ended) = ended {
                    say(&told(phase, ended));
                }
            }
            _ => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        screen::clear();
    }
}

/// The line of a phase that ended.
fn told(phase: Phase, ended: EndedPhase) -> String {
    let EndedPhase { seconds, bytes } = ended;
    let moved = if bytes == 0 { String::new() } else { size(bytes) };
    let line = format!(
        "{phase:<10} {:>12} {moved:>11} {:>13}",
        duration(seconds),
        rate(bytes, seconds)
    );
    line.trim_end().to_owned()
}

/// Lets a thread write lines that are due, until the sender is dropped.
fn write_lines(board: Arc<Mutex<Board>>) -> Sender<()> {
    let (sender, ended) = mpsc::channel();
    let write = move || {
        while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let due = lock(&board).due(Instant::now());
            if let Some(shown) = due {
                say(&line::plain(&shown));
            }
        }
    };
    // Without the thread only these lines are missing.
    let _ = thread::Builder::new().name("progress".to_owned()).spawn(write);
    sender
}

/// How wide the terminal is now.
fn columns() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    size.map_or(USUAL_COLUMNS, |(width, _)| usize::from(width.0))
}

/// Takes the line away until the next phase, for a question that a person types an answer to.
pub(super) fn clear() {
    screen::clear();
    screen::flush();
}

fn say(line: &str) {
    screen::write_above(format!("{line}\n"));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
