//! The events of a run with their times.

use std::time::Instant;

use parking_lot::Mutex;

use crate::model::timeline::{Event, Observer, Span, Timeline};

/// Writes the timeline of a run from its events and hands each on to the observer that shows them.
pub struct Recorder<'a> {
    began: Instant,
    timeline: Mutex<Timeline>,
    next: &'a dyn Observer,
}

impl<'a> Recorder<'a> {
    /// A timeline that begins now.
    pub fn new(next: &'a dyn Observer) -> Self {
        Self {
            began: Instant::now(),
            timeline: Mutex::default(),
            next,
        }
    }

    /// The phases that ended so far.
    pub fn spans(&self) -> Vec<Span> {
        self.lock().spans().to_vec()
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Timeline> {
        self.timeline.lock()
    }
}

impl Observer for Recorder<'_> {
    fn observe(&self, event: Event) {
        self.lock().record(self.began.elapsed(), &event);
        self.next.observe(event);
    }
}
