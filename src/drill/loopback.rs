//! Ports of this machine that no other machine can reach.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Error, Kind, Result};

/// A port that was free a moment ago. Somebody else may take it before it is used.
pub(super) fn free_port() -> Result<u16> {
    free_ports().map(|[port]| port)
}

/// The same for several, no two of them alike.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let no_port = |cause| Error::new(Kind::Usage, "no loopback port is free").caused_by(cause);
    let mut ports = [0; N];
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(no_port)?;
        *port = listener.local_addr().map_err(no_port)?.port();
        held.push(listener);
    }
    Ok(ports)
}
