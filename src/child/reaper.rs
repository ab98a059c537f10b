//! Waits for processes that were told to end, on a thread of its own.
//!
//! A value that is dropped must not block its thread: everything else may run on that. Dropped, it tells its processes to end and
//! hands the waiting over, and what may be done only behind that. The program ends when nothing of this is left.

use std::time::Duration;

use crate::worker::Worker;

/// Timeout for the end of the program: as long as any that it told to end may take, and then some.
const LAST_TIMEOUT: Duration = Duration::from_secs(30);

static REAPER: Worker = Worker::new("reaper");

/// Does `job`, which waits, behind all that was handed over before.
pub fn hand_over(job: impl FnOnce() + Send + 'static) {
    REAPER.give(job);
}

/// Does `job` at once where nothing is waited for, and else behind that.
pub fn once_ended(job: impl FnOnce() + Send + 'static) {
    if REAPER.left() == 0 {
        job();
    } else {
        REAPER.give(job);
    }
}

/// Ends when all that was handed over before is done.
pub async fn settled() {
    REAPER.settled().await;
}

/// Blocks until nothing is left to do, for a time. For the end of the program, and for what may block.
pub fn finish() {
    REAPER.finish(LAST_TIMEOUT);
}
