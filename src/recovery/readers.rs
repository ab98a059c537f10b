//! Connections that ask a target several things side by side, and are kept from one step to the next.

use std::sync::Arc;

use parking_lot::Mutex;

use super::budget;
use crate::error::Result;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::be_patient;
use crate::postgres::session::Session;

/// Connections to one target. Each has the settings of [`be_patient`] and no others: a step that sets more takes that back, or keeps
/// the connection.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    target: Arc<Conninfo>,
    /// So many at most are at work.
    jobs: usize,
    idle: Arc<Mutex<Vec<Session>>>,
}

impl Readers {
    /// Opens none yet.
    pub(super) fn new(target: &Conninfo, jobs: usize) -> Self {
        Self {
            target: Arc::new(target.clone()),
            jobs,
            idle: Arc::default(),
        }
    }

    /// How many may work at so many questions: as many as there are jobs, or as the target, which `session` reaches too, has left.
    pub(super) async fn count(&self, session: &Session, questions: usize) -> Result<usize> {
        let wanted = self.jobs.clamp(1, questions.max(1));
        let open = self.idle.lock().len();
        budget::connections(session, wanted, open).await
    }

    /// One that is open, or a new one.
    pub(super) async fn take(&self) -> Result<Session> {
        let open = self.idle.lock().pop();
        if let Some(session) = open.filter(|session| !session.client().is_closed()) {
            return Ok(session);
        }
        let session = Session::connect(&self.target).await?;
        be_patient(&session).await?;
        Ok(session)
    }

    /// For the next step.
    pub(super) fn give_back(&self, session: Session) {
        self.idle.lock().push(session);
    }
}
