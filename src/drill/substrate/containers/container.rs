//! One container, from its start to its removal.

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::core::IntoContainerPort;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

use super::Limits;
use super::engine::Engine;
use crate::drill::loopback::free_port;
use crate::error::{Error, Kind, Result, in_words};

/// A port that was free a moment ago may be taken by the time the engine asks for it.
const PORT_ATTEMPTS: u32 = 5;
/// What servers share between their processes.
const SHARED_MEMORY_BYTES: u64 = 256 << 20;

/// What a container is made of.
#[derive(Clone, Debug)]
pub(super) struct Recipe<'a> {
    pub(super) image: &'a str,
    /// What it calls itself.
    pub(super) host_name: &'a str,
    /// Where its server listens inside.
    pub(super) port: u16,
    /// The program, where it is another than the image's.
    pub(super) entrypoint: Option<&'a str>,
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(&'a str, String)>,
    /// A directory in memory that holds so many bytes.
    pub(super) small_directory: Option<(String, u64)>,
    pub(super) labels: Vec<(&'a str, String)>,
    pub(super) limits: Limits,
}

/// A container that was started. Dropped, it is removed.
pub(super) struct Container {
    engine: Engine,
    inner: ContainerAsync<GenericImage>,
    /// Where its server's port is on this machine.
    pub(super) address: SocketAddr,
}

impl Container {
    /// Makes it and starts it; what its server does is not waited for.
    pub(super) async fn start(engine: &Engine, recipe: &Recipe<'_>) -> Result<Self> {
        let mut attempt = 1;
        loop {
            let name = format!(
                "paycraft-drill-{}-{:08x}",
                recipe.host_name,
                rand::random::<u32>()
            );
            let port = free_port()?;
            let cause = match request(recipe, &name, port).start().await {
                Ok(inner) => {
                    return Ok(Self {
                        engine: engine.clone(),
                        inner,
                        address: (Ipv4Addr::LOCALHOST, port).into(),
                    });
                }
                Err(cause) => in_words(&cause),
            };
            // It may have been made without having been started.
            engine.remove(&name).await?;
            let is_taken = ["already allocated", "already in use"]
                .iter()
                .any(|said| cause.contains(said));
            if !is_taken || attempt == PORT_ATTEMPTS {
                return Err(Error::new(
                    Kind::Usage,
                    format!("cannot start a container of {}", recipe.image),
                )
                .caused_by(cause)
                .hint("see whether the engine can run that image, name another, or use --substrate local"));
            }
            attempt += 1;
        }
    }

    /// Whether it still runs.
    pub(super) async fn is_running(&self) -> bool {
        self.inner.is_running().await.unwrap_or(false)
    }

    /// The last it said.
    pub(super) async fn said(&self) -> String {
        self.engine.said(self.inner.id()).await
    }

    /// Runs a shell's script in it, as root.
    pub(super) async fn run(&self, script: &str) -> Result<()> {
        self.engine.run(self.inner.id(), script).await
    }

    /// Freezes all of its processes.
    pub(super) async fn pause(&self) -> Result<()> {
        let paused = self.inner.pause().await;
        paused.map_err(|cause| Error::new(Kind::Usage, "cannot pause a container").caused_by(cause))
    }

    pub(super) async fn resume(&self) -> Result<()> {
        let resumed = self.inner.unpause().await;
        resumed.map_err(|cause| Error::new(Kind::Usage, "cannot resume a container").caused_by(cause))
    }

    /// Removes it, and tells where that fails.
    pub(super) async fn remove(self) -> Result<()> {
        self.engine.remove(self.inner.id()).await
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("id", &self.inner.id())
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn request(recipe: &Recipe<'_>, name: &str, port: u16) -> ContainerRequest<GenericImage> {
    let (image, tag) = name_and_tag(recipe.image);
    let mut image = GenericImage::new(image, tag).with_exposed_port(recipe.port.tcp());
    if let Some(entrypoint) = recipe.entrypoint {
        image = image.with_entrypoint(entrypoint);
    }
    let mut request = image
        .with_container_name(name)
        .with_hostname(recipe.host_name)
        .with_shm_size(SHARED_MEMORY_BYTES);
    if !recipe.command.is_empty() {
        request = request.with_cmd(recipe.command.clone());
    }
    for (name, value) in &recipe.environment {
        request = request.with_env_var(*name, value);
    }
    for (name, value) in &recipe.labels {
        request = request.with_label(*name, value);
    }
    let (inner, limits, small) = (recipe.port, recipe.limits, recipe.small_directory.clone());
    request.with_host_config_modifier(move |config| modify(config, inner, port, limits, small.as_ref()))
}

/// Publishes one port on loopback and nothing else, and sets the limits.
fn modify(config: &mut HostConfig, inner: u16, port: u16, limits: Limits, small: Option<&(String, u64)>) {
    let binding = PortBinding {
        host_ip: Some(Ipv4Addr::LOCALHOST.to_string()),
        host_port: Some(port.to_string()),
    };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(HashMap::from([(format!("{inner}/tcp"), Some(vec![binding]))]));
    config.memory = limits.memory_bytes.and_then(|bytes| i64::try_from(bytes).ok());
    config.nano_cpus = limits.milli_cpus.map(|milli| i64::from(milli) * 1_000_000);
    config.tmpfs = small.map(|(place, bytes)| HashMap::from([(place.clone(), format!("size={bytes}"))]));
}

/// Of `host:5000/name:tag`, `host:5000/name` and `tag`; a digest counts as a tag.
fn name_and_tag(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}
