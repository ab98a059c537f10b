//! Where the servers of a drill run: as processes of this machine, in a directory of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use tempfile::TempDir;

use super::cluster::{Cluster, Traits};
use super::s3_server::{Credentials, Rules, S3Server};
use super::server_user::ServerUser;
use crate::error::{Error, Kind, Result};
use crate::model::secret::Secret;
use crate::postgres::tools::{Installation, Tools};
use crate::store::{Location, Store};

const BUCKET: &str = "paycraft-backups";
/// Two clusters with their own catalogs and some WAL.
const CLUSTERS_BYTES: u64 = 400 << 20;
/// Tables with their indexes on both sides, WAL of both, and the object: per byte of COPY text.
const BYTES_PER_BYTE: u64 = 7;

/// A private directory, a store in it, and room for clusters.
#[derive(Debug)]
pub struct Substrate {
    // Fields are dropped in this order: the server before its files.
    server: S3Server,
    store: Store,
    location: Location,
    installation: Installation,
    user: ServerUser,
    directory: TempDir,
}

impl Substrate {
    /// What a drill calls this substrate.
    pub const NAME: &str = "local";

    /// Makes the directory and starts the store, if there is room for a drill with `size_bytes` of COPY text.
    pub async fn start(tools: &Tools, size_bytes: u64) -> Result<Self> {
        let installation = tools.newest_with_server()?.clone();
        let user = ServerUser::suitable()?;
        let directory = scratch(size_bytes)?;
        user.take_over(directory.path())?;
        let credentials = Credentials {
            access_key_id: "drill".to_owned(),
            secret_access_key: format!("{:032x}", rand::random::<u128>()),
        };
        let server = S3Server::start(
            &directory.path().join("store"),
            BUCKET,
            credentials.clone(),
            Rules::R2,
        )
        .await?;
        let location = Location {
            endpoint: server.endpoint(),
            bucket: BUCKET.to_owned(),
            access_key_id: credentials.access_key_id,
            secret_access_key: Secret::new(credentials.secret_access_key),
        };
        Ok(Self {
            server,
            store: Store::new(&location),
            location,
            installation,
            user,
            directory,
        })
    }

    /// The major version of its PostgreSQL.
    pub fn server_version(&self) -> String {
        self.installation.major.to_string()
    }

    /// A directory for whatever else a drill keeps in files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the store's server listens.
    pub fn store_address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The store, as any client sees it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where the store is, for another client than ours.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Starts a PostgreSQL cluster in a directory `name`.
    pub async fn cluster(&self, name: &str, traits: Traits) -> Result<Cluster> {
        let directory = self.directory.path().join(name);
        Cluster::start(&self.installation, &directory, self.user, traits).await
    }

    /// Stops the store and removes the directory. Clusters must have been dropped before. Tells what could not be removed.
    pub async fn tear_down(self) -> Vec<String> {
        let uploads = self.server.open_uploads();
        let mut left: Vec<String> = uploads
            .iter()
            .map(|key| format!("an open upload of {key}"))
            .collect();
        self.server.stop().await;
        let place: PathBuf = self.directory.path().to_owned();
        if let Err(cause) = self.directory.close() {
            left.push(format!("the directory {} ({cause})", place.display()));
        }
        left
    }
}

fn scratch(size_bytes: u64) -> Result<TempDir> {
    let place = std::env::temp_dir();
    let space = statvfs(&place).map_err(|cause| no_room(&place, cause.into()))?;
    let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
    let needed_bytes = CLUSTERS_BYTES.saturating_add(size_bytes.saturating_mul(BYTES_PER_BYTE));
    if free_bytes < needed_bytes {
        let message = format!(
            "a drill of this size needs about {} MiB in {}, and {} MiB are free",
            needed_bytes >> 20,
            place.display(),
            free_bytes >> 20
        );
        return Err(Error::new(Kind::Usage, message)
            .hint("free some space there, name another directory in TMPDIR, or give a smaller --scale"));
    }
    tempfile::Builder::new()
        .prefix("paycraft-drill-")
        .tempdir()
        .map_err(|cause| no_room(&place, cause))
}

fn no_room(place: &std::path::Path, cause: std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("cannot write into {}", place.display()))
        .caused_by(cause)
        .hint("free some space there, or name another directory in TMPDIR")
}
