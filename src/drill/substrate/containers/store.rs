//! An S3 server in a container, with a bucket for each drill.

use std::net::SocketAddr;

use super::container::{Container, Recipe};
use super::engine::{Engine, Image};
use super::{Images, Limits};
use crate::drill::substrate::readiness::{self, Starting};
use crate::error::Result;
use crate::model::secret::Secret;
use crate::store::{Location, Store};

/// Where S3 servers listen, if it is up to us.
const PORT: u16 = 9000;
const ACCESS_KEY_ID: &str = "drill";

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
        let mut server = Self {
            container: Container::start(engine, &recipe).await?,
            secret_access_key,
        };
        let location = server.location("none");
        let ready = readiness::ready(&mut server, &location).await;
        ready.map_err(|error| {
            error.hint("see what the server said; the engine must be this machine's, and the image one of an S3 server on port 9000")
        })?;
        Ok(server)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.container.address
    }

    /// Makes a bucket for one drill alone.
    pub(super) async fn bucket(&self) -> Result<Location> {
        let location = self.location(&format!("drill-{:016x}", rand::random::<u64>()));
        Store::new(&location).create_bucket().await?;
        Ok(location)
    }

    pub(super) async fn remove(self) -> Result<()> {
        self.container.remove().await
    }

    fn location(&self, bucket: &str) -> Location {
        Location::new(
            &format!("http://{}", self.address()),
            bucket,
            ACCESS_KEY_ID,
            self.secret_access_key.clone(),
        )
    }
}

impl Starting for StoreContainer {
    async fn is_running(&mut self) -> bool {
        self.container.is_running().await
    }

    async fn said(&self) -> String {
        self.container.said().await
    }
}
