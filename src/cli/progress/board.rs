//! What a run does now, as its events tell.

use std::time::{Duration, Instant};

use super::line::{Amount, PhaseProgress};
use crate::model::timeline::{Event, Phase};

/// Where no terminal is, a line is written after so long, and then in such pauses.
const FIRST_LINE: Duration = Duration::from_secs(10);
const NEXT_LINE: Duration = Duration::from_secs(30);

/// What runs, and which steps there are.
#[derive(Debug, Default)]
pub(super) struct Board {
    steps: Vec<Phase>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    phase: Option<Phase>,
    doing: Option<String>,
    amount: Amount,
    began: Instant,
    /// When the first of the amount was there.
    moving: Option<Instant>,
    /// When a line told of it last.
    told: Option<Instant>,
    /// All bytes of the phase.
    bytes: u64,
}

/// A phase that ended: how long it took, and what it moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct EndedPhase {
    pub(super) seconds: f64,
    pub(super) bytes: u64,
}

impl Running {
    fn new(now: Instant) -> Self {
        Self {
            phase: None,
            doing: None,
            amount: Amount::Unknown,
            began: now,
            moving: None,
            told: None,
            bytes: 0,
        }
    }
}

impl Board {
    pub(super) fn new(steps: Vec<Phase>) -> Self {
        Self { steps, running: None }
    }

    /// Takes note of an event at `now`. What a phase came to, where it ended.
    pub(super) fn take(&mut self, event: &Event, now: Instant) -> Option<EndedPhase> {
        match event {
            Event::Began(phase) => {
                self.running = Some(Running {
                    phase: Some(*phase),
                    ..Running::new(now)
                });
            }
            Event::Doing(what) => {
                let between = |running: &Running| running.phase.is_none();
                if self.running.as_ref().is_none_or(between) {
                    self.running = Some(Running::new(now));
                }
                if let Some(running) = &mut self.running {
                    running.doing = Some(what.clone());
                    running.amount = Amount::Unknown;
                    running.moving = None;
                }
            }
            Event::Expected(bytes) => self.change(now, |running| {
                running.amount = Amount::Bytes {
                    moved: 0,
                    expected: Some(*bytes),
                };
                running.moving = None;
            }),
            Event::Bytes(bytes) => self.change(now, |running| {
                running.bytes += bytes;
                running.moving.get_or_insert(now);
                let (moved, expected) = match running.amount {
                    Amount::Bytes { moved, expected } => (moved, expected),
                    _ => (0, None),
                };
                running.amount = Amount::Bytes {
                    moved: moved + bytes,
                    expected,
                };
            }),
            Event::Counted { what, done, of } => self.change(now, |running| {
                running.moving.get_or_insert(now);
                running.amount = Amount::Things {
                    what,
                    done: *done,
                    of: *of,
                };
            }),
            Event::Ended(_) => {
                let running = self.running.take()?;
                return Some(EndedPhase {
                    seconds: now.duration_since(running.began).as_secs_f64(),
                    bytes: running.bytes,
                });
            }
            Event::Warned(_) | Event::Noted(_) | Event::Advised(_) => {}
        }
        None
    }

    fn change(&mut self, now: Instant, change: impl FnOnce(&mut Running)) {
        change(self.running.get_or_insert_with(|| Running::new(now)));
    }

    /// What is to be shown at `now`; nothing where nothing runs.
    pub(super) fn shown(&self, now: Instant) -> Option<PhaseProgress> {
        let running = self.running.as_ref()?;
        let place = running
            .phase
            .and_then(|phase| self.steps.iter().position(|step| *step == phase));
        let since = |then: Instant| now.duration_since(then).as_secs_f64();
        Some(PhaseProgress {
            step: place.map(|place| (place + 1, self.steps.len())),
            phase: running.phase,
            doing: running.doing.clone(),
            amount: running.amount,
            seconds: since(running.began),
            moving_seconds: running.moving.map_or(0.0, since),
        })
    }

    /// The same where a line of it is due: early once, and then in longer pauses.
    pub(super) fn due(&mut self, now: Instant) -> Option<PhaseProgress> {
        let running = self.running.as_mut()?;
        let is_due = match running.told {
            None => now.duration_since(running.began) >= FIRST_LINE,
            Some(told) => now.duration_since(told) >= NEXT_LINE,
        };
        if !is_due {
            return None;
        }
        running.told = Some(now);
        self.shown(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Board, EndedPhase};
    use crate::cli::progress::line::{Amount, plain};
    use crate::model::timeline::{Event, Phase};

    #[test]
    fn a_phase_is_one_of_the_steps_and_tells_what_it_moved() {
        let mut board = Board::new(vec![Phase::Select, Phase::Transfer]);
        let began = Instant::now();
        assert!(board.shown(began).is_none());
        board.take(&Event::Began(Phase::Transfer), began);
        board.take(&Event::Expected(100), began);
        board.take(&Event::Bytes(40), began);
        let later = began + Duration::from_secs(4);
        let shown = board.shown(later).expect("a phase");
        assert_eq!((shown.step, shown.phase), (Some((2, 2)), Some(Phase::Transfer)));
        assert_eq!(
            plain(&shown),
            "step 2 of 2  transfer   40 %  40 B of about 100 B  10 B/s  6 s left"
        );
        let ended = board.take(&Event::Ended(Phase::Transfer), later);
        assert_eq!(
            ended,
            Some(EndedPhase {
                seconds: 4.0,
                bytes: 40
            })
        );
        assert!(board.shown(later).is_none());
    }

    #[test]
    fn work_between_phases_is_shown_until_the_next_one() {
        let mut board = Board::default();
        let now = Instant::now();
        board.take(&Event::Doing("starting servers".to_owned()), now);
        assert_eq!(
            board.shown(now).expect("work").doing.as_deref(),
            Some("starting servers")
        );
        let counted = Event::Counted {
            what: "known-bad backups",
            done: 1,
            of: 6,
        };
        board.take(&counted, now);
        board.take(&Event::Began(Phase::Select), now);
        let shown = board.shown(now).expect("a phase");
        assert_eq!((shown.doing, shown.amount), (None, Amount::Unknown));
    }

    #[test]
    fn a_line_is_due_early_once_and_then_seldom() {
        let mut board = Board::default();
        let began = Instant::now();
        board.take(&Event::Began(Phase::Verify), began);
        let due: Vec<u64> = (0..=100)
            .filter(|second| board.due(began + Duration::from_secs(*second)).is_some())
            .collect();
        assert_eq!(due, [10, 40, 70, 100]);
    }
}
