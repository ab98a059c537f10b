//! A connection and the task that drives it.

mod logged;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tracing::{Span, debug, info_span};

use super::connector::{self, NotOpened};
use super::conninfo::{Conninfo, Side};
use super::patience::ServerTimeouts;
use crate::error::{Error, Result, chain};
use crate::log::{self, Wait};

/// What a server answers to a wrong user, password or database name.
const ACCESS_CODES: [SqlState; 3] = [
    SqlState::INVALID_PASSWORD,
    SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
    SqlState::INVALID_CATALOG_NAME,
];

/// A host may have two addresses, of which one leads nowhere; and a server that is reached may never let us in.
const CONNECT_STEPS: u32 = 3;

/// How long the end of a connection is waited for.
const FAREWELL: Duration = Duration::from_millis(250);

/// How many connections were begun. A log tells them apart by this.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// An open connection. Dropped, it is closed.
#[derive(Debug)]
pub struct Session {
    client: Client,
    side: Side,
    patience: ServerTimeouts,
    driver: Option<JoinHandle<()>>,
    number: u64,
    /// Where a look at what a statement waits for goes, while a log is kept.
    database: Option<Arc<Conninfo>>,
}

impl Session {
    /// Connects to the database.
    pub async fn connect(conninfo: &Conninfo) -> Result<Self> {
        let side = conninfo.side();
        let message = format!("cannot connect to the {side} database {conninfo}");
        let limit = conninfo.connect_timeout() * CONNECT_STEPS;
        let unreachable = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(side.kind(), &message)
                .caused_by(cause)
                .hint(conninfo.unreachable_hint())
        };
        let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed) + 1;
        let span = span(side, number);
        let wait = Wait::begin(&span, || format!("a connection to {conninfo}"));
        let began = Instant::now();
        let answer = timeout(limit, connector::open(conninfo)).await;
        drop(wait);
        let seconds = began.elapsed().as_secs_f64();
        let is_connected = matches!(&answer, Ok(Ok(_)));
        span.in_scope(|| debug!(database = %conninfo, is_connected, seconds, "tried to connect"));
        let answer =
            answer.map_err(|_| unreachable(format!("no answer within {} s", limit.as_secs()).into()))?;
        let (client, driver) = answer.map_err(|cause| {
            let cause = match cause {
                NotOpened::Socket(cause) => return unreachable(cause.into()),
                NotOpened::Refused(cause) => cause,
            };
            let hint = match (cause.code(), tls_trouble(&cause)) {
                (Some(code), _) if *code == SqlState::TOO_MANY_CONNECTIONS => {
                    format!(
                        "close other sessions of the {side}, or raise its server's max_connections or the CONNECTION LIMIT of \
                         the role or database"
                    )
                }
                (Some(code), _) if !ACCESS_CODES.contains(code) => {
                    format!("the {side}'s server answered and refused the connection: see its log")
                }
                (Some(_), _) => {
                    format!("check user, password and database name of the {side}'s connection string")
                }
                (None, _) if !conninfo.has_password() && asks_for_password(&cause) => {
                    return Error::new(side.kind(), &message)
                        .caused_by("the server asks for a password, and no password was given")
                        .hint(format!(
                            "set PGPASSWORD, add a line to ~/.pgpass (mode 600), or write the password into the {side}'s connection \
                             string, in a variable or a file"
                        ));
                }
                (None, Some(hint)) => hint.to_owned(),
                (None, None) => conninfo.unreachable_hint(),
            };
            refused(Error::new(side.kind(), &message), cause).hint(hint)
        })?;
        Ok(Self {
            client,
            side,
            patience: conninfo.patience(),
            driver: Some(driver),
            number,
            database: log::is_kept().then(|| Arc::new(conninfo.clone())),
        })
    }

    /// The connection itself. What is asked over it is in no log.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How long its server is waited for.
    pub fn patience(&self) -> ServerTimeouts {
        self.patience
    }

    /// Waits for `work` of this session within the idle timeout.
    pub async fn with_timeout<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let who = format!("the {}'s server", self.side);
        self.patience.with_timeout(self.side, &who, work).await
    }

    /// An error of this side's kind about `what`, with PostgreSQL's own words.
    pub fn failed(&self, what: impl Into<String>, cause: tokio_postgres::Error) -> Error {
        let side = self.side;
        let hint = match cause.code() {
            Some(code) if *code == SqlState::DISK_FULL => {
                format!("make space on the disk of the {side}'s server, and try again")
            }
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
                format!("give the {side}'s role the right to do this, or connect as another role")
            }
            _ => format!("see the {side} server's log, and try again"),
        };
        refused(Error::new(side.kind(), what), cause).hint(hint)
    }
}

/// A connection at work, within the phase that it works for.
fn span(side: Side, number: u64) -> Span {
    info_span!(parent: log::phase(), "connection", side = %side, number)
}

/// Whether the server wanted a password, and the library found none to send.
fn asks_for_password(cause: &tokio_postgres::Error) -> bool {
    std::error::Error::source(cause).is_some_and(|why| why.to_string() == "password missing")
}

/// What to do where a connection was made and could not be encrypted as asked.
fn tls_trouble(cause: &tokio_postgres::Error) -> Option<&'static str> {
    // What the TLS library says arrives wrapped in an I/O error, which shows it only as its inner error.
    let told: String = chain(cause).map(ToString::to_string).collect();
    if told.contains("does not support TLS") {
        Some(
            "the server takes no encrypted connections: turn its ssl on, or say sslmode=disable if the network is yours",
        )
    } else if told.contains("not valid for name") || told.contains("NotValidForName") {
        Some("the server's certificate is for another host: use the host it names, or sslmode=verify-ca")
    } else if told.contains("invalid peer certificate") {
        Some(
            "the server's certificate is not from an authority in sslrootcert: name the right root certificate there",
        )
    } else {
        None
    }
}

/// The error with what the server said, or with what happened to the connection.
///
/// Detail and context may quote rows, and rows hold what no log may see: the detail is left out, and of the context all but
/// where it was.
fn refused(error: Error, cause: tokio_postgres::Error) -> Error {
    let Some(refusal) = cause.as_db_error() else {
        return error.caused_by(cause);
    };
    let place = refusal.where_().and_then(|place| place.split(':').next());
    let context = place.map(|place| format!(" ({place})")).unwrap_or_default();
    error.caused_by(format!("{}{context}", refusal.message()))
}

impl Drop for Session {
    /// The connection is closed once the server has answered what was sent: a pooler that is left in the middle of an answer may
    /// give the rest of it to the next client. A statement under way is not waited for.
    fn drop(&mut self) {
        let Some(mut driver) = self.driver.take() else {
            return;
        };
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    if timeout(FAREWELL, &mut driver).await.is_err() {
                        driver.abort();
                    }
                });
            }
            Err(_) => driver.abort(),
        }
    }
}
