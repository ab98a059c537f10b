//! Failures that a test or a drill asks for: which operation, how it fails, how often.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::operation::Operation;

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is refused with this status, S3 error code and message, and nothing is done.
    Refused(u16, &'static str, &'static str),
    /// It is carried out, and its answer is lost.
    AnswerLost,
    /// It is never answered, and nothing is done.
    Silence,
    /// Its answer breaks off after so many bytes of the body.
    BodyCut(usize),
}

/// A failure to come: so many times for this operation.
#[derive(Debug)]
struct Planned {
    operation: Operation,
    failure: Failure,
    times: u32,
}

/// The failures to come, in the order they were asked for.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Planned>>);

impl Faults {
    /// Fails the next `times` requests for `operation`.
    pub(super) fn plan(&self, operation: Operation, failure: Failure, times: u32) {
        if times > 0 {
            self.lock().push(Planned {
                operation,
                failure,
                times,
            });
        }
    }

    /// The failure of a request for `operation` that has come now, where one was asked for.
    pub(super) fn strike(&self, operation: Operation) -> Option<Failure> {
        let mut planned = self.lock();
        let place = planned
            .iter()
            .position(|planned| planned.operation == operation)?;
        let failure = planned[place].failure;
        planned[place].times -= 1;
        planned.retain(|planned| planned.times > 0);
        Some(failure)
    }

    /// How many have not struck yet.
    pub(super) fn left(&self) -> u32 {
        self.lock().iter().map(|planned| planned.times).sum()
    }

    /// Forgets those that have not struck yet.
    pub(super) fn heal(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Planned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
