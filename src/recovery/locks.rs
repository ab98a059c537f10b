//! Who holds a lock that is waited for, told while the waiting goes on.

use std::time::Duration;

use crate::error::Result;
use crate::model::timeline::{Event, Observer};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::patience::ServerTimeouts;
use crate::postgres::queries::blockers::{blockers, process};
use crate::postgres::session::Session;

/// A lock that is given up sooner is not worth a word.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// What a person is told of the wait for a lock on `what`.
pub(super) fn told(what: &str, patience: ServerTimeouts, holders: &str) -> Event {
    let seconds = patience.lock.as_secs_f64();
    Event::Noted(format!(
        "waiting for a lock on {what}, for {seconds:.0} s at most (--lock-timeout): {holders}"
    ))
}

/// Does `work` over the session, and tells who holds a lock that it waits for.
pub(super) async fn naming_holders<T>(
    database: &Conninfo,
    session: &Session,
    what: &str,
    observer: &dyn Observer,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let process = process(session).await?;
    tokio::pin!(work);
    let mut last = String::new();
    loop {
        tokio::select! {
            done = &mut work => return done,
            holders = look(database, process) => {
                if let Some(holders) = holders.filter(|holders| *holders != last) {
                    observer.observe(told(what, database.patience(), &holders));
                    last = holders;
                }
            }
        }
    }
}

/// Who holds up the process a while from now. A connection that cannot be had for it is no failure of the work.
async fn look(database: &Conninfo, process: i32) -> Option<String> {
    tokio::time::sleep(LOOK).await;
    let session = Session::connect(database).await.ok()?;
    blockers(&session, process).await.ok()?
}
