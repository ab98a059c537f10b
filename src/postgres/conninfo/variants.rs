//! The same connection for another use: another database or password, fixed addresses, a name of its own.

use std::net::IpAddr;

use tokio_postgres::Config;

use super::{APPLICATION, CONNECTION_CHECK_MS, Conninfo, Side, add_host};
use crate::postgres::patience::ServerTimeouts;

impl Conninfo {
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

    /// The same database, waited for as long as this.
    #[must_use]
    pub fn with_patience(&self, patience: ServerTimeouts) -> Self {
        let mut other = self.clone();
        other.patience = patience;
        other
    }

    /// The same database, whose host has these addresses: its name is not looked up. Certificates are still checked against the name.
    #[must_use]
    pub fn with_addresses(&self, addresses: &[IpAddr]) -> Self {
        let mut other = self.clone();
        other.addresses = addresses.to_vec();
        let mut config = Config::new();
        for address in addresses {
            add_host(&mut config, &self.host, Some(*address));
        }
        config
            .port(self.port)
            .user(&self.user)
            .dbname(&self.database)
            .application_name(self.config.get_application_name().unwrap_or(APPLICATION))
            .channel_binding(self.config.get_channel_binding());
        config.connect_timeout(self.connect_timeout());
        if let Some(password) = self.config.get_password() {
            config.password(password);
        }
        if let Some(options) = self.config.get_options() {
            config.options(options);
        }
        other.config = config;
        other
    }

    /// Host and port, where its name has to be looked up; nothing for a socket's directory and where addresses are given.
    pub(in crate::postgres) fn to_look_up(&self) -> Option<(&str, u16)> {
        let is_name = !self.host.starts_with('/') && self.addresses.is_empty();
        is_name.then_some((self.host.as_str(), self.port))
    }

    /// The addresses that connections go to, where they are given.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The same database, with connections of this name.
    #[must_use]
    pub fn with_application(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.config.application_name(name);
        other
    }

    /// The same database, asked from the first moment on to end a statement soon after its client is gone. Poolers and some servers
    /// refuse such a connection.
    #[must_use]
    pub(in crate::postgres) fn with_connection_check(&self) -> Self {
        const NAME: &str = "client_connection_check_interval";
        let mut other = self.clone();
        let options = self.config.get_options().unwrap_or_default();
        if !options.contains(NAME) {
            let options = format!("{options} -c {NAME}={CONNECTION_CHECK_MS}");
            other.config.options(options.trim_start());
        }
        other
    }
}
