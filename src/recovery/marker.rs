//! A random marker in the source's settings, by which the database is known again under another name, address or server.

use crate::error::Result;
use crate::postgres::address;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::identity::{identity, leave_marker};

/// Leaves a marker in the database's settings, unless one is there. Returns whether one was left now. The role must own the database.
pub async fn leave(source: &Conninfo) -> Result<bool> {
    let (session, _) = address::connect(source).await?;
    if identity(&session).await?.marker.is_some() {
        return Ok(false);
    }
    leave_marker(&session).await.map_err(|error| {
        error.hint("only the database's owner may set it; a backup is as good without the marker")
    })?;
    Ok(true)
}
