//! Where the servers of drills run, and what they share.
//!
//! The `Ground` is prepared once per process and holds what many drills can use; each drill gets a `Substrate` on it, with a
//! store and servers of its own.

mod local;
mod server;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use self::local::Machine;
pub use self::server::Server;
use super::cluster::Traits;
use super::leash::Leash;
use super::s3_server::S3Server;
use crate::error::{Error, Kind, Result};
use crate::postgres::tools::Tools;
use crate::store::{Location, Store};

const BUCKET: &str = "paycraft-backups";
/// Waits for the end of its input and then removes the directory `$1`, once no server keeps its files there any more.
const CLEAR_AWAY: &str = r#"
    read -r _
    waited=0
    while [ $waited -lt 100 ] && ls "$1"/*/*/server >/dev/null 2>&1; do
        sleep 0.1
        waited=$((waited + 1))
    done
    rm -rf -- "$1"
"#;
/// How long the removal of a directory is waited for.
const CLEARING: Duration = Duration::from_secs(15);

/// What the drills of this process share.
#[derive(Debug)]
pub struct Ground {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // Fields are dropped in this order: whoever removes what a killed process leaves comes last.
    machine: Machine,
    directory: TempDir,
    _leash: Leash,
}

impl Ground {
    /// What drills on this machine share: the files that private servers begin from.
    pub fn prepare(tools: &Tools) -> Result<Self> {
        let machine = Machine::new(tools)?;
        let place = std::env::temp_dir();
        let directory = tempfile::Builder::new()
            .prefix("paycraft-drill-")
            .tempdir()
            .map_err(|cause| no_room(&place, cause))?;
        machine.user.take_over(directory.path())?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", CLEAR_AWAY, "clear-away"])
            .arg(directory.path())
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        let shared = Shared {
            _leash: Leash::hold(command, CLEARING)?,
            machine,
            directory,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        "local"
    }

    /// The major version of its PostgreSQL.
    pub fn server_version(&self) -> String {
        self.shared.machine.installation.major.to_string()
    }

    /// Starts what one drill with `size_bytes` of COPY text needs from its beginning, if there is room for it.
    pub async fn substrate(&self, size_bytes: u64) -> Result<Substrate> {
        let ground = Arc::clone(&self.shared);
        local::check_room(ground.directory.path(), size_bytes)?;
        let directory = tempfile::Builder::new()
            .prefix("drill-")
            .tempdir_in(ground.directory.path())
            .map_err(|cause| no_room(ground.directory.path(), cause))?;
        ground.machine.user.take_over(directory.path())?;
        let (server, location) = local::start_store(directory.path()).await?;
        Ok(Substrate {
            store_address: server.address(),
            store_server: server,
            store: Store::new(&location),
            location,
            directory,
            ground,
        })
    }

    /// Removes what the drills shared. Their substrates must have been torn down before.
    pub fn leave(self) -> Result<()> {
        let left = match Arc::into_inner(self.shared) {
            Some(shared) => removed(shared.directory),
            None => vec!["a drill that has not ended".to_owned()],
        };
        if left.is_empty() {
            return Ok(());
        }
        Err(
            Error::new(Kind::NotProven, format!("left behind: {}", left.join("; ")))
                .hint("remove it by hand"),
        )
    }
}

/// What one drill has: a store, a directory, and servers as it asks for them.
#[derive(Debug)]
pub struct Substrate {
    // Fields are dropped in this order: the server before its files, and the ground last.
    store_server: S3Server,
    store_address: SocketAddr,
    store: Store,
    location: Location,
    directory: TempDir,
    ground: Arc<Shared>,
}

impl Substrate {
    /// A directory for whatever else a drill keeps in files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the store's server listens.
    pub fn store_address(&self) -> SocketAddr {
        self.store_address
    }

    /// The store, as any client sees it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where the store is, for another client than ours.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Starts a PostgreSQL server. Servers of different names are different systems.
    pub async fn server(&self, name: &str, traits: Traits) -> Result<Server> {
        let ground = self.ground.directory.path();
        let cluster = self.ground.machine.server(ground, self.directory(), name, traits);
        cluster.await.map(Server::Local)
    }

    /// Stops the store and removes the directory. Servers must have been dropped before. Tells what was left open and what
    /// could not be removed.
    pub async fn tear_down(self) -> Vec<String> {
        let mut left: Vec<String> = match self.store.unfinished_uploads("").await {
            Ok(uploads) => uploads
                .iter()
                .map(|upload| format!("an open upload of {}", upload.key))
                .collect(),
            Err(error) => vec![format!("open uploads, perhaps: {error}")],
        };
        self.store_server.stop().await;
        left.extend(removed(self.directory));
        left
    }
}

/// Removes the directory, and tells it where that fails.
fn removed(directory: TempDir) -> Vec<String> {
    let place: PathBuf = directory.path().to_owned();
    let closed = directory.close();
    let left = closed.map_err(|cause| format!("the directory {} ({cause})", place.display()));
    left.err().into_iter().collect()
}

fn no_room(place: &Path, cause: std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("cannot write into {}", place.display()))
        .caused_by(cause)
        .hint("free some space there, or name another directory in TMPDIR")
}
