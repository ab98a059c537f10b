//! The store of a drill on this machine: inside this process, or of a program that is run as a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::drill::leash::StdinLeash;
use crate::drill::loopback::free_ports;
use crate::drill::s3_server::{Credentials, Rules, S3Server};
use crate::drill::server_user::ServerUser;
use crate::drill::substrate::readiness::{self, Starting};
use crate::drill::substrate::{BUCKET, no_room};
use crate::error::{Error, Kind, Result};
use crate::model::secret::Secret;
use crate::store::{Location, Store};

const ACCESS_KEY_ID: &str = "drill";
/// A port that was free a moment ago may be taken by the time the server asks for it.
const PORT_ATTEMPTS: u32 = 3;
/// How long the end of a server is waited for. It is killed, not asked: what it keeps is thrown away.
const ENDING: Duration = Duration::from_secs(10);
/// How much of what it said is told.
const SAID_BYTES: usize = 2000;
/// Runs `$3 …` until it ends or until standard input does, and removes the files `$2`. In the directory `$1` are its words, and a file
/// for as long as it runs.
const WATCHDOG: &str = r#"
    place=$1 leavings=$2; shift 2
    exec 3<&0
    : > "$place/server"
    "$@" 3<&- </dev/null >"$place/words" 2>&1 &
    server=$!
    { read -r _ <&3; kill -KILL $server; } 2>/dev/null &
    reader=$!
    wait $server
    kill $reader 2>/dev/null
    rm -f -- $leavings "$place/server"
"#;
/// Listeners of SeaweedFS beside those that are needed, where a version has them.
const UNWANTED_LISTENERS: [&str; 2] = ["s3.port.iceberg", "s3.port.lance"];

/// Starts a store in this process that keeps its files in a drill's directory.
pub(in crate::drill::substrate) async fn start_inside(directory: &Path) -> Result<(S3Server, Location)> {
    let credentials = Credentials {
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: new_secret(),
    };
    let server = S3Server::start(&directory.join("store"), BUCKET, credentials.clone(), Rules::R2).await?;
    let location = Location::new(
        &server.endpoint(),
        BUCKET,
        &credentials.access_key_id,
        Secret::new(credentials.secret_access_key),
    );
    Ok((server, location))
}

/// An S3 server as a process, in which each drill has a bucket. Dropped, it is ended.
#[derive(Debug)]
pub(super) struct StoreProcess {
    leash: StdinLeash,
    address: SocketAddr,
    secret_access_key: Secret,
    program: PathBuf,
    words: PathBuf,
}

impl StoreProcess {
    /// Starts `program`, which keeps its files in `directory`, and waits until it takes an object, returns it and removes it.
    pub(super) async fn start(program: &Path, directory: &Path, user: ServerUser) -> Result<Self> {
        let make = make_of(program)?;
        let directory = directory.join("store");
        std::fs::create_dir(&directory).map_err(|cause| no_room(&directory, cause))?;
        user.take_over(&directory)?;
        let mut attempt = 1;
        loop {
            let mut server = Self::begin(program, make, &directory, user)?;
            let location = server.location("none");
            match readiness::ready(&mut server, &location).await {
                Ok(()) => return Ok(server),
                Err(_) if attempt < PORT_ATTEMPTS && !server.is_running().await => attempt += 1,
                Err(error) => {
                    return Err(error.hint(format!(
                        "see what {} said; without --s3-program the built-in server is used",
                        program.display()
                    )));
                }
            }
        }
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a bucket for one drill alone.
    pub(super) async fn bucket(&self) -> Result<Location> {
        let location = self.location(&format!("drill-{:016x}", rand::random::<u64>()));
        Store::new(&location).create_bucket().await?;
        Ok(location)
    }

    fn begin(program: &Path, make: Make, directory: &Path, user: ServerUser) -> Result<Self> {
        let ports = free_ports::<8>()?;
        let secret = new_secret();
        let mut command = Command::new("/bin/sh");
        user.run(&mut command);
        command
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(directory)
            .arg(make.leavings(ports).join(" "))
            .arg(program)
            .args(make.arguments(program, directory, ports))
            .env("HOME", directory)
            .env("TMPDIR", directory)
            .env("WEED_MASTER_VOLUME_GROWTH_COPY_1", "1")
            .envs([
                ("MINIO_ROOT_USER", ACCESS_KEY_ID),
                ("MINIO_ROOT_PASSWORD", &secret),
            ])
            .envs([
                ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
                ("AWS_SECRET_ACCESS_KEY", &secret),
            ]);
        Ok(Self {
            leash: StdinLeash::hold(command, ENDING)?,
            address: (Ipv4Addr::LOCALHOST, ports[0]).into(),
            secret_access_key: Secret::new(secret),
            program: program.to_owned(),
            words: directory.join("words"),
        })
    }

    fn location(&self, bucket: &str) -> Location {
        Location::new(
            &format!("http://{}", self.address),
            bucket,
            ACCESS_KEY_ID,
            self.secret_access_key.clone(),
        )
    }
}

impl Starting for StoreProcess {
    async fn is_running(&mut self) -> bool {
        self.leash.holds()
    }

    async fn said(&self) -> String {
        let words = std::fs::read(&self.words).unwrap_or_default();
        let last = words.len().saturating_sub(SAID_BYTES);
        String::from_utf8_lossy(&words[last..]).trim().to_owned()
    }
}

/// The S3 servers whose command lines are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Make {
    Minio,
    SeaweedFs,
}

/// Told by the program's file name.
fn make_of(program: &Path) -> Result<Make> {
    match program.file_name().and_then(|name| name.to_str()) {
        Some("minio") => Ok(Make::Minio),
        Some("weed") => Ok(Make::SeaweedFs),
        _ => Err(Error::new(
            Kind::Usage,
            format!(
                "it is not known how {} is started as an S3 server",
                program.display()
            ),
        )
        .hint("give the path of `minio` or of SeaweedFS's `weed`, or leave --s3-program out")),
    }
}

impl Make {
    /// What it leaves outside its own directory, under any settings.
    fn leavings(self, ports: [u16; 8]) -> Vec<String> {
        let [_, s3, _, master, _, volume, _, filer] = ports;
        let sockets = [
            ("s3", s3),
            ("master", master),
            ("volume", volume),
            ("filer", filer),
        ];
        let socket = |(part, port)| format!("/tmp/seaweedfs-{part}-grpc-{port}.sock");
        match self {
            Self::Minio => Vec::new(),
            Self::SeaweedFs => sockets.map(socket).into(),
        }
    }

    fn arguments(self, program: &Path, directory: &Path, ports: [u16; 8]) -> Vec<String> {
        let place = directory.display();
        match self {
            Self::Minio => {
                let address = |port| format!("{}:{port}", Ipv4Addr::LOCALHOST);
                let words = ["server", "--quiet", "--address", &address(ports[0])];
                let mut arguments: Vec<String> = words.map(str::to_owned).into();
                arguments.extend(["--console-address".to_owned(), address(ports[1])]);
                arguments.push(directory.join("data").display().to_string());
                arguments
            }
            Self::SeaweedFs => {
                let [
                    s3,
                    s3_grpc,
                    master,
                    master_grpc,
                    volume,
                    volume_grpc,
                    filer,
                    filer_grpc,
                ] = ports;
                let mut arguments: Vec<String> = [
                    "server",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    "-master.telemetry=false",
                    "-master.volumeSizeLimitMB=256",
                    "-volume.max=2000",
                    "-filer",
                    "-s3",
                    "-s3.allowDeleteBucketNotEmpty=false",
                ]
                .map(str::to_owned)
                .into();
                arguments.extend([
                    format!("-dir={place}"),
                    format!("-s3.port={s3}"),
                    format!("-s3.port.grpc={s3_grpc}"),
                    format!("-s3.localSocket={place}/s3.sock"),
                    format!("-master.port={master}"),
                    format!("-master.port.grpc={master_grpc}"),
                    format!("-volume.port={volume}"),
                    format!("-volume.port.grpc={volume_grpc}"),
                    format!("-filer.port={filer}"),
                    format!("-filer.port.grpc={filer_grpc}"),
                    format!("-filer.localSocket={place}/filer.sock"),
                ]);
                let help = help_of(program);
                let unwanted = UNWANTED_LISTENERS.iter();
                let unwanted = unwanted.filter(|name| help.contains(&format!("-{name} ")));
                arguments.extend(unwanted.map(|name| format!("-{name}=0")));
                arguments
            }
        }
    }
}

/// What SeaweedFS says about its servers' flags, which differ between its versions.
fn help_of(program: &Path) -> String {
    let said = Command::new(program).args(["server", "-h"]).output();
    said.map(|said| [said.stdout, said.stderr].concat())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

fn new_secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}
