//! Where the servers of drills run, and what they share.
//!
//! The `Ground` is prepared once per process and holds what many drills can use; each drill gets a `Substrate` on it, with a
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

use tempfile::TempDir;

use self::containers::{Harbour, Held, Prospect};
pub use self::containers::{Images, Limits, PostgresContainer, clear_containers};
use self::local::Machine;
pub use self::server::Server;
use super::cluster::Traits;
use super::leash::Leash;
use super::s3_server::S3Server;
use super::surroundings;
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

/// What a ground is wished to be.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// Where servers run.
    pub choice: Choice,
    /// An S3 server to run as a process, where servers are processes: MinIO or SeaweedFS, told by the file name. Without it,
    /// the store is in this process.
    pub s3_program: Option<&'a Path>,
    /// What containers are made from.
    pub images: Images,
    /// What each container may use.
    pub limits: Limits,
    /// PostgreSQL's programs.
    pub tools: &'a Tools,
    /// This program, which removes containers when it was killed itself.
    pub program: &'a Path,
}

/// What the drills of this process share.
#[derive(Debug)]
pub struct Ground {
    shared: Arc<Shared>,
    is_chosen: bool,
}

#[derive(Debug)]
struct Shared {
    // Fields are dropped in this order: what clears up after a killed process comes last.
    place: Place,
    directory: Scratch,
    _leash: Leash,
}

/// Where servers run.
#[derive(Debug)]
enum Place {
    Local(Box<Machine>),
    Containers(Box<Harbour>),
}

impl Ground {
    /// What drills share, where it was wished. Says which place that is, and why.
    pub async fn prepare(wish: &Wish<'_>, observer: &dyn Observer) -> Result<Self> {
        let held = match wish.choice {
            Choice::Local => None,
            Choice::Auto if wish.s3_program.is_some() => {
                observer.observe(Event::Noted("substrate local: an S3 program is named".to_owned()));
                None
            }
            Choice::Containers => Some(containers::fetch(&wish.images, wish.tools, observer).await?),
            Choice::Auto => choose(wish, observer).await?,
        };
        let files = Files::new()?;
        let place = match held {
            None => {
                let machine = Machine::new(wish.tools)?;
                Place::Local(Box::new(match wish.s3_program {
                    Some(program) => machine.with_store(program, files.directory.path()).await?,
                    None => machine,
                }))
            }
            Some(held) => {
                let harbour = Harbour::open(held, &wish.images, wish.limits, wish.program, observer);
                Place::Containers(Box::new(harbour.await?))
            }
        };
        let is_chosen = wish.choice != Choice::Auto;
        Self::on(place, files, is_chosen)
    }

    /// What drills on this machine share: the files that private servers begin from.
    pub fn local(tools: &Tools) -> Result<Self> {
        Self::on(Place::Local(Box::new(Machine::new(tools)?)), Files::new()?, true)
    }

    fn on(place: Place, files: Files, is_chosen: bool) -> Result<Self> {
        let shared = Shared {
            place,
            directory: files.directory,
            _leash: files.leash,
        };
        shared.take_over(shared.directory.path())?;
        Ok(Self {
            shared: Arc::new(shared),
            is_chosen,
        })
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match &self.shared.place {
            Place::Local(_) => "local",
            Place::Containers(_) => "containers",
        }
    }

    /// The command line's words that have the same ground again, where it was not left to this program.
    pub fn words(&self) -> String {
        let mut words = String::new();
        if self.is_chosen {
            words.push_str(" --substrate ");
            words.push_str(self.name());
        }
        if let Place::Local(machine) = &self.shared.place
            && let Some(program) = machine.store_program()
        {
            words.push_str(" --s3-program ");
            words.push_str(&program.display().to_string());
        }
        words
    }

    /// The major version of its PostgreSQL.
    pub fn server_version(&self) -> String {
        match &self.shared.place {
            Place::Local(machine) => machine.installation.major.to_string(),
            Place::Containers(harbour) => harbour.major().to_string(),
        }
    }

    /// Starts what one drill with `size_bytes` of COPY text needs from its beginning, if there is room for it.
    pub async fn substrate(&self, size_bytes: u64) -> Result<Substrate> {
        let ground = Arc::clone(&self.shared);
        if let Place::Local(_) = &ground.place {
            local::check_room(ground.directory.path(), size_bytes)?;
        }
        let directory = tempfile::Builder::new()
            .prefix("drill-")
            .tempdir_in(ground.directory.path())
            .map_err(|cause| no_room(ground.directory.path(), cause))?;
        ground.take_over(directory.path())?;
        let (store_server, store_address, location) = match &ground.place {
            Place::Local(machine) => {
                if let Some((address, location)) = machine.bucket().await? {
                    (None, address, location)
                } else {
                    let (server, location) = local::start_inside(directory.path()).await?;
                    let address = server.address();
                    (Some(server), address, location)
                }
            }
            Place::Containers(harbour) => (None, harbour.store_address(), harbour.bucket().await?),
        };
        Ok(Substrate {
            store_server,
            store_address,
            store: Store::new(&location),
            location,
            directory,
            ground,
        })
    }

    /// Removes what the drills shared. Their substrates must have been torn down before.
    pub async fn leave(self) -> Result<()> {
        let left = match Arc::into_inner(self.shared) {
            Some(shared) => {
                let mut left = match shared.place {
                    Place::Local(_) => Vec::new(),
                    Place::Containers(harbour) => harbour.close().await,
                };
                let place = shared.directory.path().to_owned();
                left.extend(removed(&place, shared.directory.close()));
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
        match &self.place {
            Place::Local(machine) => machine.user.take_over(directory),
            Place::Containers(_) => Ok(()),
        }
    }
}

/// Containers where an engine holds the images, else processes where PostgreSQL is installed, else containers whose images are
/// fetched. A line tells why.
async fn choose(wish: &Wish<'_>, observer: &dyn Observer) -> Result<Option<Held>> {
    let note = |what: String| observer.observe(Event::Noted(what));
    let local = wish.tools.newest_with_server();
    match (containers::look(&wish.images, wish.tools).await?, local) {
        (Prospect::Ready(held), _) => {
            note("substrate containers: an engine answers and holds the images".to_owned());
            Ok(Some(*held))
        }
        (Prospect::Missing(image), Ok(_)) => {
            note(format!(
                "substrate local: the container engine does not hold {image}"
            ));
            Ok(None)
        }
        (Prospect::Missing(image), Err(_)) => {
            note(format!(
                "substrate containers: PostgreSQL's server is not installed here; {image} is fetched"
            ));
            containers::fetch(&wish.images, wish.tools, observer)
                .await
                .map(Some)
        }
        (Prospect::Nothing(why), Ok(_)) => {
            note(format!("substrate local: {why}"));
            Ok(None)
        }
        (Prospect::Nothing(why), Err(error)) => Err(error.caused_by(why)),
    }
}

/// What one drill has: a store, a directory, and servers as it asks for them.
#[derive(Debug)]
pub struct Substrate {
    // Fields are dropped in this order: the server before its files, and the ground last.
    store_server: Option<S3Server>,
    store_address: SocketAddr,
    store: Store,
    location: Location,
    directory: TempDir,
    ground: Arc<Shared>,
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
    pub async fn server(&self, name: &str, traits: Traits) -> Result<Server> {
        match &self.ground.place {
            Place::Local(machine) => {
                let ground = self.ground.directory.path();
                let cluster = Box::pin(machine.server(ground, self.directory(), name, traits));
                cluster.await.map(Server::Local)
            }
            Place::Containers(harbour) => {
                let server = Box::pin(harbour.server(&self.location.bucket, name, traits));
                Ok(Server::Container(Box::new(server.await?)))
            }
        }
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
        if let Some(server) = self.store_server {
            server.stop().await;
        }
        if let Place::Containers(harbour) = &self.ground.place {
            left.extend(harbour.left_of(&self.location.bucket).await);
        }
        let place = self.directory.path().to_owned();
        left.extend(removed(&place, self.directory.close()));
        left
    }
}

/// A directory for what drills keep in files, and what removes it should this process be killed.
struct Files {
    directory: Scratch,
    leash: Leash,
}

impl Files {
    fn new() -> Result<Self> {
        let directory = Scratch::new(Purpose::Drill)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", CLEAR_AWAY, "clear-away"])
            .arg(directory.path())
            .current_dir("/");
        surroundings::bare(&mut command);
        let leash = Leash::hold(command, CLEARING)?;
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
