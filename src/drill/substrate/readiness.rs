//! When an S3 server that was just started can be used.

use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, Kind, Result};
use crate::store::retry::RetryPolicy;
use crate::store::{Location, Store};

const PROBE_BUCKET: &str = "drill-probe";
const PROBE_KEY: &str = "drill-probe";
const START_TIMEOUT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);
/// A server that is just starting is asked again, and not waited for.
const PATIENCE: RetryPolicy = RetryPolicy {
    attempts: 1,
    transfer_attempts: 1,
    connect: Duration::from_secs(1),
    answer: Duration::from_secs(5),
    transfer_answer: Duration::from_secs(5),
    first_pause: Duration::from_millis(20),
    longest_pause: Duration::from_millis(20),
    rest: Duration::from_millis(20),
    total: Duration::from_secs(10),
    transfer_total: Duration::from_secs(10),
};

/// An S3 server outside this process.
pub(super) trait Starting {
    /// Whether it still runs.
    async fn is_running(&mut self) -> bool;
    /// The last it said.
    async fn said(&self) -> String;
}

/// Waits until the server takes an object, returns it and removes it. `location` names no bucket of a drill's.
pub(super) async fn ready(server: &mut impl Starting, location: &Location) -> Result<()> {
    let location = Location {
        bucket: PROBE_BUCKET.to_owned(),
        ..location.clone()
    };
    let store = Store::with_patience(&location, PATIENCE);
    let deadline = Deadline::after(START_TIMEOUT);
    loop {
        let Err(cause) = try_out(&store).await else {
            return Ok(());
        };
        let what = if deadline.is_over() {
            "does not work"
        } else if !server.is_running().await {
            "ended at once"
        } else {
            deadline.pause(POLL).await;
            continue;
        };
        let mut causes = vec![cause.to_string()];
        causes.extend(cause.causes());
        causes.push(server.said().await);
        return Err(Error::new(Kind::Usage, format!("the S3 server {what}")).caused_by(causes.join("\n  ")));
    }
}

/// Readiness is what a backup will do, and not a line in a log: a listing answers seconds before a write does.
async fn try_out(store: &Store) -> Result<()> {
    store.create_bucket().await?;
    store.publish(PROBE_KEY, b"drill".to_vec(), "text/plain").await?;
    store.get(PROBE_KEY, 16).await?;
    store.delete(PROBE_KEY).await
}
