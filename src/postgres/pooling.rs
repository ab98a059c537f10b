//! Whether one session is one server session: behind a pooler in transaction mode it is not, and what a session sets is lost.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;

use super::conninfo::Conninfo;
use super::session::Session;
use crate::error::{Error, Result};

/// How long a pooler may take for a second connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Refuses a pooler in transaction mode. `first` is a session of `conninfo` without a transaction under way. Otherwise this is how
/// programs had best connect: so that the server notices when they are gone, where it and every pooler before it take such a
/// connection.
///
/// Two sessions that are open at once have two server processes. Behind a pooler in transaction mode the second one is given the
/// process that served the first, as that is idle between its transactions; or, where the pooler takes turns, the first one is
/// answered by another process than before.
pub async fn refuse_transactions(first: &Session, conninfo: &Conninfo) -> Result<Conninfo> {
    let before = process(first, "SELECT pg_backend_pid()").await?;
    let checked = conninfo.with_connection_check();
    let connect = async {
        match Session::connect(&checked).await {
            Ok(session) => Ok::<_, Error>((session, checked)),
            Err(_) => Ok((Session::connect(conninfo).await?, conninfo.clone())),
        }
    };
    let second = timeout(PATIENCE, connect).await;
    let (second, best) = second.map_err(|_| {
        let message = format!("the {} {conninfo} gives no second connection", conninfo.side());
        Error::new(conninfo.side().kind(), message)
            .hint("raise the pooler's pool size, or connect to the server itself")
    })??;
    let other = process(&second, "BEGIN; SELECT pg_backend_pid()").await?;
    let shared = other == before || {
        let after = timeout(PATIENCE, process(first, "SELECT pg_backend_pid()")).await;
        !matches!(after, Ok(Ok(after)) if after == before)
    };
    if shared {
        Err(conninfo.through_transactions())
    } else {
        Ok(best)
    }
}

/// The server process that answers. The simple protocol, as prepared statements are among what does not last.
async fn process(session: &Session, sql: &str) -> Result<String> {
    let answer = session.with_timeout(session.simple_query(sql)).await?;
    let rows = answer.map_err(|cause| session.failed("cannot ask for the server's process", cause))?;
    let row = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(row.unwrap_or_default().to_owned())
}
