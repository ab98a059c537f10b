//! Connection strings: read once, handed to our own sessions and, through the environment, to PostgreSQL's programs.

use std::fmt;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::error::{Error, Kind, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_PORT: u16 = 5432;

/// Which database of a run a connection belongs to. It decides the kind of the errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The database that is backed up.
    Source,
    /// The database that is restored into.
    Target,
}

impl Side {
    /// The kind of an error that this side caused.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Source => Kind::Source,
            Self::Target => Kind::Target,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// One database, and how to be let in. Shows itself without its password.
#[derive(Clone)]
pub struct Conninfo {
    side: Side,
    config: Config,
    host: String,
    port: u16,
    database: String,
    user: String,
}

impl Conninfo {
    /// Reads a URL (`postgresql://user:password@host:port/database`) or `key=value` pairs. The text itself is never repeated in
    /// an error, as it may hold a password.
    pub fn parse(side: Side, text: &str) -> Result<Self> {
        let refuse = |what: &str| {
            Error::new(Kind::Usage, format!("the {side}'s connection string {what}"))
                .hint("write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters percent-encoded")
        };
        let mut config: Config = text.parse().map_err(|_| refuse("cannot be read"))?;
        let [host] = config.get_hosts() else {
            return Err(refuse(if config.get_hosts().is_empty() {
                "names no host"
            } else {
                "names several hosts: name the one to use"
            }));
        };
        let host = match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(directory) => directory.display().to_string(),
        };
        if config.get_ssl_mode() == SslMode::Require {
            return Err(refuse("asks for sslmode=require, which this version cannot do")
                .hint("connect through a local TLS tunnel, and leave sslmode out"));
        }
        if config
            .get_password()
            .is_some_and(|password| std::str::from_utf8(password).is_err())
        {
            return Err(refuse("has a password that is not UTF-8"));
        }
        let user = config
            .get_user()
            .ok_or_else(|| refuse("names no user"))?
            .to_owned();
        let database = config.get_dbname().unwrap_or(&user).to_owned();
        let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.application_name("paycraft-dr");
        Ok(Self {
            side,
            config,
            host,
            port,
            database,
            user,
        })
    }

    /// The same server and credentials, as the given side and with another database.
    #[must_use]
    pub fn with_database(&self, side: Side, database: &str) -> Self {
        let mut other = self.clone();
        other.side = side;
        database.clone_into(&mut other.database);
        other.config.dbname(database);
        other
    }

    /// The same database, asked for with this password.
    #[must_use]
    pub fn with_password(&self, password: &str) -> Self {
        let mut other = self.clone();
        other.config.password(password);
        other
    }

    /// Whether a password came with the connection string.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// Which side of a run this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Supabase's project reference, where host (`db.<ref>.supabase.co`) or user (`postgres.<ref>`, as its pooler wants it)
    /// names one.
    pub fn project_ref(&self) -> Option<&str> {
        let host = self
            .host
            .strip_prefix("db.")
            .and_then(|rest| rest.strip_suffix(".supabase.co"));
        let user = self
            .user
            .strip_prefix("postgres.")
            .filter(|_| self.host.ends_with(".pooler.supabase.com"));
        host.or(user)
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The environment that leads libpq to this database. The password travels here and nowhere else.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
            ("PGAPPNAME", "paycraft-dr".to_owned()),
            ("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT.as_secs().to_string()),
        ];
        if let Some(password) = self.config.get_password() {
            variables.push(("PGPASSWORD", String::from_utf8_lossy(password).into_owned()));
        }
        if self.config.get_ssl_mode() == SslMode::Disable {
            variables.push(("PGSSLMODE", "disable".to_owned()));
        }
        if let Some(options) = self.config.get_options() {
            variables.push(("PGOPTIONS", options.to_owned()));
        }
        variables
    }
}

impl fmt::Display for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}

impl fmt::Debug for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conninfo({self})")
    }
}
