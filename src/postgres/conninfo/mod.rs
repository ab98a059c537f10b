//! Connection strings: read once, handed to our own sessions and, through the environment, to PostgreSQL's programs.

mod parameters;
mod project;
mod variants;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::ChannelBinding;

pub use self::parameters::Surroundings;
use self::parameters::{ConninfoError, Parameters};
use self::project::{ConninfoParts, SESSION_PORT, is_direct, is_supabase, is_transaction_pooler, normalised};
use super::patience::ServerTimeouts;
pub use super::side::Side;
use super::tls::{Roots, Tls, Trust};
use crate::error::{Error, Kind, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_PORT: u16 = 5432;
/// How often a server looks whether its client is still there while a statement runs, in milliseconds.
pub(super) const CONNECTION_CHECK_MS: u32 = 1000;
const APPLICATION: &str = "paycraft-dr";

/// Parameters that change nothing for us: names for logs, and how a connection is kept alive.
const WITHOUT_EFFECT: [&str; 13] = [
    "application_name",
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "sslsni",
    "sslcompression",
    "target_session_attrs",
    "tcp_user_timeout",
];
const UNDERSTOOD: [&str; 13] = [
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "passfile",
    "password",
    "port",
    "service",
    "sslmode",
    "sslrootcert",
    "user",
];

/// Parameters that others understand and we do not. An error names only these: anything else in the place of a name may be a piece of
/// a password.
const KNOWN_ELSEWHERE: [&str; 25] = [
    "connection_limit",
    "gssdelegation",
    "gsslib",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "pgbouncer",
    "pool_mode",
    "pool_timeout",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "schema",
    "scram_client_key",
    "scram_server_key",
    "sslcert",
    "sslcertmode",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "sslnegotiation",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
];

/// One database, and how to be let in. Shows itself without its password.
#[derive(Clone)]
pub struct Conninfo {
    side: Side,
    config: Config,
    tls: Tls,
    host: String,
    /// The address that the connection string gives besides the host.
    address: Option<IpAddr>,
    /// The addresses that connections go to, in this order; empty where the host's name is looked up each time.
    addresses: Vec<IpAddr>,
    port: u16,
    database: String,
    user: String,
    patience: ServerTimeouts,
}

impl Conninfo {
    /// Reads a URL (`postgresql://user:password@host:port/database`) or `key=value` pairs, by themselves.
    pub fn parse(side: Side, text: &str) -> Result<Self> {
        Self::parse_in(side, text, &Surroundings::none())
    }

    /// Reads a connection string as libpq would in these surroundings: service file, variables, password file. The text itself
    /// is never repeated in an error, as it may hold a password.
    pub fn parse_in(side: Side, text: &str, surroundings: &Surroundings<'_>) -> Result<Self> {
        let hint = if parameters::is_quoted(text) {
            "remove the quotes around it: they belong to the shell that sets the variable, not to its value"
        } else {
            "write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters percent-encoded"
        };
        let refuse = |what: String| {
            Error::new(Kind::Usage, format!("the {side}'s connection string {what}")).hint(hint)
        };
        let parameters = surroundings.complete(text).map_err(refuse)?;
        let conninfo = Self::from_parameters(side, &parameters, surroundings).map_err(refuse)?;
        if is_transaction_pooler(&conninfo.host, conninfo.port) {
            return Err(conninfo.through_transactions());
        }
        Ok(conninfo)
    }

    /// Whether the text itself holds a password, however incomplete it is.
    pub fn text_holds_password(text: &str) -> bool {
        parameters::read(text).is_ok_and(|parameters| parameters.contains_key("password"))
    }

    fn from_parameters(
        side: Side,
        parameters: &Parameters,
        surroundings: &Surroundings<'_>,
    ) -> std::result::Result<Self, ConninfoError> {
        let known =
            |name: &&String| UNDERSTOOD.contains(&name.as_str()) || WITHOUT_EFFECT.contains(&name.as_str());
        if let Some(unknown) = parameters.keys().find(|name| !known(name)) {
            return Err(if KNOWN_ELSEWHERE.contains(&unknown.as_str()) {
                format!("has the parameter {unknown:?}, which is not understood: leave it out")
            } else {
                format!(
                    "has a parameter that is not understood (understood are {})",
                    UNDERSTOOD.join(", ")
                )
            });
        }
        let value = |name: &str| {
            parameters
                .get(name)
                .map(String::as_str)
                .filter(|value| !value.is_empty())
        };
        let one = |name: &str| match value(name) {
            Some(list) if list.contains(',') => Err("names several hosts: name the one to use".to_owned()),
            other => Ok(other),
        };
        let address = one("hostaddr")?.map(str::parse).transpose();
        let address: Option<IpAddr> = address.map_err(|_| "has a hostaddr that is no address")?;
        let host = match (one("host")?, address) {
            (Some(host), _) if host.starts_with('/') => host.to_owned(),
            (Some(host), _) => normalised(host),
            (None, Some(address)) => address.to_string(),
            (None, None) => return Err("names no host".to_owned()),
        };
        let port = one("port")?.map_or(Ok(DEFAULT_PORT), str::parse);
        let port = port.map_err(|_| "has a port that is no number up to 65535")?;
        let user = value("user").ok_or("names no user")?.to_owned();
        let database = value("dbname").unwrap_or(&user).to_owned();
        let timeout = value("connect_timeout").map(str::parse).transpose();
        let timeout: Option<u64> =
            timeout.map_err(|_| "has a connect_timeout that is no number of seconds")?;

        let mut config = Config::new();
        config
            .port(port)
            .user(&user)
            .dbname(&database)
            .connect_timeout(
                timeout
                    .filter(|seconds| *seconds > 0)
                    .map_or(CONNECT_TIMEOUT, Duration::from_secs),
            )
            .application_name(APPLICATION)
            .channel_binding(channel_binding(value("channel_binding"))?);
        add_host(&mut config, &host, address);
        if let Some(password) = value("password") {
            config.password(password);
        }
        if let Some(options) = value("options") {
            config.options(options);
        }
        let roots = value("sslrootcert").map(|roots| match roots {
            "system" => Roots::System,
            file => Roots::File(PathBuf::from(file)),
        });
        let usual = surroundings
            .at_home(".postgresql/root.crt")
            .filter(|file| file.exists());
        let trust = match value("sslmode") {
            Some(mode) => Trust::read(mode)?,
            None if is_supabase(&host) => Trust::Encrypted,
            None => Trust::IfOffered,
        };
        let tls = Tls::new(trust, roots.or(usual.map(Roots::File)))?;
        Ok(Self {
            side,
            config,
            tls,
            host,
            address,
            addresses: address.into_iter().collect(),
            port,
            database,
            user,
            patience: ServerTimeouts::default(),
        })
    }

    /// The refusal of a pooler that gives a server connection for one transaction at a time.
    pub(super) fn through_transactions(&self) -> Error {
        let message = format!(
            "the {} {self} is a pooler in transaction mode, where sessions do not last",
            self.side
        );
        let hint = if is_supabase(&self.host) {
            format!(
                "use its session mode: postgresql://{}:PASSWORD@{}:{SESSION_PORT}/{}",
                self.user, self.host, self.database
            )
        } else {
            "connect to the server itself, or to the pooler's session mode".to_owned()
        };
        Error::new(Kind::Usage, message).hint(hint)
    }

    /// What to do where nothing answers.
    pub(super) fn unreachable_hint(&self) -> String {
        let side = self.side;
        match self.projects().first() {
            Some(project) if is_direct(&self.host) => format!(
                "{} answers over IPv6 alone unless the project has the IPv4 add-on; use the session pooler: \
                 postgresql://postgres.{project}:PASSWORD@aws-0-REGION.pooler.supabase.com:{SESSION_PORT}/{} \
                 (the dashboard's Connect button shows its host)",
                self.host, self.database
            ),
            _ => format!("check host and port of the {side}'s connection string, and the network"),
        }
    }

    /// How long its server is waited for.
    pub fn patience(&self) -> ServerTimeouts {
        self.patience
    }

    /// Whether a password came with the connection string.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// Which side of a run this is.
    pub fn side(&self) -> Side {
        self.side
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    /// Supabase's reference of the project, where exactly one is named.
    pub fn project_ref(&self) -> Option<String> {
        let mut projects = self.projects();
        if projects.len() == 1 {
            projects.pop_first()
        } else {
            None
        }
    }

    /// Supabase's reference of the project, where it is certain that this leads there and nowhere else: exactly one is named, to a
    /// door of Supabase's, and no address bends the way.
    pub fn leads_to_project(&self) -> Option<String> {
        let is_certain = is_supabase(&self.host) && self.address.is_none();
        self.project_ref().filter(|_| is_certain)
    }

    /// Whether it is certain that this leads to another Supabase project than `project`.
    pub fn leads_to_another_project(&self, project: Option<&str>) -> bool {
        let own = self.leads_to_project();
        own.is_some() && project.is_some() && own.as_deref() != project
    }

    /// Every Supabase project that some part of it names.
    pub fn projects(&self) -> BTreeSet<String> {
        self.parts().projects()
    }

    /// Whether some part of it holds the project's reference.
    pub fn names_project(&self, project: &str) -> bool {
        self.parts().mention(project)
    }

    /// Whether both lead to the same database of the same server, as far as their words tell. Many projects share the address of a
    /// pooler.
    pub fn leads_where(&self, other: &Self) -> bool {
        if self.leads_to_another_project(other.leads_to_project().as_deref()) {
            return false;
        }
        let place = |conninfo: &Self| (conninfo.host.clone(), conninfo.address, conninfo.port);
        place(self) == place(other) && self.database == other.database
    }

    /// The host by its name or address, unless that means another machine for each that uses it: a socket, or this machine itself.
    pub fn public_host(&self) -> Option<&str> {
        let is_loopback = |address: IpAddr| address.is_loopback();
        let is_here = self.host.starts_with('/')
            || self.host == "localhost"
            || self.host.parse().is_ok_and(is_loopback)
            || self.address.is_some_and(is_loopback);
        (!is_here).then_some(self.host.as_str())
    }

    /// Whether it leads to the host of this name or address, as far as its words tell.
    pub fn is_at(&self, host: &str) -> bool {
        let host = normalised(host);
        let has_address = |address: &IpAddr| host.parse() == Ok(*address);
        !host.is_empty() && (normalised(&self.host) == host || self.address.as_ref().is_some_and(has_address))
    }

    fn parts(&self) -> ConninfoParts<'_> {
        ConninfoParts {
            host: &self.host,
            user: &self.user,
            options: self.config.get_options().unwrap_or_default(),
        }
    }

    /// Timeout for one step of a connection.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.config
            .get_connect_timeout()
            .copied()
            .unwrap_or(CONNECT_TIMEOUT)
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The socket's file, where the server is reached over one of this machine.
    pub(super) fn socket_file(&self) -> Option<PathBuf> {
        let is_socket = self.host.starts_with('/') && self.addresses.is_empty();
        is_socket.then(|| Path::new(&self.host).join(format!(".s.PGSQL.{}", self.port)))
    }

    /// As libpq words it. What no version of the crate has yet could only be stricter.
    fn channel_binding(&self) -> &'static str {
        match self.config.get_channel_binding() {
            ChannelBinding::Disable => "disable",
            ChannelBinding::Prefer => "prefer",
            _ => "require",
        }
    }

    /// What the server is told as a session begins.
    pub(super) fn options(&self) -> Option<&str> {
        self.config.get_options()
    }

    /// The environment that leads libpq to this database. The password travels here and nowhere else.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let timeout = self.connect_timeout();
        let application = self.config.get_application_name().unwrap_or(APPLICATION);
        // libpq wants as many names as addresses.
        let hosts = vec![self.host.as_str(); self.addresses.len().max(1)];
        let mut variables = vec![
            ("PGHOST", hosts.join(",")),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
            ("PGAPPNAME", application.to_owned()),
            ("PGCONNECT_TIMEOUT", timeout.as_secs().to_string()),
            ("PGCHANNELBINDING", self.channel_binding().to_owned()),
        ];
        if !self.addresses.is_empty() {
            let addresses: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
            variables.push(("PGHOSTADDR", addresses.join(",")));
        }
        if let Some(password) = self.config.get_password() {
            variables.push(("PGPASSWORD", String::from_utf8_lossy(password).into_owned()));
        }
        if let Some(options) = self.config.get_options() {
            variables.push(("PGOPTIONS", options.to_owned()));
        }
        variables.extend(self.tls.environment());
        variables
    }
}

/// Where an address is given, a socket's directory is no more than a name, and none that a certificate is made for.
fn add_host(config: &mut Config, host: &str, address: Option<IpAddr>) {
    let Some(address) = address else {
        config.host(host);
        return;
    };
    config.hostaddr(address);
    match host.starts_with('/') {
        true => config.host(address.to_string()),
        false => config.host(host),
    };
}

fn channel_binding(value: Option<&str>) -> std::result::Result<ChannelBinding, ConninfoError> {
    match value {
        None | Some("prefer") => Ok(ChannelBinding::Prefer),
        Some("disable") => Ok(ChannelBinding::Disable),
        Some("require") => Ok(ChannelBinding::Require),
        Some(_) => Err("has a channel_binding that is none of disable, prefer, require".to_owned()),
    }
}

impl fmt::Display for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        write!(f, "{}@{host}:{}/{}", self.user, self.port, self.database)
    }
}

impl fmt::Debug for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conninfo({self})")
    }
}
