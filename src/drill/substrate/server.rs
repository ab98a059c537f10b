//! A PostgreSQL server, wherever it runs.

use std::net::SocketAddr;

use super::containers::PostgresContainer;
use crate::drill::cluster::Cluster;
use crate::error::Result;
use crate::model::secret::Secret;
use crate::postgres::conninfo::{Conninfo, Side};

/// A running server. Dropped, it goes with its data; [`Substrate::tear_down`](super::Substrate::tear_down) waits for that.
#[derive(Debug)]
pub enum DrillServer {
    /// Processes of this machine.
    Local(Cluster),
    Container(Box<PostgresContainer>),
}

impl DrillServer {
    /// How to reach a database of this server as its superuser.
    pub fn conninfo(&self, side: Side, database: &str) -> Result<Conninfo> {
        Conninfo::parse(side, self.url(database).reveal())
    }

    /// The same as a URL, with the password in it.
    pub fn url(&self, database: &str) -> Secret {
        self.url_by(self.address(), database)
    }

    /// The same by way of another address that leads to this server.
    pub(in crate::drill) fn url_by(&self, address: SocketAddr, database: &str) -> Secret {
        match self {
            Self::Local(cluster) => cluster.url_by(address, database),
            Self::Container(server) => server.url_by(address, database),
        }
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Local(cluster) => cluster.address(),
            Self::Container(server) => server.address(),
        }
    }

    /// Ends the server as a crash would: without a checkpoint, with all its connections.
    pub async fn crash(&self) -> Result<()> {
        match self {
            Self::Local(cluster) => cluster.crash().await,
            Self::Container(server) => server.crash().await,
        }
    }

    /// Starts the server again after [`crash`](Self::crash), and waits until it answers a query.
    pub async fn start_again(&self) -> Result<()> {
        match self {
            Self::Local(cluster) => cluster.start_again().await,
            Self::Container(server) => server.start_again().await,
        }
    }

    /// Stops the server's processes: it holds its connections, and answers none.
    pub async fn pause(&self) -> Result<()> {
        match self {
            Self::Local(cluster) => {
                cluster.pause();
                Ok(())
            }
            Self::Container(server) => server.pause().await,
        }
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub async fn resume(&self) -> Result<()> {
        match self {
            Self::Local(cluster) => {
                cluster.resume();
                Ok(())
            }
            Self::Container(server) => server.resume().await,
        }
    }

    /// Leaves no room on the disk of a server with a limited one.
    pub async fn fill_disk(&self) -> Result<()> {
        match self {
            Self::Local(cluster) => cluster.fill_disk().await,
            Self::Container(server) => server.fill_disk().await,
        }
    }

    /// Gives the room back after [`fill_disk`](Self::fill_disk).
    pub async fn free_disk(&self) -> Result<()> {
        match self {
            Self::Local(cluster) => cluster.free_disk().await,
            Self::Container(server) => server.free_disk().await,
        }
    }
}
