//! The servers that all are measured on.

use std::path::PathBuf;

use paycraft_dr::drill::cluster::Traits;
use paycraft_dr::drill::proxy::{Bandwidth, Direction, Latency, Proxy, Toxic};
use paycraft_dr::drill::substrate::{DrillServer, Environment, Substrate};
use paycraft_dr::postgres::conninfo::Side;
use paycraft_dr::postgres::session::Session;
use paycraft_dr::postgres::tools::{Installation, Tools};
use tempfile::TempDir;

use super::Outcome;
use super::sets::Set;

/// A way to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    Free,
    Throttled,
    FarAway,
}

impl Line {
    /// As the table shows it.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Throttled => "40 MB/s",
            Self::FarAway => "50 ms",
        }
    }
}

/// What a throttled line gives each connection, either way.
const RATE_KB: u64 = 40_000;
/// Half of the way there and back.
const LATENCY_MS: u64 = 25;

/// A database server with both sets in it, a store, and two worse ways to it.
pub(super) struct Place {
    // Dropped before the substrate, in whose directory it has its data.
    pub(super) server: DrillServer,
    pub(super) substrate: Substrate,
    pub(super) installation: Installation,
    pub(super) work: TempDir,
    /// The backup made last.
    pub(super) key: String,
    throttled: Proxy,
    far_away: Proxy,
    targets: u32,
}

impl Place {
    pub(super) async fn start(size_bytes: u64) -> Outcome<Self> {
        let tools = Tools::find(None, std::env::var_os("PATH").as_deref()).await?;
        let installation = tools.newest_with_server()?.clone();
        let substrate = Environment::local(&tools)?.substrate(size_bytes * 2).await?;
        let traits = Traits {
            is_durable: true,
            ..Traits::default()
        };
        let server = substrate.server("server", traits).await?;
        let store = substrate.store_address();
        let (throttled, far_away) = (Proxy::start(store, 1).await?, Proxy::start(store, 1).await?);
        for direction in [Direction::Upstream, Direction::Downstream] {
            let bandwidth = Bandwidth { rate_kb: RATE_KB };
            throttled.add(Toxic::Bandwidth(bandwidth), direction, None);
            let latency = Latency {
                latency_ms: LATENCY_MS,
                jitter_ms: 0,
            };
            far_away.add(Toxic::Latency(latency), direction, None);
        }
        let place = Self {
            server,
            substrate,
            installation,
            work: tempfile::tempdir()?,
            key: String::new(),
            throttled,
            far_away,
            targets: 0,
        };
        for set in [Set::Many, Set::Skewed] {
            place.create(set.database()).await?;
            let source = place.server.conninfo(Side::Source, set.database())?;
            set.fill(&Session::connect(&source).await?, size_bytes).await?;
        }
        Ok(place)
    }

    /// A database that is empty each time.
    pub(super) async fn target(&mut self) -> Outcome<String> {
        self.settle().await?;
        self.targets += 1;
        let name = self.last_target();
        self.create(&name).await?;
        Ok(name)
    }

    /// Drops the last target and has all written that was left to write, so that no contender pays for another.
    pub(super) async fn settle(&self) -> Outcome<()> {
        let session = Session::connect(&self.server.conninfo(Side::Target, "postgres")?).await?;
        for statement in [
            format!("DROP DATABASE IF EXISTS {} (FORCE)", self.last_target()),
            "CHECKPOINT".to_owned(),
        ] {
            session.client().batch_execute(&statement).await?;
        }
        tokio::task::spawn_blocking(rustix::fs::sync).await?;
        Ok(())
    }

    fn last_target(&self) -> String {
        format!("target_{}", self.targets)
    }

    async fn create(&self, name: &str) -> Outcome<()> {
        let session = Session::connect(&self.server.conninfo(Side::Source, "postgres")?).await?;
        Ok(session
            .client()
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await?)
    }

    /// The store, at the end of this line.
    pub(super) fn endpoint(&self, line: Line) -> String {
        match line {
            Line::Free => self.substrate.location().endpoint.clone(),
            Line::Throttled => format!("http://{}", self.throttled.address()),
            Line::FarAway => format!("http://{}", self.far_away.address()),
        }
    }

    /// A file that the shell procedure works with.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    pub(super) fn file_bytes(&self, name: &str) -> Outcome<u64> {
        Ok(std::fs::metadata(self.file(name))?.len())
    }
}
