//! One address for all connections of a run.
//!
//! A name may have several addresses, with a server of its own behind each. What was found out over one connection holds for another
//! one only if both go to the same address.

use std::net::{IpAddr, SocketAddr};

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::conninfo::Conninfo;
use super::session::Session;
use crate::error::{Error, Result};

/// Connects, and returns the session together with the same connection string bound to the one address that answered: every
/// later connection goes there. The addresses are tried in the order in which the system's resolver gives them.
pub async fn connect(conninfo: &Conninfo) -> Result<(Session, Conninfo)> {
    let mut addresses = conninfo.addresses().to_vec();
    if let Some(place) = conninfo.to_look_up() {
        addresses = look_up(conninfo, place).await?;
    }
    let mut failed = None;
    for address in addresses {
        let bound = conninfo.with_addresses(&[address]);
        match Session::connect(&bound).await {
            Ok(session) => return Ok((session, bound)),
            // The first address is the one that the operator most likely means.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) => Err(error),
        // A socket of this machine.
        None => Ok((Session::connect(conninfo).await?, conninfo.clone())),
    }
}

async fn look_up(conninfo: &Conninfo, place: (&str, u16)) -> Result<Vec<IpAddr>> {
    let side = conninfo.side();
    let unreachable = |cause: String| {
        Error::new(
            side.kind(),
            format!("cannot connect to the {side} database {conninfo}"),
        )
        .caused_by(cause)
        .hint(conninfo.unreachable_hint())
    };
    let found = timeout(conninfo.connect_timeout(), lookup_host(place)).await;
    let found = found.map_err(|_| unreachable(format!("{} was not resolved in time", place.0)))?;
    let found = found.map_err(|cause| unreachable(cause.to_string()))?;
    let mut addresses: Vec<IpAddr> = found.map(|address: SocketAddr| address.ip()).collect();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(unreachable(format!("{} has no address", place.0)));
    }
    Ok(addresses)
}
