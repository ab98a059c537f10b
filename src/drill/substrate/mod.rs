//! Where the servers of drills run, and what they share.
//!
//! An `Environment` is prepared once per process and holds what many drills can use. Each drill gets a `Substrate` in it, with a
//! store and servers of its own.

mod containers;
mod local;
mod readiness;
mod server;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use self::containers::{Availability, EngineWithImages, SharedContainers};
pub use self::containers::{Images, Limits, PostgresContainer, clear_containers};
use self::local::Machine;
pub use self::server::DrillServer;
use super::cluster::Traits;
use super::leash::StdinLeash;
use super::s3_server::S3Server;
use super::surroundings;
use crate::child::reaper;
use crate::error::{Error, Kind, Result};
use crate::model::timeline::{Event, Observer};
use crate::postgres::tools::Tools;
use crate::recovery::scratch::{Purpose, Scratch};
use crate::store::{Location, Store};

const BUCKET: &str = "paycraft-backups";
/// Waits for the end of its input and then removes the directory `$1`, once no server keeps its files there any more.
const CLEAR_AWAY: &str = r#"
    read -r _
    waited=0
    while [ $waited -lt 100 ] && [ -n "$(ls "$1"/*/*/server "$1"/store/server 2>/dev/null)" ]; do
        sleep 0.1
        waited=$((waited + 1))
    done
    rm -rf -- "$1"
"#;
/// How long the removal of a directory is waited for.
const CLEARING: Duration = Duration::from_secs(15);

/// Where servers shall run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// In containers where an engine answers and holds the images, else as processes where PostgreSQL is installed, else in
    /// containers whose images are fetched.
    #[default]
    Auto,
    /// In containers; images that are not there are fetched.
    Containers,
    /// As processes of this machine.
    Local,
}

/// Where the servers of drills shall run, and from what.
#[derive(Clone, Debug)]
pub struct EnvironmentOptions<'a> {
    pub choice: Choice,
    /// An S3 server to run as a process, where servers are processes: MinIO or SeaweedFS, told by the file name. Without it,
    /// the store is in this process.
    pub s3_program: Option<&'a Path>,
    /// What containers are made from.
    pub images: Images,
    /// What each container may use.
    pub limits: Limits,
    pub tools: &'a Tools,
    /// This program, which removes containers when it was killed itself.
    pub program: &'a Path,
}

/// What the drills of this process share.
#[derive(Debug)]
pub struct Environment {
    shared: Arc<Shared>,
    is_chosen: bool,
}

#[derive(Debug)]
struct Shared {
    // Fields are dropped in this order: what clears up after a killed process comes last.
    backend: SubstrateBackend,
    directory: Scratch,
    leash: StdinLeash,
}
#[derive(Debug)]
enum SubstrateBackend {
    Local(Box<Machine>),
    Containers(Box<SharedContainers>),
}

impl Environment {
    /// Prepares what drills share. Says where that is, and why.
    pub async fn prepare(options: &EnvironmentOptions<'_>, observer: &dyn Observer) -> Result<Self> {
        let held = match options.choice {
            Choice::Local => None,
            Choice::Auto if options.s3_program.is_some() => {
                observer.observe(Event::Noted("substrate local: an S3 program is named".to_owned()));
                None
            }
            Choice::Containers => Some(containers::fetch(&options.images, options.tools, observer).await?),
            Choice::Auto => choose(options, observer).await?,
        };
        let files = DrillDirectory::new()?;
        let backend = match held {
            None => {
                let machine = Machine::new(options.tools)?;
                SubstrateBackend::Local(Box::new(match options.s3_program {
                    Some(program) => machine.with_store(program, files.directory.path()).await?,
                    None => machine,
                }))
            }
            Some(held) => {
                let containers =
                    SharedContainers::open(held, &options.images, options.limits, options.program, observer);
                SubstrateBackend::Containers(Box::new(containers.await?))
            }
        };
        let is_chosen = options.choice != Choice::Auto;
        Self::on(backend, files, is_chosen)
    }

    /// What drills on this machine share: the files that private servers begin from.
    pub fn local(tools: &Tools) -> Result<Self> {
        Self::on(
            SubstrateBackend::Local(Box::new(Machine::new(tools)?)),
            DrillDirectory::new()?,
            true,
        )
    }

    fn on(backend: SubstrateBackend, files: DrillDirectory, is_chosen: bool) -> Result<Self> {
        let shared = Shared {
            backend,
            directory: files.directory,
            leash: files.leash,
        };
        shared.take_over(shared.directory.path())?;
        Ok(Self {
            shared: Arc::new(shared),
            is_chosen,
        })
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match &self.shared.backend {
            SubstrateBackend::Local(_) => "local",
            SubstrateBackend::Containers(_) => "containers",
        }
    }

    /// The flags that choose the same environment again, where the user chose it.
    pub fn words(&self) -> String {
        let mut words = String::new();
        if self.is_chosen {
            words.push_str(" --substrate ");
            words.push_str(self.name());
        }
        if let SubstrateBackend::Local(machine) = &self.shared.backend
            && let Some(program) = machine.store_program()
        {
            words.push_str(" --s3-program ");
            words.push_str(&program.display().to_string());
        }
        words
    }

    /// The major version of its PostgreSQL.
    pub fn server_version(&self) -> String {
        match &self.shared.backend {
            SubstrateBackend::Local(machine) => machine.installation.major.to_string(),
            SubstrateBackend::Containers(containers) => containers.major().to_string(),
        }
    }

    /// Starts what one drill with `size_bytes` of COPY text needs from its beginning, if there is room for it.
    pub async fn substrate(&self, size_bytes: u64) -> Result<Substrate> {
        let environment = Arc::clone(&self.shared);
        if let SubstrateBackend::Local(_) = &environment.backend {
            local::check_room(environment.directory.path(), size_bytes)?;
        }
        let directory = Scratch::within(environment.directory.path(), "drill-")
            .map_err(|cause| no_room(environment.directory.path(), cause))?;
        environment.take_over(directory.path())?;
        let (store_server, store_address, location) = match &environment.backend {
            SubstrateBackend::Local(machine) => {
                if let Some((address, location)) = machine.bucket().await? {
                    (None, address, location)
                } else {
                    let (server, location) = local::start_inside(directory.path()).await?;
                    let address = server.address();
                    (Some(server), address, location)
                }
            }
            SubstrateBackend::Containers(containers) => {
                (None, containers.store_address(), containers.bucket().await?)
            }
        };
        Ok(Substrate {
            store_server,
            store_address,
            store: Store::new(&location),
            location,
            directory,
            environment,
        })
    }

    /// Removes what the drills shared. Their substrates must have been torn down before.
    pub async fn leave(self) -> Result<()> {
        let left = match Arc::into_inner(self.shared) {
            Some(shared) => {
                let mut left = match shared.backend {
                    SubstrateBackend::Local(machine) => {
                        // A store in a process of its own ends with it.
                        drop(machine);
                        Vec::new()
                    }
                    SubstrateBackend::Containers(containers) => containers.close().await,
                };
                reaper::settled().await;
                let place = shared.directory.path().to_owned();
                left.extend(removed(&place, shared.directory.close()));
                shared.leash.close().await;
                left
            }
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

impl Shared {
    /// Gives a directory to whom servers on this machine run as.
    fn take_over(&self, directory: &Path) -> Result<()> {
        match &self.backend {
            SubstrateBackend::Local(machine) => machine.user.take_over(directory),
            SubstrateBackend::Containers(_) => Ok(()),
        }
    }
}

/// Containers where an engine holds the images, else processes where PostgreSQL is installed, else containers whose images are
/// fetched. A line tells why.
async fn choose(
    options: &EnvironmentOptions<'_>,
    observer: &dyn Observer,
) -> Result<Option<EngineWithImages>> {
    let note = |what: String| observer.observe(Event::Noted(what));
    let local = options.tools.newest_with_server();
    match (containers::look(&options.images, options.tools).await?, local) {
        (Availability::Ready(held), _) => {
            note("substrate containers: an engine answers and holds the images".to_owned());
            Ok(Some(*held))
        }
        (Availability::ImageMissing(image), Ok(_)) => {
            note(format!(
                "substrate local: the container engine does not hold {image}"
            ));
            Ok(None)
        }
        (Availability::ImageMissing(image), Err(_)) => {
            note(format!(
                "substrate containers: PostgreSQL's server is not installed here; {image} is fetched"
            ));
            containers::fetch(&options.images, options.tools, observer)
                .await
                .map(Some)
        }
        (Availability::Unavailable(why), Ok(_)) => {
            note(format!("substrate local: {why}"));
            Ok(None)
        }
        (Availability::Unavailable(why), Err(error)) => Err(error.caused_by(why)),
    }
}

/// What one drill has: a store, a directory, and servers as it asks for them.
#[derive(Debug)]
pub struct Substrate {
    // Fields are dropped in this order: the server before its files, and the environment last.
    store_server: Option<S3Server>,
    store_address: SocketAddr,
    store: Store,
    location: Location,
    directory: Scratch,
    environment: Arc<Shared>,
}

impl Substrate {
    /// A directory for all else that a drill keeps in files.
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
    pub async fn server(&self, name: &str, traits: Traits) -> Result<DrillServer> {
        match &self.environment.backend {
            SubstrateBackend::Local(machine) => {
                let environment = self.environment.directory.path();
                let cluster = Box::pin(machine.server(environment, self.directory(), name, traits));
                cluster.await.map(DrillServer::Local)
            }
            SubstrateBackend::Containers(containers) => {
                let server = Box::pin(containers.server(&self.location.bucket, name, traits));
                Ok(DrillServer::Container(Box::new(server.await?)))
            }
        }
    }

    /// Stops the store and removes the directory. Servers must have been dropped before. Tells what was left open and what
    /// could not be removed.
    pub async fn tear_down(self) -> Vec<String> {
        reaper::settled().await;
        let mut left: Vec<String> = match self.store.unfinished_uploads("").await {
            Ok(uploads) => uploads
                .iter()
                .map(|upload| format!("an open upload of {}", upload.key))
                .collect(),
            Err(error) => vec![format!("open uploads, perhaps: {error}")],
        };
        if let Some(server) = self.store_server {
            server.stop().await;
        }
        if let SubstrateBackend::Containers(containers) = &self.environment.backend {
            left.extend(containers.left_of(&self.location.bucket).await);
        }
        let place = self.directory.path().to_owned();
        left.extend(removed(&place, self.directory.close()));
        left
    }
}

/// A directory for what drills keep in files, and what removes it should this process be killed.
struct DrillDirectory {
    directory: Scratch,
    leash: StdinLeash,
}

impl DrillDirectory {
    fn new() -> Result<Self> {
        let directory = Scratch::new(Purpose::Drill)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", CLEAR_AWAY, "clear-away"])
            .arg(directory.path())
            .current_dir("/");
        surroundings::bare(&mut command);
        let leash = StdinLeash::hold(command, CLEARING)?;
        Ok(Self { directory, leash })
    }
}

/// Tells of the directory `place` that could not be removed.
fn removed(place: &Path, closed: std::io::Result<()>) -> Vec<String> {
    let left = closed.map_err(|cause| format!("the directory {} ({cause})", place.display()));
    left.err().into_iter().collect()
}

fn no_room(place: &Path, cause: std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("cannot write into {}", place.display()))
        .caused_by(cause)
        .hint("free some space there, or name another directory in TMPDIR")
}
