//! The container engine, asked directly: what it holds, what it shall fetch, and what it must let go of.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::exec::StartExecResults;
use testcontainers::bollard::models::{ContainerSummary, ExecConfig};
use testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;

use super::owner;
use crate::error::{Error, Kind, Result};
use crate::model::timeline::{Event, Observer};

/// How long an engine may take to say that it is there.
const PROBE: Duration = Duration::from_secs(1);
/// How long any other question to it may take.
const ANSWER: Duration = Duration::from_mins(1);
/// How long a pull may go without a word, and in all.
const PULL_SILENCE: Duration = Duration::from_mins(2);
const PULL: Duration = Duration::from_mins(15);
/// How often a pull is told about.
const PULL_NOTE: Duration = Duration::from_secs(10);

/// An engine that answers.
#[derive(Clone, Debug)]
pub(super) struct Engine(Docker);

/// What is known of an image.
#[derive(Debug)]
pub(super) struct Image {
    environment: Vec<String>,
    /// What is run in it.
    pub(super) entrypoint: Vec<String>,
    /// The words that follow by default.
    pub(super) command: Vec<String>,
}

impl Image {
    /// The value of a variable.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let mut pairs = self.environment.iter().filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl Engine {
    /// The engine, or in words why there is none.
    pub(super) async fn reach() -> Result<Self, String> {
        let probe = async {
            let docker = docker_client_instance()
                .await
                .map_err(|cause| cause.to_string())?;
            match docker.ping().await {
                Ok(_) => Ok(docker),
                Err(_) => Err("no container engine answers".to_owned()),
            }
        };
        match tokio::time::timeout(PROBE, probe).await {
            Ok(reached) => reached.map(Self),
            Err(_) => Err(format!(
                "the container engine does not answer within {} s",
                PROBE.as_secs()
            )),
        }
    }

    /// The image of a name, where the engine holds it.
    pub(super) async fn image(&self, name: &str) -> Result<Option<Image>> {
        let found = match bounded(self.0.inspect_image(name)).await? {
            Ok(found) => found.config.unwrap_or_default(),
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => return Ok(None),
            Err(cause) => return Err(failed(&format!("cannot look at the image {name}"), cause)),
        };
        Ok(Some(Image {
            environment: found.env.unwrap_or_default(),
            entrypoint: found.entrypoint.unwrap_or_default(),
            command: found.cmd.unwrap_or_default(),
        }))
    }

    /// Fetches an image, telling how it goes.
    pub(super) async fn pull(&self, name: &str, observer: &dyn Observer) -> Result<()> {
        let unable = |why: String| {
            Error::new(Kind::Usage, format!("cannot pull the image {name}"))
                .caused_by(why)
                .hint("load it into the engine, name another with --postgres-image or --s3-image, or use --substrate local")
        };
        observer.observe(Event::Noted(format!("pulling {name}")));
        let options = CreateImageOptionsBuilder::new().from_image(name).build();
        let mut steps = self.0.create_image(Some(options), None, None);
        let (began, mut told) = (Instant::now(), Instant::now());
        loop {
            let step = match tokio::time::timeout(PULL_SILENCE, steps.next()).await {
                Ok(Some(step)) => step.map_err(|cause| unable(cause.to_string()))?,
                Ok(None) => break,
                Err(_) => return Err(unable(format!("nothing came for {} s", PULL_SILENCE.as_secs()))),
            };
            if began.elapsed() > PULL {
                return Err(unable(format!(
                    "it took longer than {} minutes",
                    PULL.as_secs() / 60
                )));
            }
            if told.elapsed() > PULL_NOTE {
                told = Instant::now();
                let status = step.status.unwrap_or_default();
                observer.observe(Event::Noted(format!("pulling {name}: {}", status.to_lowercase())));
            }
        }
        Ok(())
    }

    /// Every container with this label, whether it runs or not: number and name.
    pub(super) async fn labelled(&self, label: &str, value: &str) -> Result<Vec<(String, String)>> {
        let found = self.containers(&format!("{label}={value}")).await?;
        Ok(found.into_iter().filter_map(named).collect())
    }

    /// Removes the containers of processes that are no more, and tells their names.
    pub(super) async fn sweep(&self) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for container in self.containers(owner::OWNER).await? {
            if container.labels.as_ref().is_some_and(owner::is_abandoned)
                && let Some((id, name)) = named(container)
            {
                self.remove(&id).await?;
                removed.push(name);
            }
        }
        Ok(removed)
    }

    async fn containers(&self, label: &str) -> Result<Vec<ContainerSummary>> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let listed = bounded(self.0.list_containers(Some(options))).await?;
        listed.map_err(|cause| failed("cannot list containers", cause))
    }

    /// Ends a container and removes it with its volumes. One that is gone is no error.
    pub(super) async fn remove(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match bounded(self.0.remove_container(id, Some(options))).await? {
            // 409: somebody else is about to.
            Ok(())
            | Err(EngineError::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => Ok(()),
            Err(cause) => Err(failed("cannot remove a container", cause)),
        }
    }

    /// Runs a shell's script in a container, as root.
    pub(super) async fn run(&self, id: &str, script: &str) -> Result<()> {
        let config = ExecConfig {
            cmd: Some(["/bin/sh", "-c", script].map(str::to_owned).to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            user: Some("0".to_owned()),
            ..ExecConfig::default()
        };
        let running = async {
            let exec = self.0.create_exec(id, config).await?.id;
            let mut said = String::new();
            if let StartExecResults::Attached { mut output, .. } = self.0.start_exec(&exec, None).await? {
                while let Some(piece) = output.next().await {
                    said.push_str(&piece?.to_string());
                }
            }
            let exit_code = self.0.inspect_exec(&exec).await?.exit_code;
            Ok((exit_code, said))
        };
        match bounded(running)
            .await?
            .map_err(|cause| failed("cannot run a script in a container", cause))?
        {
            (Some(0), _) => Ok(()),
            (_, said) => Err(Error::new(Kind::Usage, "a script in a container failed").caused_by(said)),
        }
    }

    /// The last lines that a container said.
    pub(super) async fn said(&self, id: &str) -> String {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail("5")
            .build();
        let lines = self
            .0
            .logs(id, Some(options))
            .take(5)
            .filter_map(async |line| line.ok());
        let lines = lines
            .map(|line| line.to_string().trim().to_owned())
            .collect::<Vec<_>>();
        let lines = tokio::time::timeout(ANSWER, lines).await.unwrap_or_default();
        lines.join("\n  ")
    }
}

fn named(container: ContainerSummary) -> Option<(String, String)> {
    let name = container.names.unwrap_or_default().into_iter().next();
    let id = container.id?;
    let name = name.map_or_else(|| id.clone(), |name| name.trim_start_matches('/').to_owned());
    Some((id, name))
}

async fn bounded<T>(question: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(ANSWER, question).await.map_err(|_| {
        Error::new(
            Kind::Usage,
            format!(
                "the container engine does not answer within {} s",
                ANSWER.as_secs()
            ),
        )
        .hint("see how the engine fares, or use --substrate local")
    })
}

fn failed(what: &str, cause: EngineError) -> Error {
    Error::new(Kind::Usage, what)
        .caused_by(cause)
        .hint("see how the container engine fares, or use --substrate local")
}
