//! One restore at a time in a target, and nothing of an earlier one at work there.
//!
//! A restore holds an advisory lock on its target until that is verified. The lock belongs to a session, so it goes when its
//! restore ends, however that ends. Where it is ours, every other session that is named as a restore's is one of a dead run.

use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, Kind, Result};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::occupancy::{self, Occupant};
use crate::postgres::session::Session;

/// How long the lock of a restore is waited for that may be dead: its server looks for its client each second.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// Takes the target for one restore, as long as `session` lasts.
pub(super) async fn claim(target: &Conninfo, session: &Session) -> Result<()> {
    let deadline = Deadline::after(CLAIM_TIMEOUT);
    while !occupancy::claim(session).await? {
        if deadline.pause(POLL).await {
            continue;
        }
        check(target, session).await?;
        // The holder went in this very moment.
    }
    Ok(())
}

/// Refuses a target that another restore has.
pub(super) async fn check(target: &Conninfo, session: &Session) -> Result<()> {
    let Some(Occupant { process, described }) = occupancy::holder(session).await? else {
        return Ok(());
    };
    let message = format!("another restore into {target} is running: {described}");
    Err(Error::new(Kind::Refused, message).hint(format!(
        "wait until it ends; if its program is dead, end its session with SELECT pg_terminate_backend({process})"
    )))
}

/// Ends what dead restores left at work in the target, waits until it is gone, and tells whether there was any. `session` has claimed
/// the target.
///
/// The server ends a statement within a second of its client's death where it can tell; an index that it builds for a dead client would
/// hold its table for hours where it cannot.
pub(super) async fn end_leftovers(target: &Conninfo, session: &Session) -> Result<bool> {
    let deadline = Deadline::after(session.patience().lock);
    let mut was_any = false;
    loop {
        let left = occupancy::leftovers(session).await?;
        let Some(first) = left.first() else {
            return Ok(was_any);
        };
        was_any = true;
        let mut may_be_ended = true;
        for occupant in &left {
            may_be_ended &= occupancy::end(session, occupant.process).await?;
        }
        if !deadline.pause(POLL).await {
            let message = format!(
                "an earlier restore that was killed still works in {target}: {}",
                first.described
            );
            let hint = if may_be_ended {
                "wait until the server has ended it, and try again"
            } else {
                "end that session as its own role or as a superuser, with pg_terminate_backend, and try again"
            };
            return Err(Error::new(Kind::Refused, message).hint(hint));
        }
    }
}
