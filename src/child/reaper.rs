//! Waits for processes that were told to end, on a thread of its own.
//!
//! A value that is dropped must not block its thread: everything else may run on that. Dropped, it tells its processes to end and
//! hands the waiting over, and what may be done only behind that. The program ends when nothing of this is left.

use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// How long the end of the program waits: as long as any that it told to end may take, and then some.
const LAST_TIMEOUT: Duration = Duration::from_secs(30);

type Job = Box<dyn FnOnce() + Send>;

static REAPER: LazyLock<Reaper> = LazyLock::new(Reaper::start);

struct Reaper {
    /// Nothing where there is no thread to be had.
    jobs: Option<Sender<Job>>,
    left: Mutex<usize>,
    changed: Condvar,
}

impl Reaper {
    fn start() -> Self {
        let (jobs, handed_over) = mpsc::channel::<Job>();
        let work = move || {
            for job in handed_over {
                job();
                *REAPER.left.lock() -= 1;
                REAPER.changed.notify_all();
            }
        };
        let thread = thread::Builder::new().name("reaper".to_owned()).spawn(work);
        Self {
            jobs: thread.is_ok().then_some(jobs),
            left: Mutex::new(0),
            changed: Condvar::new(),
        }
    }
}

/// Does `job` behind all that was handed over before.
pub fn hand_over(job: impl FnOnce() + Send + 'static) {
    *REAPER.left.lock() += 1;
    let job: Job = Box::new(job);
    let refused = match &REAPER.jobs {
        Some(jobs) => jobs.send(job).err().map(|refused| refused.0),
        None => Some(job),
    };
    // Without a thread there is only this one.
    if let Some(job) = refused {
        job();
        *REAPER.left.lock() -= 1;
    }
}

/// Does `job` at once where nothing is waited for, and else behind that.
pub fn once_ended(job: impl FnOnce() + Send + 'static) {
    if *REAPER.left.lock() == 0 {
        job();
    } else {
        hand_over(job);
    }
}

/// Ends when all that was handed over before is done.
pub async fn settled() {
    let (done, is_done) = oneshot::channel();
    once_ended(move || {
        let _ = done.send(());
    });
    let _ = is_done.await;
}

/// Blocks until nothing is left to do, for a time. For the end of the program, and for what may block.
pub fn finish() {
    let deadline = Instant::now() + LAST_TIMEOUT;
    let mut left = REAPER.left.lock();
    while *left > 0 && !REAPER.changed.wait_until(&mut left, deadline).timed_out() {}
}
