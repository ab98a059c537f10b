//! Databases on the servers of a drill.

use crate::error::Result;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::session::Session;

/// Makes an empty database on the server that `admin` leads to, in the place of whatever had its name, and the `roles` that its
/// policies will name.
pub(super) async fn create(admin: &Conninfo, name: &str, roles: &[String]) -> Result<()> {
    let session = Session::connect(admin).await?;
    let mut statements: Vec<String> = queries::missing_roles(&session, roles)
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
