//! Ports of this machine that nobody else can reach.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Error, Kind, Result};

/// A port that was free a moment ago. Somebody else may take it before it is used.
pub(super) fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|cause| Error::new(Kind::Usage, "no loopback port is free").caused_by(cause))
}
