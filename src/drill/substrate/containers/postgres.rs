//! A PostgreSQL server in a container.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::SharedContainers;
use super::container::{Container, Recipe};
use super::owner;
use crate::deadline::Deadline;
use crate::drill::cluster::Traits;
use crate::error::{Error, Kind, Result};
use crate::model::secret::Secret;
use crate::postgres::conninfo::{Conninfo, Side};
use crate::postgres::session::Session;

const SUPERUSER: &str = "postgres";
const PORT: u16 = 5432;
/// Where the official image keeps the data, if it does not say.
const DATA: &str = "/var/lib/postgresql/data";
/// The log of a server with a limited disk is elsewhere: tables hit the limit first.
const LOG: &str = "/var/lib/postgresql/log";
/// What a limited disk holds.
const DISK_BYTES: u64 = 512 << 20;
/// What is left of one that is full, in KiB: definitions find room, and rows do not.
const LAST_KIBIBYTES: u64 = 16 << 10;
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// A server that is up answers at once, and one that is not costs the connection alone.
const POLL: Duration = Duration::from_millis(20);

/// Runs the server `$@` until it ends. One that ends while the file `held` is there is started again once that is gone: a crash
/// is the server's and not the container's, whose disk may be in memory.
const KEEPER: &str = r#"
    while :; do
        "$@" &
        echo $! > /tmp/server
        wait $!
        status=$?
        [ -e /tmp/held ] || exit $status
        while [ -e /tmp/held ]; do sleep 0.02; done
    done
"#;
/// Ends the server at once, without a checkpoint. An end that came by itself is an end as well.
const CRASH: &str = r#"
    : > /tmp/held
    server=$(cat /tmp/server)
    kill -QUIT "$server" 2>/dev/null
    waited=0
    while kill -0 "$server" 2>/dev/null; do
        waited=$((waited + 1))
        [ $waited -lt 1500 ] || exit 1
        sleep 0.02
    done
"#;

/// A running server. Dropped, its container is removed with its data.
#[derive(Debug)]
pub struct PostgresContainer {
    container: Container,
    password: Secret,
    data: String,
}

impl PostgresContainer {
    /// Starts a server `name` for a drill, and waits until it answers a query.
    pub(super) async fn start(
        containers: &SharedContainers,
        drill: &str,
        name: &str,
        traits: Traits,
    ) -> Result<Self> {
        let image = &containers.postgres;
        let password = Secret::new(format!("{:032x}", rand::random::<u128>()));
        let data = image.variable("PGDATA").unwrap_or(DATA).to_owned();
        let mut command = vec!["-c".to_owned(), KEEPER.to_owned(), "keeper".to_owned()];
        command.extend(image.entrypoint.iter().cloned());
        command.push("postgres".to_owned());
        let settings = traits.settings().into_iter().flat_map(|setting| ["-c", setting]);
        command.extend(settings.map(str::to_owned));
        let mut environment = vec![
            ("POSTGRES_PASSWORD", password.reveal().to_owned()),
            ("POSTGRES_INITDB_ARGS", "--encoding=UTF8 --locale=C".to_owned()),
        ];
        if traits.has_limited_disk {
            environment.push(("POSTGRES_INITDB_WALDIR", LOG.to_owned()));
        }
        let recipe = Recipe {
            image: &containers.images.postgres,
            host_name: name,
            port: PORT,
            entrypoint: Some("/bin/sh"),
            command,
            environment,
            small_directory: traits.has_limited_disk.then(|| (data.clone(), DISK_BYTES)),
            labels: containers.labels(Some((owner::DRILL, drill.to_owned()))),
            limits: containers.limits,
        };
        let server = Self {
            container: Container::start(&containers.engine, &recipe).await?,
            password,
            data,
        };
        server.ready().await?;
        Ok(server)
    }

    /// How to reach a database by way of an address that leads to this server. Names and passwords of ours need no escaping.
    pub(in crate::drill::substrate) fn url_by(&self, address: SocketAddr, database: &str) -> Secret {
        let password = self.password.reveal();
        Secret::new(format!(
            "postgresql://{SUPERUSER}:{password}@{address}/{database}?sslmode=disable"
        ))
    }

    pub(in crate::drill::substrate) fn address(&self) -> SocketAddr {
        self.container.address
    }

    pub(in crate::drill::substrate) async fn crash(&self) -> Result<()> {
        self.container.run(CRASH).await
    }

    pub(in crate::drill::substrate) async fn start_again(&self) -> Result<()> {
        self.container.run("rm /tmp/held").await?;
        self.ready().await
    }

    pub(in crate::drill::substrate) async fn pause(&self) -> Result<()> {
        self.container.pause().await
    }

    pub(in crate::drill::substrate) async fn resume(&self) -> Result<()> {
        self.container.resume().await
    }

    /// Fills what is free with zeros, but for the last of it.
    pub(in crate::drill::substrate) async fn fill_disk(&self) -> Result<()> {
        let data = &self.data;
        let fill = format!(
            "set -- $(df -P -k {data} | tail -n 1); head -c \"$((($4 - {LAST_KIBIBYTES}) * 1024))\" /dev/zero > {data}/ballast"
        );
        self.container.run(&fill).await
    }

    pub(in crate::drill::substrate) async fn free_disk(&self) -> Result<()> {
        self.container.run(&format!("rm {}/ballast", self.data)).await
    }

    async fn ready(&self) -> Result<()> {
        let conninfo = Conninfo::parse(Side::Target, self.url_by(self.address(), "postgres").reveal())?;
        let deadline = Deadline::after(START_TIMEOUT);
        let mut looked = Instant::now();
        while !answers(&conninfo).await {
            if looked.elapsed() > Duration::from_secs(1) {
                looked = Instant::now();
                if !self.container.is_running().await {
                    return Err(self.failed("ended at once").await);
                }
            }
            if !deadline.pause(POLL).await {
                return Err(self.failed("does not answer").await);
            }
        }
        Ok(())
    }

    async fn failed(&self, what: &str) -> Error {
        Error::new(
            Kind::Usage,
            format!("the PostgreSQL server in a container {what}"),
        )
        .caused_by(self.container.said().await)
        .hint("see what the server said; the engine must be this machine's, and the image one of PostgreSQL")
    }
}

async fn answers(conninfo: &Conninfo) -> bool {
    match Session::connect(conninfo).await {
        Ok(session) => session.client().simple_query("SELECT 1").await.is_ok(),
        Err(_) => false,
    }
}
