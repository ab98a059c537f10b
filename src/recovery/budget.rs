//! How many connections a restore may open in its target.
//!
//! What is free is asked again before each stage: others come and go. A stage takes what was asked for, or what is free.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::postgres::examination::openness;
use crate::postgres::session::Session;

/// Connections that a restore needs beside the one that cleared the target: one that looks, and one that loads or reads.
const NEEDED: usize = 2;
/// How long after the last connection that we closed another may still come back.
const RETURN_TIMEOUT: Duration = Duration::from_millis(300);
const POLL: Duration = Duration::from_millis(20);

/// Refuses a target in which a restore cannot open as many connections as it needs. Nothing has been changed yet.
pub(super) async fn check(session: &Session) -> Result<()> {
    let free = free_soon(session, NEEDED).await?;
    if free >= NEEDED {
        return Ok(());
    }
    let message =
        format!("the target allows {free} more connections, and a restore needs {NEEDED} beside its first");
    Err(Error::new(Kind::Refused, message).hint(
        "close other sessions, or raise max_connections or the CONNECTION LIMIT of the role or database; --jobs adapts by itself",
    ))
}

/// How many connections may work side by side, of which some are `open` already: `jobs`, or as many as are free beside these, and at
/// least one.
pub(super) async fn connections(session: &Session, jobs: usize, open: usize) -> Result<usize> {
    let more = jobs.saturating_sub(open);
    if more == 0 {
        return Ok(jobs);
    }
    let free = free_soon(session, more).await?;
    Ok(jobs.min(open + free).max(1))
}

/// How many connections are free, once `wanted` are or none come back any more.
async fn free_soon(session: &Session, wanted: usize) -> Result<usize> {
    let (mut most, mut last_return) = (0, Instant::now());
    loop {
        let free = openness(session).await?.free_connections;
        let free = usize::try_from(free).unwrap_or(0);
        if free > most {
            (most, last_return) = (free, Instant::now());
        }
        if free >= wanted || last_return.elapsed() > RETURN_TIMEOUT {
            return Ok(free);
        }
        tokio::time::sleep(POLL).await;
    }
}
