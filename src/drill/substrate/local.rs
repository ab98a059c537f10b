//! Servers as processes of this machine, in directories of their own, and a store in this process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::statvfs;
use tokio::sync::{Mutex, OnceCell};

use super::BUCKET;
use crate::drill::cluster::{Cluster, Template, Traits};
use crate::drill::s3_server::{Credentials, Rules, S3Server};
use crate::drill::server_user::ServerUser;
use crate::error::{Error, Kind, Result};
use crate::model::secret::Secret;
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
}

/// The template of each server's name, and of a limited disk: no two names of one drill are the same system.
type Templates = BTreeMap<(String, bool), Arc<OnceCell<Template>>>;

impl Machine {
    pub(super) fn new(tools: &Tools) -> Result<Self> {
        Ok(Self {
            installation: tools.newest_with_server()?.clone(),
            user: ServerUser::suitable()?,
            templates: Mutex::default(),
        })
    }

    /// Starts a server `name` in a drill's directory. Templates are kept in `ground`.
    pub(super) async fn server(
        &self,
        ground: &Path,
        directory: &Path,
        name: &str,
        traits: Traits,
    ) -> Result<Cluster> {
        let key = (name.to_owned(), traits.has_limited_disk);
        let place = ground.join(format!("template-{name}-{}", u8::from(traits.has_limited_disk)));
        let template = Arc::clone(self.templates.lock().await.entry(key).or_default());
        let make = async || Template::make(&self.installation, place, self.user, traits).await;
        let template = template.get_or_try_init(make).await?;
        let directory = directory.join(name);
        Cluster::start_from(template, &self.installation, &directory, self.user, traits).await
    }
}

/// Starts a store that keeps its files in a drill's directory.
pub(super) async fn start_store(directory: &Path) -> Result<(S3Server, Location)> {
    let credentials = Credentials {
        access_key_id: "drill".to_owned(),
        secret_access_key: format!("{:032x}", rand::random::<u128>()),
    };
    let server = S3Server::start(&directory.join("store"), BUCKET, credentials.clone(), Rules::R2).await?;
    let location = Location {
        endpoint: server.endpoint(),
        bucket: BUCKET.to_owned(),
        access_key_id: credentials.access_key_id,
        secret_access_key: Secret::new(credentials.secret_access_key),
    };
    Ok((server, location))
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
        "a drill of this size needs about {} MiB in {}, and {} MiB are free",
        needed_bytes >> 20,
        place.display(),
        free_bytes >> 20
    );
    Err(Error::new(Kind::Usage, message)
        .hint("free some space there, name another directory in TMPDIR, or give a smaller --scale"))
}
