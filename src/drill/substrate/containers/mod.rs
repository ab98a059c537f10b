//! Servers in containers of an engine on this machine.
//!
//! Containers are removed when they are dropped; when this process is killed, by a watchdog that holds the other end of a pipe
//! of ours; and should that be killed too, by the next drill.

mod container;
mod engine;
mod owner;
mod postgres;
mod store;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use self::engine::{Engine, Image};
use self::owner::Owner;
pub use self::postgres::PostgresContainer;
use self::store::StoreContainer;
use crate::drill::cluster::Traits;
use crate::drill::leash::StdinLeash;
use crate::error::{Error, Kind, Result};
use crate::model::timeline::{Event, Observer};
use crate::postgres::tools::Tools;
use crate::store::Location;

/// How long the removal by the watchdog is waited for.
const CLEARING: Duration = Duration::from_secs(20);
/// A container that was being made when its process ended shows up a moment later.
const LOOKING_AGAIN: Duration = Duration::from_millis(300);
const LOOKS: u32 = 3;
/// What tells the watchdog that nothing is left to do.
const ALL_DONE: &str = "done";
/// What the watchdog needs of our environment to find the engine.
const ENGINE_VARIABLES: [&str; 5] = ["DOCKER_HOST", "XDG_RUNTIME_DIR", "HOME", "PATH", "TMPDIR"];

/// Which images are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// A PostgreSQL server, made and started as the official image is.
    pub postgres: String,
    /// An S3 server on port 9000.
    pub s3: String,
}

impl Default for Images {
    fn default() -> Self {
        Self {
            postgres: "docker.io/library/postgres:17.6-bookworm".to_owned(),
            s3: "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z".to_owned(),
        }
    }
}

/// What each container may use; without a number, all there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub memory_bytes: Option<u64>,
    /// Thousandths of a processor.
    pub milli_cpus: Option<u32>,
}

/// What drills in containers share: the engine, and an S3 server in which each has a bucket.
#[derive(Debug)]
pub(super) struct SharedContainers {
    // Fields are dropped in this order: what clears up after a killed process comes last.
    store: StoreContainer,
    engine: Engine,
    images: Images,
    limits: Limits,
    postgres: Image,
    major: u32,
    environment: String,
    leash: StdinLeash,
}

/// Both images, as the engine holds them.
#[derive(Debug)]
pub(super) struct EngineWithImages {
    engine: Engine,
    postgres: Image,
    s3: Image,
    major: u32,
}

/// What there is to have containers with.
#[derive(Debug)]
pub(super) enum Availability {
    Ready(Box<EngineWithImages>),
    /// An engine, but not this image.
    ImageMissing(String),
    /// Nothing usable, and why.
    Unavailable(String),
}

/// Looks for an engine and the images, for a bounded time.
pub(super) async fn look(images: &Images, tools: &Tools) -> Result<Availability> {
    let engine = match Engine::reach().await {
        Ok(engine) => engine,
        Err(why) => return Ok(Availability::Unavailable(why)),
    };
    let Some(postgres) = engine.image(&images.postgres).await? else {
        return Ok(Availability::ImageMissing(images.postgres.clone()));
    };
    let Some(s3) = engine.image(&images.s3).await? else {
        return Ok(Availability::ImageMissing(images.s3.clone()));
    };
    match major(images, &postgres, tools) {
        Ok(major) => Ok(Availability::Ready(Box::new(EngineWithImages {
            engine,
            postgres,
            s3,
            major,
        }))),
        Err(unfit) => Ok(Availability::Unavailable(unfit.to_string())),
    }
}

/// Fetches the images that the engine does not hold.
pub(super) async fn fetch(
    images: &Images,
    tools: &Tools,
    observer: &dyn Observer,
) -> Result<EngineWithImages> {
    let no_engine = |why: String| {
        Error::new(Kind::Usage, why)
            .hint("start Docker or Podman, name its socket in DOCKER_HOST, or use --substrate local")
    };
    let engine = Engine::reach().await.map_err(no_engine)?;
    let postgres = held(&engine, &images.postgres, observer).await?;
    let major = major(images, &postgres, tools)?;
    let s3 = held(&engine, &images.s3, observer).await?;
    Ok(EngineWithImages {
        engine,
        postgres,
        s3,
        major,
    })
}

async fn held(engine: &Engine, name: &str, observer: &dyn Observer) -> Result<Image> {
    if let Some(image) = engine.image(name).await? {
        return Ok(image);
    }
    engine.pull(name, observer).await?;
    engine.image(name).await?.ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!("the engine pulled {name} and does not hold it"),
        )
        .hint("load the image into the engine by hand")
    })
}

/// The version of PostgreSQL in the image, which the programs here must not be older than.
fn major(images: &Images, image: &Image, tools: &Tools) -> Result<u32> {
    let major = image.variable("PG_MAJOR").and_then(|major| major.parse().ok());
    let major = major.ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!(
                "the image {} does not say its version in PG_MAJOR",
                images.postgres
            ),
        )
        .hint("name an image that is made as the official one is, with --postgres-image")
    })?;
    let chosen = tools.for_server(major, Kind::Usage).map_err(|error| {
        let message = format!("the image {} is too new: {error}", images.postgres);
        Error::new(Kind::Usage, message).hint(format!(
            "install the PostgreSQL {major} client programs, name an older image with --postgres-image, or use --substrate local"
        ))
    })?;
    tools.for_restore(chosen.major, major).map_err(|error| {
        let message = format!("the image {} is too old: {error}", images.postgres);
        Error::new(Kind::Usage, message).hint(format!(
            "install the PostgreSQL {major} client programs, name a newer image with --postgres-image, or use --substrate local"
        ))
    })?;
    Ok(major)
}

impl SharedContainers {
    /// Removes what dead processes left, and starts what the drills share. `program` is this program, which is also the watchdog.
    pub(super) async fn open(
        held: EngineWithImages,
        images: &Images,
        limits: Limits,
        program: &Path,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let EngineWithImages {
            engine,
            postgres,
            s3,
            major,
        } = held;
        for name in engine.sweep().await? {
            observer.observe(Event::Noted(format!("removed {name}, which a killed drill left")));
        }
        let environment = format!("{:016x}", rand::random::<u64>());
        let mut watchdog = Command::new(program);
        watchdog
            .args(["clear-containers", &environment])
            .current_dir("/")
            .env_clear();
        for name in ENGINE_VARIABLES {
            watchdog.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let leash = StdinLeash::hold(watchdog, CLEARING)?;
        let labels = labels(&environment, None);
        let store = StoreContainer::start(&engine, images, &s3, labels, limits).await?;
        Ok(Self {
            store,
            engine,
            images: images.clone(),
            limits,
            postgres,
            major,
            environment,
            leash,
        })
    }

    pub(super) fn major(&self) -> u32 {
        self.major
    }

    pub(super) fn store_address(&self) -> std::net::SocketAddr {
        self.store.address()
    }

    /// Makes a bucket for one drill.
    pub(super) async fn bucket(&self) -> Result<Location> {
        self.store.bucket().await
    }

    /// Starts a server `name` for a drill.
    pub(super) async fn server(&self, drill: &str, name: &str, traits: Traits) -> Result<PostgresContainer> {
        PostgresContainer::start(self, drill, name, traits).await
    }

    /// What is left of a drill whose servers were dropped.
    pub(super) async fn left_of(&self, drill: &str) -> Vec<String> {
        left(self.engine.labelled(owner::DRILL, drill).await)
    }

    /// Removes what the drills shared, and tells what is left.
    pub(super) async fn close(self) -> Vec<String> {
        if let Err(error) = self.store.remove().await {
            return vec![error.to_string()];
        }
        let left = left(self.engine.labelled(owner::ENVIRONMENT, &self.environment).await);
        if left.is_empty() {
            self.leash.release(ALL_DONE).await;
        }
        left
    }

    fn labels(&self, more: Option<(&'static str, String)>) -> Vec<(&'static str, String)> {
        labels(&self.environment, more)
    }
}

fn left(found: Result<Vec<(String, String)>>) -> Vec<String> {
    match found {
        Ok(found) => found
            .into_iter()
            .map(|(_, name)| format!("the container {name}"))
            .collect(),
        Err(error) => vec![format!("containers, perhaps: {error}")],
    }
}

fn labels(environment: &str, more: Option<(&'static str, String)>) -> Vec<(&'static str, String)> {
    let own = [
        (owner::OWNER, Owner::current().to_string()),
        (owner::ENVIRONMENT, environment.to_owned()),
    ];
    own.into_iter().chain(more).collect()
}

/// What the watchdog does: waits for the end of its input, and removes every container of the environment unless told that all is
/// done.
pub async fn clear_containers(environment: &str) -> Result<()> {
    let told = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()));
    let told = told.await.ok().and_then(Result::ok).unwrap_or_default();
    if told.trim() == ALL_DONE {
        return Ok(());
    }
    let engine = Engine::reach()
        .await
        .map_err(|why| Error::new(Kind::Usage, why))?;
    let mut looks = 0;
    while looks < LOOKS {
        let left = engine.labelled(owner::ENVIRONMENT, environment).await?;
        looks = if left.is_empty() { looks + 1 } else { 0 };
        for (id, _) in left {
            engine.remove(&id).await?;
        }
        tokio::time::sleep(LOOKING_AGAIN).await;
    }
    Ok(())
}
