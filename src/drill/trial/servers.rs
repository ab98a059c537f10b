//! The servers of a trial: a source, a target once it is provisioned, a store, and the links to them, which can break.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::lock;
use crate::drill::cluster::Traits;
use crate::drill::database;
use crate::drill::proxy::Proxy;
use crate::drill::s3_faults::{FaultPlan, Relay};
use crate::drill::scenario::{FaultKind, Link, Scenario, Space};
use crate::drill::substrate::{DrillServer, Substrate};
use crate::error::{Error, Kind, Result};
use crate::model::key::BackupKey;
use crate::model::manifest::Manifest;
use crate::model::secret::Secret;
use crate::postgres::conninfo::{Conninfo, Side};
use crate::postgres::patience::ServerTimeouts;
use crate::store::retry;
use crate::store::{Location, Store};

/// Name of the rehearsed database, on both sides.
pub(super) const DATABASE: &str = "paycraft";

/// The decisions are those of a real run; only the waiting is shorter.
pub(super) const PATIENCE: ServerTimeouts = ServerTimeouts {
    lock: Duration::from_secs(1),
    silence: Duration::from_secs(6),
};
/// The same for the store.
const STORE_PATIENCE: retry::RetryPolicy = retry::RetryPolicy {
    attempts: 5,
    transfer_attempts: 10,
    connect: Duration::from_secs(2),
    answer: Duration::from_secs(2),
    transfer_answer: Duration::from_secs(2),
    first_pause: Duration::from_millis(20),
    // Not shorter than a rest: the SDK waits no longer than this.
    longest_pause: Duration::from_millis(1500),
    rest: Duration::from_millis(1100),
    total: Duration::from_secs(40),
    transfer_total: Duration::from_secs(40),
};

/// The servers and the links.
pub(super) struct TrialServers<'a> {
    pub(super) substrate: &'a Substrate,
    seed: u64,
    traits: Traits,
    source: LinkedServer,
    target: OnceCell<LinkedServer>,
    links: Option<StoreLink>,
    location: Location,
    store: Store,
    damaged: Mutex<BTreeSet<BackupKey>>,
}

/// A database server and the link to it, where that can break.
struct LinkedServer {
    proxy: Option<Proxy>,
    cluster: DrillServer,
}

/// What is between a client and the store.
struct StoreLink {
    proxy: Proxy,
    relay: Relay,
}

impl<'a> TrialServers<'a> {
    /// Starts what a scenario needs from the beginning. Where nothing breaks, nothing is in between.
    pub(super) async fn start(substrate: &'a Substrate, scenario: &Scenario, seed: u64) -> Result<Self> {
        let breaks = !scenario.faults.is_empty();
        let mut location = substrate.location().clone();
        let links = if breaks {
            let relay = Relay::start(substrate.store_address()).await?;
            let proxy = Proxy::start(relay.address(), seed).await?;
            location.endpoint = format!("http://{}", proxy.address());
            Some(StoreLink { proxy, relay })
        } else {
            None
        };
        let store = if breaks {
            Store::with_patience(&location, STORE_PATIENCE)
        } else {
            Store::new(&location)
        };
        let source = LinkedServer {
            cluster: substrate.server("source", Traits::default()).await?,
            proxy: None,
        };
        Ok(Self {
            substrate,
            seed,
            traits: Traits {
                is_durable: true,
                has_limited_disk: scenario.has(|what| *what == FaultKind::Space(Space::Target)),
            },
            source: source.linked(breaks, seed).await?,
            target: OnceCell::new(),
            links,
            location,
            store,
            damaged: Mutex::default(),
        })
    }

    /// The store, by way of its link.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Where the store is, by way of its link.
    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// The store as those see it whom no fault reaches.
    pub(super) fn direct_store(&self) -> &Store {
        self.substrate.store()
    }

    /// Which requests to the store fail.
    pub(super) fn requests(&self) -> Result<&FaultPlan> {
        let links = self.links.as_ref().ok_or_else(no_link)?;
        Ok(links.relay.plan())
    }

    /// The link, where the scenario breaks anything.
    pub(super) fn link(&self, link: Link) -> Result<&Proxy> {
        let proxy = match link {
            Link::Store => self.links.as_ref().map(|links| &links.proxy),
            Link::Source => self.source.proxy.as_ref(),
            Link::Target => self.target.get().and_then(|target| target.proxy.as_ref()),
        };
        proxy.ok_or_else(no_link)
    }

    /// The server of a side, where it has been started.
    pub(super) fn cluster(&self, side: Side) -> Result<&DrillServer> {
        let linked = match side {
            Side::Source => Some(&self.source),
            Side::Target => self.target.get(),
        };
        linked.map(|linked| &linked.cluster).ok_or_else(|| {
            Error::new(Kind::Usage, "the target is not there yet")
                .hint("let the fault strike in a later phase")
        })
    }

    /// Starts the target's server where that has not been done.
    pub(super) async fn provision(&self) -> Result<&DrillServer> {
        let start = async || {
            let cluster = self.substrate.server("target", self.traits).await?;
            let linked = LinkedServer { cluster, proxy: None };
            linked.linked(self.links.is_some(), self.seed).await
        };
        self.target
            .get_or_try_init(start)
            .await
            .map(|linked| &linked.cluster)
    }

    /// A database of a side, by way of the link to it.
    pub(super) fn database(&self, side: Side, name: &str) -> Result<Conninfo> {
        let database = Conninfo::parse(side, self.url(side, name)?.reveal())?;
        Ok(database.with_patience(PATIENCE))
    }

    /// The same as a URL, with the password in it.
    pub(super) fn url(&self, side: Side, name: &str) -> Result<Secret> {
        let cluster = self.cluster(side)?;
        Ok(cluster.url_by(self.port(side).unwrap_or(cluster.address()), name))
    }

    /// Where clients of a side connect to, if not to its server itself.
    pub(super) fn port(&self, side: Side) -> Option<SocketAddr> {
        let linked = match side {
            Side::Source => Some(&self.source),
            Side::Target => self.target.get(),
        };
        linked?.proxy.as_ref().map(Proxy::address)
    }

    /// A database of a side as its server's superuser sees it, by no link.
    pub(super) fn direct(&self, side: Side, name: &str) -> Result<Conninfo> {
        self.cluster(side)?.conninfo(side, name)
    }

    /// Makes an empty database on a side, in the place of one of that name, and the roles that the backup of
    /// `manifest` needs.
    pub(super) async fn create_database(
        &self,
        side: Side,
        name: &str,
        manifest: Option<&Manifest>,
    ) -> Result<()> {
        database::create(&self.direct(side, "postgres")?, name, manifest).await
    }

    /// Notes that a backup was damaged on purpose.
    pub(super) fn note_damaged(&self, key: BackupKey) {
        lock(&self.damaged).insert(key);
    }

    /// The backups that were damaged on purpose.
    pub(super) fn damaged(&self) -> BTreeSet<BackupKey> {
        lock(&self.damaged).clone()
    }

    /// A directory of its own for the temporary files of a process that runs a verb.
    pub(super) fn scratch(&self) -> Result<PathBuf> {
        let place = self.substrate.directory().join("scratch");
        std::fs::create_dir_all(&place).map_err(|cause| {
            Error::new(Kind::Usage, format!("cannot write into {}", place.display())).caused_by(cause)
        })?;
        Ok(place)
    }
}

impl LinkedServer {
    async fn linked(self, is_breakable: bool, seed: u64) -> Result<Self> {
        let proxy = if is_breakable {
            Some(Proxy::start(self.cluster.address(), seed).await?)
        } else {
            None
        };
        Ok(Self { proxy, ..self })
    }
}

fn no_link() -> Error {
    Error::new(Kind::Usage, "the link is not there yet").hint("let the fault strike in a later phase")
}
