//! How long a target is waited for in which statements run that say nothing until they end.

use std::time::Instant;

use crate::error::Error;
use crate::postgres::conninfo::Side;
use crate::postgres::queries;
use crate::postgres::session::Session;

/// Ends when nothing of ours was seen at work in the target within the idle timeout. An index may take hours, and is seen.
/// `who` is at work.
pub(super) async fn silence(session: &Session, who: &str) -> Error {
    const LOOKS: u32 = 10;
    let patience = session.patience();
    let mut last_seen = Instant::now();
    while last_seen.elapsed() < patience.silence {
        tokio::time::sleep(patience.silence / LOOKS).await;
        if queries::loading::program_works(session).await.unwrap_or(false) {
            last_seen = Instant::now();
        }
    }
    patience.too_long(Side::Target, who)
}
