//! Databases on the servers of a drill.

use super::quiet::Quiet;
use crate::error::Result;
use crate::model::manifest::Manifest;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::session::Session;
use crate::recovery::roles;

/// Makes an empty database on the server that `admin` leads to, in the place of one of that name, and the roles that the backup
/// of `manifest` needs: as it records them, or by name alone where it does not.
pub(super) async fn create(admin: &Conninfo, name: &str, manifest: Option<&Manifest>) -> Result<()> {
    let session = Session::connect(admin).await?;
    let needed = manifest.map_or_else(Vec::new, Manifest::needed_roles);
    if let Some(manifest) = manifest {
        let missing = queries::missing_roles(&session, &needed).await?;
        roles::create(&session, manifest, &missing, &Quiet).await?;
    }
    let mut statements: Vec<String> = queries::missing_roles(&session, &needed)
        .await?
        .iter()
        .map(|role| format!("CREATE ROLE {}", queries::identifier(role)))
        .collect();
    statements.push(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    statements.push(format!("CREATE DATABASE {name}"));
    for statement in statements {
        let done = session.client().batch_execute(&statement).await;
        done.map_err(|cause| session.failed("cannot prepare the private server", cause))?;
    }
    Ok(())
}
