//! A loopback proxy in front of a server, which lets what passes behave badly.
//!
//! The toxics and their meanings are Toxiproxy's.

mod connection;
mod direction;
mod ledger;
mod toxics;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use self::connection::serve;
pub use self::direction::Direction;
use self::ledger::Ledger;
pub use self::ledger::ToxicId;
pub use self::toxics::{Bandwidth, Latency, LimitData, ResetPeer, Slicer, SlowClose, Timeout, Toxic};
use crate::error::{Error, Kind, Result};

/// How long to wait before accepting again when that failed, which means that the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A port in front of a server. Dropped, it is closed, and all its connections are.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    ledger: Arc<Ledger>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// Listens on 127.0.0.1 on a free port and passes everything on to `upstream`. `seed` picks what toxics leave to chance.
    pub async fn start(upstream: SocketAddr, seed: u64) -> Result<Self> {
        let unusable = |cause: std::io::Error| {
            Error::new(Kind::Usage, "cannot listen on loopback")
                .caused_by(cause)
                .hint("allow ports on 127.0.0.1")
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let ledger = Arc::new(Ledger::new(seed));
        let serving = tokio::spawn(accept(listener, upstream, Arc::clone(&ledger)));
        Ok(Self {
            address,
            ledger,
            serving,
        })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Applies `toxic` to what flows in `direction` from now on, on open connections and on new ones; on at most so many
    /// `connections`, where a number is given. A connection counts from the first time the toxic does something to it.
    pub fn add(&self, toxic: Toxic, direction: Direction, connections: Option<u32>) -> ToxicId {
        self.ledger.add(toxic, direction, connections)
    }

    /// Whether the toxic has done something yet. What was removed is forgotten.
    pub fn has_fired(&self, id: ToxicId) -> bool {
        self.ledger.has_fired(id)
    }

    /// Takes the toxic away and lets go of what it held.
    pub fn remove(&self, id: ToxicId) {
        self.ledger.remove(id);
    }

    /// Takes every toxic away.
    pub fn heal(&self) {
        self.ledger.clear();
    }

    /// Resets every open connection.
    pub(super) fn reset_connections(&self) {
        self.ledger.reset_connections();
    }

    /// While it is down, open connections are reset, and so is every new one at once.
    pub fn set_down(&self, is_down: bool) {
        self.ledger.set_down(is_down);
    }

    /// How many bytes have passed in a direction, over all connections.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.ledger.bytes(direction)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, ledger: Arc<Ledger>) {
    // Dropping the set ends the connections.
    let mut connections = JoinSet::new();
    for number in 0.. {
        let client = loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => break client,
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
            }
        };
        connections.spawn(serve(client, upstream, number, Arc::clone(&ledger)));
    }
}
