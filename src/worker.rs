//! A thread that does one thing after the other, beside everything else.

use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Does what it is given, in that order. It begins with the first job, and never ends.
pub struct Worker {
    name: &'static str,
    /// Nothing where there is no thread to be had.
    jobs: OnceLock<Option<Sender<Job>>>,
    left: Mutex<usize>,
    changed: Condvar,
}

impl Worker {
    /// A worker whose thread has this name.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            jobs: OnceLock::new(),
            left: Mutex::new(0),
            changed: Condvar::new(),
        }
    }

    /// How many jobs are not done yet.
    pub fn left(&self) -> usize {
        *self.left.lock()
    }

    /// Does `job` behind all that it was given before.
    pub fn give(&'static self, job: impl FnOnce() + Send + 'static) {
        *self.left.lock() += 1;
        let job: Job = Box::new(job);
        let refused = match self.jobs.get_or_init(|| self.start()) {
            Some(jobs) => jobs.send(job).err().map(|refused| refused.0),
            None => Some(job),
        };
        // Without a thread there is only this one.
        if let Some(job) = refused {
            self.work(job);
        }
    }

    /// Ends when all that it was given before is done.
    pub async fn settled(&'static self) {
        if self.left() == 0 {
            return;
        }
        let (done, is_done) = oneshot::channel();
        self.give(move || {
            let _ = done.send(());
        });
        let _ = is_done.await;
    }

    /// Blocks until nothing is left, but no longer than that.
    pub fn finish(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut left = self.left.lock();
        while *left > 0 && !self.changed.wait_until(&mut left, deadline).timed_out() {}
    }

    fn start(&'static self) -> Option<Sender<Job>> {
        let (jobs, given) = mpsc::channel::<Job>();
        let work = move || given.into_iter().for_each(|job| self.work(job));
        let thread = thread::Builder::new().name(self.name.to_owned()).spawn(work);
        thread.is_ok().then_some(jobs)
    }

    fn work(&self, job: Job) {
        job();
        *self.left.lock() -= 1;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::Worker;

    #[test]
    fn jobs_are_done_in_order_and_waited_for() {
        static WORKER: Worker = Worker::new("test");
        let (go, wait) = mpsc::channel();
        let (done, told) = mpsc::channel();
        WORKER.give(move || {
            let _ = wait.recv();
        });
        for number in 0..3 {
            let done = done.clone();
            WORKER.give(move || {
                let _ = done.send(number);
            });
        }
        assert_eq!(WORKER.left(), 4);
        assert!(told.try_recv().is_err(), "the first is not done");
        go.send(()).expect("the worker waits");
        WORKER.finish(Duration::from_mins(1));
        assert_eq!(told.try_iter().collect::<Vec<u32>>(), [0, 1, 2]);
    }
}
