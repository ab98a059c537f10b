//! Servers as processes of this machine, in directories of their own, and a store in this process or in one of its own.

mod store;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::statvfs;
use tokio::sync::{Mutex, OnceCell};

use self::store::StoreProcess;
pub(super) use self::store::start_inside;
use crate::drill::cluster::{Cluster, Template, Traits};
use crate::drill::server_user::ServerUser;
use crate::error::{Error, Kind, Result};
use crate::model::units::size;
use crate::postgres::tools::{Installation, Tools};
use crate::store::Location;

/// Two clusters with their own catalogs and some WAL.
const CLUSTERS_BYTES: u64 = 400 << 20;
/// Tables with their indexes on both sides, WAL of both, and the object: per byte of COPY text.
const BYTES_PER_BYTE: u64 = 7;

/// What servers on this machine are made from.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) installation: Installation,
    pub(super) user: ServerUser,
    templates: Mutex<Templates>,
    store: Option<StoreProcess>,
}

/// The template of each server's name, and of a limited disk: no two names of one drill are the same system.
type Templates = BTreeMap<(String, bool), Arc<OnceCell<Template>>>;

impl Machine {
    pub(super) fn new(tools: &Tools) -> Result<Self> {
        Ok(Self {
            installation: tools.newest_with_server()?.clone(),
            user: ServerUser::suitable()?,
            templates: Mutex::default(),
            store: None,
        })
    }

    /// Starts `program` as the S3 server of all drills. It keeps its files in `environment`.
    pub(super) async fn with_store(mut self, program: &Path, environment: &Path) -> Result<Self> {
        self.user.take_over(environment)?;
        self.store = Some(StoreProcess::start(program, environment, self.user).await?);
        Ok(self)
    }

    /// The program of that server.
    pub(super) fn store_program(&self) -> Option<&Path> {
        self.store.as_ref().map(StoreProcess::program)
    }

    /// A new bucket in that server, and where it listens; nothing where each drill has a server of its own.
    pub(super) async fn bucket(&self) -> Result<Option<(SocketAddr, Location)>> {
        match &self.store {
            None => Ok(None),
            Some(store) => Ok(Some((store.address(), store.bucket().await?))),
        }
    }

    /// Starts a server `name` in a drill's directory. Templates are kept in `environment`.
    pub(super) async fn server(
        &self,
        environment: &Path,
        directory: &Path,
        name: &str,
        traits: Traits,
    ) -> Result<Cluster> {
        let key = (name.to_owned(), traits.has_limited_disk);
        let place = environment.join(format!("template-{name}-{}", u8::from(traits.has_limited_disk)));
        let template = Arc::clone(self.templates.lock().await.entry(key).or_default());
        let make = async || Template::make(&self.installation, place, self.user, traits).await;
        let template = template.get_or_try_init(make).await?;
        let directory = directory.join(name);
        Cluster::start_from(template, &self.installation, &directory, self.user, traits).await
    }
}

/// An error unless there is room in `place` for a drill with `size_bytes` of COPY text.
pub(super) fn check_room(place: &Path, size_bytes: u64) -> Result<()> {
    let space = statvfs(place).map_err(|cause| super::no_room(place, cause.into()))?;
    let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
    let needed_bytes = CLUSTERS_BYTES.saturating_add(size_bytes.saturating_mul(BYTES_PER_BYTE));
    if free_bytes >= needed_bytes {
        return Ok(());
    }
    let place: PathBuf = std::env::temp_dir();
    let message = format!(
        "a drill of this size needs about {} in {}, and {} are free",
        size(needed_bytes),
        place.display(),
        size(free_bytes)
    );
    Err(Error::new(Kind::Usage, message)
        .hint("free some space there, name another directory in TMPDIR, or give a smaller --scale"))
}
