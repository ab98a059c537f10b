//! An S3 server in a container, with a bucket for each drill.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::container::{Container, Recipe};
use super::engine::{Engine, Image};
use super::{Images, Limits};
use crate::error::{Error, Kind, Result};
use crate::model::secret::Secret;
use crate::store::retry::Patience;
use crate::store::{Location, Store};

/// Where S3 servers listen, if it is up to us.
const PORT: u16 = 9000;
const ACCESS_KEY_ID: &str = "drill";
const PROBE_KEY: &str = "drill-probe";
const START_TIMEOUT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);
/// A server that is just starting is asked again, and not waited for.
const PATIENCE: Patience = Patience {
    attempts: 1,
    transfer_attempts: 1,
    connect: Duration::from_secs(1),
    answer: Duration::from_secs(5),
    first_pause: Duration::from_millis(20),
    longest_pause: Duration::from_millis(20),
    rest: Duration::from_millis(20),
    total: Duration::from_secs(10),
};

/// A running server. Dropped, its container is removed with its data.
#[derive(Debug)]
pub(super) struct StoreContainer {
    container: Container,
    secret_access_key: Secret,
}

impl StoreContainer {
    /// Starts a server, and waits until it takes an object, returns it and removes it.
    pub(super) async fn start(
        engine: &Engine,
        images: &Images,
        image: &Image,
        labels: Vec<(&str, String)>,
        limits: Limits,
    ) -> Result<Self> {
        let secret_access_key = Secret::new(format!("{:032x}", rand::random::<u128>()));
        let (id, secret) = (ACCESS_KEY_ID.to_owned(), secret_access_key.reveal().to_owned());
        let recipe = Recipe {
            image: &images.s3,
            host_name: "store",
            port: PORT,
            entrypoint: None,
            // MinIO's image does nothing by itself; another's is to serve.
            command: match image.command.as_slice() {
                [program] if program == "minio" => vec!["server".to_owned(), "/data".to_owned()],
                _ => Vec::new(),
            },
            environment: vec![
                ("MINIO_ROOT_USER", id.clone()),
                ("MINIO_ROOT_PASSWORD", secret.clone()),
                ("AWS_ACCESS_KEY_ID", id),
                ("AWS_SECRET_ACCESS_KEY", secret),
            ],
            small_directory: None,
            labels,
            limits,
        };
        let server = Self {
            container: Container::start(engine, &recipe).await?,
            secret_access_key,
        };
        server.ready().await?;
        Ok(server)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.container.address
    }

    /// Makes a bucket that nobody else uses.
    pub(super) async fn bucket(&self) -> Result<Location> {
        let location = self.location(&format!("drill-{:016x}", rand::random::<u64>()));
        Store::new(&location).create_bucket().await?;
        Ok(location)
    }

    /// Removes the container.
    pub(super) async fn remove(self) -> Result<()> {
        self.container.remove().await
    }

    fn location(&self, bucket: &str) -> Location {
        Location {
            endpoint: format!("http://{}", self.address()),
            bucket: bucket.to_owned(),
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: self.secret_access_key.clone(),
        }
    }

    async fn ready(&self) -> Result<()> {
        let store = Store::with_patience(&self.location("drill-probe"), PATIENCE);
        let began = Instant::now();
        loop {
            let Err(cause) = try_out(&store).await else {
                return Ok(());
            };
            let what = if began.elapsed() > START_TIMEOUT {
                "does not work"
            } else if !self.container.is_running().await {
                "ended at once"
            } else {
                tokio::time::sleep(POLL).await;
                continue;
            };
            let mut causes = vec![cause.to_string()];
            causes.extend(cause.causes());
            causes.push(self.container.said().await);
            return Err(
                Error::new(Kind::Usage, format!("the S3 server in a container {what}"))
                    .caused_by(causes.join("\n  "))
                    .hint("see what the server said; the engine must be this machine's, and the image one of an S3 server on port 9000"),
            );
        }
    }
}

/// Readiness is what a backup will do, and not a line in a log: a listing answers seconds before a write does.
async fn try_out(store: &Store) -> Result<()> {
    store.create_bucket().await?;
    store.publish(PROBE_KEY, b"drill".to_vec(), "text/plain").await?;
    store.get(PROBE_KEY, 16).await?;
    store.delete(PROBE_KEY).await
}
