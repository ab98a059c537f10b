//! A private PostgreSQL server: a directory and a port of its own, a secret password, gone with its value.
//!
//! The server runs under a watchdog that holds the read end of a pipe of ours. When the pipe closes, because the value was
//! dropped or because this process was killed, the watchdog stops the server and removes its directory.

mod data;

use std::io::{BufRead, BufReader};
use std::iter;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};

pub use self::data::Template;
use self::data::{SUPERUSER, data_directory, initialise};
use super::loopback::free_port;
use super::processes;
use super::server_user::ServerUser;
use crate::child::{Child, reaper};
use crate::deadline::Deadline;
use crate::error::{Error, Kind, Result};
use crate::model::secret::Secret;
use crate::postgres::conninfo::{Conninfo, Side};
use crate::postgres::session::Session;
use crate::postgres::tools::Installation;

const START_TIMEOUT: Duration = Duration::from_mins(1);
const STOP_GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);
/// What a file may still grow to where the disk is full: as much as the log's files hold where it can be, so that tables hit
/// the limit first.
const LAST_BYTES: u64 = 1 << 20;
/// A port that was free a moment ago may be taken by the time the server asks for it.
const PORT_ATTEMPTS: u32 = 5;

/// Runs `$2 …` until it ends or the pipe on standard input closes, then removes the directory `$1`. The data is thrown away, so
/// the immediate shutdown will do; the postmaster ends its own children. A server that ends while the file `held` is there
/// is started again once that file is gone.
const WATCHDOG: &str = r#"
    directory=$1; shift
    exec 3<&0
    (
        read -r _ <&3
        : > "$directory/gone"
        # Once may be between two servers.
        while kill -QUIT "$(cat "$directory/server")"; do sleep 0.1; done
    ) 2>/dev/null &
    reader=$!
    while :; do
        "$@" 3<&- </dev/null &
        server=$!
        echo $server > "$directory/server"
        [ ! -e "$directory/gone" ] || kill -QUIT $server
        wait $server
        status=$?
        [ -e "$directory/held" ] || break
        while [ -e "$directory/held" ] && [ ! -e "$directory/gone" ]; do sleep 0.02; done
        [ ! -e "$directory/gone" ] || break
    done
    kill $reader 2>/dev/null
    rm -rf -- "$directory"
    exit $status
"#;
/// Sets the limit `$1` for the processes `$2 …`. But for the first, the server, they may end meanwhile; a new one inherits from it.
const LIMIT_FILES: &str = r#"
    limit=$1; server=$2; shift 2
    prlimit --pid "$server" "$limit" || exit
    for process; do prlimit --pid "$process" "$limit" 2>/dev/null; done
    exit 0
"#;
/// Exists while a server that ended must not begin again.
const HELD: &str = "held";
/// Holds the number of the server's process.
const SERVER: &str = "server";

/// How a cluster is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Whether what it commits survives a crash of the machine. Off where that does not matter.
    pub is_durable: bool,
    /// Whether its disk can be made full.
    pub has_limited_disk: bool,
}

impl Traits {
    /// The settings of its server, wherever that runs. Each commits at once: a crash of the server alone must lose nothing that
    /// a drill counts on.
    pub(super) fn settings(self) -> Vec<&'static str> {
        let mut settings = vec!["max_wal_size=4GB", "log_min_messages=warning"];
        if !self.is_durable {
            settings.extend(["fsync=off", "full_page_writes=off"]);
        }
        settings
    }
}

/// A running server. Dropped, it is told to stop, and its directory is removed; [`stop`](Self::stop) waits for that.
#[derive(Debug)]
pub struct Cluster {
    /// Nothing once it was dropped.
    watchdog: Option<std::process::Child>,
    /// Open as long as the server is wanted.
    leash: Option<ChildStdin>,
    directory: PathBuf,
    user: ServerUser,
    port: u16,
    password: Secret,
}

impl Cluster {
    /// Makes a cluster in `directory`, which must not exist, and waits until it answers a query.
    pub async fn start(
        installation: &Installation,
        directory: &Path,
        user: ServerUser,
        traits: Traits,
    ) -> Result<Self> {
        let make = async || initialise(installation, directory, user, traits).await;
        Self::start_on(make, installation, directory, user, traits).await
    }

    /// The same, from the files of a template that was made with the same traits.
    pub(super) async fn start_from(
        template: &Template,
        installation: &Installation,
        directory: &Path,
        user: ServerUser,
        traits: Traits,
    ) -> Result<Self> {
        let make = async || template.copy_to(directory).await;
        Self::start_on(make, installation, directory, user, traits).await
    }

    async fn start_on(
        make: impl AsyncFn() -> Result<Secret>,
        installation: &Installation,
        directory: &Path,
        user: ServerUser,
        traits: Traits,
    ) -> Result<Self> {
        let mut attempt = 1;
        loop {
            let password = make().await?;
            let mut cluster = Self::launch(installation, directory, user, traits, password)?;
            let said = cluster.listen();
            let Err(failure) = cluster.ready().await else {
                return Ok(cluster);
            };
            // Once the watchdog has ended, the directory is gone and all has been said.
            cluster.stop().await;
            let said = said.join().unwrap_or_default();
            if !said.contains("Address already in use") || attempt == PORT_ATTEMPTS {
                return Err(failure
                    .caused_by(last_lines(&said))
                    .hint("see what the server said; the directory in TMPDIR may be full"));
            }
            attempt += 1;
        }
    }

    /// Ends the server, and waits until its directory is gone.
    pub async fn stop(self) {
        drop(self);
        reaper::settled().await;
    }

    /// How to reach a database of this server as its superuser.
    pub fn conninfo(&self, side: Side, database: &str) -> Result<Conninfo> {
        Conninfo::parse(side, self.url(database).reveal())
    }

    /// The same as a URL, with the password in it. Names and passwords of ours need no escaping.
    pub fn url(&self, database: &str) -> Secret {
        self.url_by(self.address(), database)
    }

    /// The same by way of another address that leads to this server.
    pub(super) fn url_by(&self, address: SocketAddr, database: &str) -> Secret {
        let password = self.password.reveal();
        Secret::new(format!(
            "postgresql://{SUPERUSER}:{password}@{address}/{database}?sslmode=disable"
        ))
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Ends the server as a crash would: without a checkpoint, with all its connections.
    pub async fn crash(&self) -> Result<()> {
        let held = std::fs::File::create(self.directory.join(HELD));
        held.map_err(|cause| failed("cannot be held back").caused_by(cause))?;
        let server = self
            .server()
            .ok_or_else(|| failed("has no process to be found"))?;
        // An end that came by itself is an end as well.
        let _ = kill_process(server, Signal::QUIT);
        let deadline = Deadline::after(START_TIMEOUT);
        while test_kill_process(server).is_ok() {
            if !deadline.pause(POLL).await {
                return Err(failed("does not end"));
            }
        }
        Ok(())
    }

    /// Starts the server again after [`crash`](Self::crash), and waits until it answers a query.
    pub async fn start_again(&self) -> Result<()> {
        let released = std::fs::remove_file(self.directory.join(HELD));
        released.map_err(|cause| failed("was not held back").caused_by(cause))?;
        let conninfo = self.conninfo(Side::Target, "postgres")?;
        let deadline = Deadline::after(START_TIMEOUT);
        while !answers(&conninfo).await {
            if !deadline.pause(POLL).await {
                return Err(failed("does not answer"));
            }
        }
        Ok(())
    }

    /// Lets no table grow any more, as on a disk that is full. Only for a server with a limited disk.
    pub async fn fill_disk(&self) -> Result<()> {
        self.limit_files(&LAST_BYTES.to_string()).await
    }

    /// Gives the space back.
    pub async fn free_disk(&self) -> Result<()> {
        self.limit_files("unlimited").await
    }

    /// Run as the server's user: root may lack the right to limit others.
    async fn limit_files(&self, limit: &str) -> Result<()> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", LIMIT_FILES, "limit-files"])
            .arg(format!("--fsize={limit}:"))
            .args(
                self.processes()
                    .iter()
                    .map(|process| process.as_raw_nonzero().to_string()),
            );
        self.user.run(&mut command);
        let ended = Child::start("prlimit", command.into())?.ended().await?;
        ended
            .well(Kind::Usage)
            .map_err(|error| error.hint("install util-linux, which brings prlimit"))
    }

    /// Stops the server's processes: it holds its connections, and answers none.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// The server before its children are looked for: one that is stopped begets no more.
    fn signal(&self, signal: Signal) {
        let Some(server) = self.server() else { return };
        let _ = kill_process(server, signal);
        for process in self.processes() {
            let _ = kill_process(process, signal);
        }
    }

    /// The numbers of the server's processes, its own first.
    fn processes(&self) -> Vec<Pid> {
        let Some(server) = self.server() else {
            return Vec::new();
        };
        let children = processes::all().filter(|process| process.parent == Some(server));
        iter::once(server)
            .chain(children.map(|process| process.id))
            .collect()
    }

    fn server(&self) -> Option<Pid> {
        let number = std::fs::read_to_string(self.directory.join(SERVER)).ok()?;
        Pid::from_raw(number.trim().parse().ok()?)
    }

    fn launch(
        installation: &Installation,
        directory: &Path,
        user: ServerUser,
        traits: Traits,
        password: Secret,
    ) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(directory)
            .arg(installation.program("postgres"))
            .arg("-D")
            .arg(data_directory(directory))
            .arg("-p")
            .arg(port.to_string())
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .args(traits.settings().into_iter().flat_map(|setting| ["-c", setting]));
        user.run(&mut command);
        let mut watchdog = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|cause| failed("cannot be started").caused_by(cause))?;
        Ok(Self {
            leash: watchdog.stdin.take(),
            watchdog: Some(watchdog),
            directory: directory.to_owned(),
            user,
            port,
            password,
        })
    }

    /// Keeps reading what the server says, so that it never waits for a reader. What it said last comes back when it has ended.
    fn listen(&mut self) -> JoinHandle<String> {
        const KEPT_BYTES: usize = 64 << 10;
        let errors = self.watchdog.as_mut().and_then(|watchdog| watchdog.stderr.take());
        thread::spawn(move || {
            let lines = errors
                .into_iter()
                .flat_map(|errors| BufReader::new(errors).lines());
            lines
                .map_while(std::io::Result::ok)
                .fold(String::new(), |mut said, line| {
                    if said.len() + line.len() > KEPT_BYTES {
                        said.clear();
                    }
                    said.push_str(&line);
                    said.push('\n');
                    said
                })
        })
    }

    /// Waits for the first answer of a server that was just launched.
    async fn ready(&mut self) -> Result<()> {
        let conninfo = self.conninfo(Side::Target, "postgres")?;
        let deadline = Deadline::after(START_TIMEOUT);
        while !answers(&conninfo).await {
            let watchdog = self.watchdog.as_mut();
            if let Some(Ok(Some(status))) = watchdog.map(std::process::Child::try_wait) {
                return Err(failed(&format!("ended at once ({status})")));
            }
            if !deadline.pause(POLL).await {
                return Err(failed("does not answer"));
            }
        }
        Ok(())
    }
}

async fn answers(conninfo: &Conninfo) -> bool {
    match Session::connect(conninfo).await {
        Ok(session) => session.client().simple_query("SELECT 1").await.is_ok(),
        Err(_) => false,
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(mut watchdog) = self.watchdog.take() else {
            return;
        };
        // Told by us first: the file that tells the watchdog which process it is may go with the directory around it. One that
        // crashed left its number to others.
        let parent = Pid::from_raw(watchdog.id().cast_signed());
        let is_ours =
            |server: &Pid| processes::all().any(|process| process.id == *server && process.parent == parent);
        if let Some(server) = self.server().filter(is_ours) {
            let _ = kill_process(server, Signal::QUIT);
        }
        drop(self.leash.take());
        let deadline = Deadline::after(STOP_GRACE);
        reaper::hand_over(move || {
            while matches!(watchdog.try_wait(), Ok(None)) {
                if !deadline.pause_thread(POLL) {
                    // A postmaster that was stopped by a signal answers no other but this one.
                    if let Some(group) = parent {
                        let _ = kill_process_group(group, Signal::KILL);
                    }
                    let _ = watchdog.wait();
                }
            }
        });
    }
}

fn failed(what: &str) -> Error {
    Error::new(Kind::Usage, format!("the private PostgreSQL server {what}"))
}

fn last_lines(text: &str) -> String {
    const KEPT: usize = 5;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(KEPT)..].join("\n  ")
}
