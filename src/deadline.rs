//! Asking again and again until something is so, or the time is over.

use std::thread;
use std::time::{Duration, Instant};

/// When asking ends; never where that is further away than a clock can tell.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// So long from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now().checked_add(limit))
    }

    /// Whether the time is over.
    pub fn is_over(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// Waits before the next question; false where the time is over.
    pub async fn pause(self, pause: Duration) -> bool {
        if self.is_over() {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }

    /// The same, blocking the thread.
    pub fn pause_thread(self, pause: Duration) -> bool {
        if self.is_over() {
            return false;
        }
        thread::sleep(pause);
        true
    }
}
