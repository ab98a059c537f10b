//! The events of a run in its log: phases become spans, within which all else is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tracing::{Span, debug, info, info_span, trace, warn};

use crate::log;
use crate::model::timeline::{Event, Observer};

/// Logs each event and hands it on to the observer that shows it.
pub(in crate::cli) struct LoggedEvents<'a> {
    run: &'a Span,
    next: &'a dyn Observer,
    began: Mutex<Instant>,
    bytes: AtomicU64,
}

impl<'a> LoggedEvents<'a> {
    /// Logs the events of `run` before `next` is told.
    pub(in crate::cli) fn new(run: &'a Span, next: &'a dyn Observer) -> Self {
        Self {
            run,
            next,
            began: Mutex::new(Instant::now()),
            bytes: AtomicU64::new(0),
        }
    }

    fn log(&self, event: &Event) {
        match event {
            Event::Began(phase) => {
                *self.began.lock() = Instant::now();
                self.bytes.store(0, Ordering::Relaxed);
                let span = info_span!(parent: self.run, "step", phase = phase.name());
                span.in_scope(|| info!("phase began"));
                log::enter_phase(span);
            }
            Event::Bytes(bytes) => {
                self.bytes.fetch_add(*bytes, Ordering::Relaxed);
            }
            Event::Ended(_) => {
                let began = *self.began.lock();
                let (seconds, bytes) = (began.elapsed().as_secs_f64(), self.bytes.load(Ordering::Relaxed));
                log::phase().in_scope(|| info!(seconds, bytes, "phase ended"));
                log::enter_phase(self.run.clone());
            }
            Event::Expected(bytes) => log::phase().in_scope(|| debug!(bytes, "expected")),
            Event::Counted { what, done, of } => log::phase().in_scope(|| trace!(what, done, of, "counted")),
            Event::Doing(what) => log::phase().in_scope(|| debug!("{what}")),
            Event::Warned(warning) => log::phase().in_scope(|| warn!("{warning}")),
            Event::Noted(note) => log::phase().in_scope(|| info!("{note}")),
            Event::Advised(advice) => log::phase().in_scope(|| debug!(advice, "from here on")),
        }
    }
}

impl Observer for LoggedEvents<'_> {
    fn observe(&self, event: Event) {
        self.log(&event);
        self.next.observe(event);
    }
}
