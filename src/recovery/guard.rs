//! What may be restored into.
//!
//! A restore takes a `ClearedTarget`, and only `clear` makes one: without the guard a restore does not compile.

use crate::error::{Error, Kind, Result};
use crate::model::manifest::Manifest;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::{self, Facts};
use crate::postgres::session::Session;

/// A target that was looked at and may be written.
#[derive(Debug)]
pub struct ClearedTarget {
    conninfo: Conninfo,
    facts: Facts,
    session: Session,
}

impl ClearedTarget {
    /// How to reach it.
    pub fn conninfo(&self) -> &Conninfo {
        &self.conninfo
    }

    /// What was seen of it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The connection that looked at it.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

/// Looks at `target` before the backup of `manifest` is restored into it. Nothing is changed.
///
/// Refused are: the database the backup was made of, by project reference or by system identifier and name; a target that
/// holds anything; one that takes no writes; one whose server is older than the backup's, or lacks roles or extensions.
pub async fn clear(target: &Conninfo, manifest: &Manifest) -> Result<ClearedTarget> {
    let source = &manifest.source;
    if target.project_ref().is_some() && target.project_ref() == source.project_ref.as_deref() {
        return Err(refused(format!(
            "{target} belongs to the project this backup was made of"
        )));
    }
    let session = Session::connect(target).await?;
    let facts = queries::facts(&session).await?;
    if facts.system_identifier.is_some()
        && facts.system_identifier == source.system_identifier
        && facts.database == source.database
    {
        return Err(refused(format!(
            "{target} is the database this backup was made of"
        )));
    }
    if facts.read_only {
        return Err(Error::new(Kind::Refused, format!("{target} takes no writes"))
            .hint("restore into a primary whose default_transaction_read_only is off"));
    }
    let archived = leading_number(&source.server_version);
    if archived > facts.major {
        let message = format!(
            "the backup is of PostgreSQL {archived}, and {target} is PostgreSQL {}",
            facts.major
        );
        return Err(
            Error::new(Kind::Refused, message).hint(format!("restore into PostgreSQL {archived} or newer"))
        );
    }
    check_present("role", &queries::missing_roles(&session, &manifest.roles).await?)?;
    check_present(
        "extension",
        &queries::missing_extensions(&session, &manifest.extensions).await?,
    )?;

    let present = queries::user_objects(&session).await?;
    if let Some(first) = present.first() {
        let message = format!(
            "{target} is not empty: it holds {first} and {} more",
            present.len() - 1
        );
        return Err(Error::new(Kind::Refused, message).hint("restore into an empty database"));
    }
    Ok(ClearedTarget {
        conninfo: target.clone(),
        facts,
        session,
    })
}

fn check_present(what: &str, missing: &[String]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    Err(Error::new(
        Kind::Refused,
        format!("the target's server lacks a {what} the backup needs: {names}"),
    )
    .hint(format!("create or install it there, then restore: {names}")))
}

fn refused(message: String) -> Error {
    Error::new(Kind::Refused, message)
        .hint("name another database in TARGET_DB_URL: a restore never writes its own source")
}

/// The major version of `15.18 (Debian …)`.
fn leading_number(version: &str) -> u32 {
    let digits = version
        .find(|mark: char| !mark.is_ascii_digit())
        .unwrap_or(version.len());
    version[..digits].parse().unwrap_or(0)
}
