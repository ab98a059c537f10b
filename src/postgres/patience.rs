//! How long a server is waited for that neither answers nor ends.
//!
//! TCP does not tell a peer that thinks from one that is gone or stopped: without a limit, a restore would wait for ever.

use std::time::Duration;

use super::side::Side;
use crate::error::{Error, Result};

/// How long a server is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTimeouts {
    /// For a lock that another session holds.
    pub lock: Duration,
    /// For the next sign of life of rows on their way, or of a program at work.
    pub silence: Duration,
}

impl Default for ServerTimeouts {
    fn default() -> Self {
        Self {
            lock: Duration::from_mins(5),
            silence: Duration::from_mins(15),
        }
    }
}

/// How the error of a silence is worded.
const SAID_NOTHING: &str = "said nothing for";

impl ServerTimeouts {
    /// The same, which waits so long for a lock: a server that waits for one says nothing meanwhile.
    #[must_use]
    pub fn waiting_for_locks(self, lock: Duration) -> Self {
        Self {
            lock,
            silence: self.silence.max(lock + Duration::from_mins(1)),
        }
    }

    /// Waits for `work` within the idle timeout. Where that is over, `who`, on `side`, did not answer.
    pub async fn with_timeout<T>(self, side: Side, who: &str, work: impl Future<Output = T>) -> Result<T> {
        let worked = tokio::time::timeout(self.silence, work).await;
        worked.map_err(|_| self.too_long(side, who))
    }

    /// The error of a silence that was too long.
    pub fn too_long(self, side: Side, who: &str) -> Error {
        let seconds = self.silence.as_secs_f64();
        Error::new(side.kind(), format!("{who} {SAID_NOTHING} {seconds:.0} s")).hint(format!(
            "see what the {side}'s server is doing (pg_stat_activity) and whether the network still leads there, then try again"
        ))
    }

    /// Whether the error is one of [`ServerTimeouts::too_long`].
    pub fn is_too_long(error: &Error) -> bool {
        error.message().contains(SAID_NOTHING)
    }
}
