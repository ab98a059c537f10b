//! What may be restored into.
//!
//! A restore takes a `ClearedTarget`, and only `clear` makes one: without the guard a restore does not compile.

mod production;

pub use production::{Consent, Production};

use self::production::{Identity, pass};
use super::clean;
use crate::error::{Error, Kind, Result};
use crate::model::manifest::{self, Manifest};
use crate::model::profile::{PLATFORM_EXTENSIONS, Profile};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::pooling;
use crate::postgres::queries::clearing::UserObject;
use crate::postgres::queries::{self, Facts};
use crate::postgres::session::Session;
use crate::postgres::tools::{Installation, Tools, major_version};

/// What the operator allows.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// What is known of production.
    pub production: &'a Production,
    /// Asked before production is written; without it, production is refused.
    pub consent: Option<Consent<'a>>,
    /// Whether what the backup contains may be dropped from the target first.
    pub clean: bool,
}

/// A target that was looked at and may be written.
#[derive(Debug)]
pub struct ClearedTarget {
    conninfo: Conninfo,
    session: Session,
    installation: Installation,
    profile: Profile,
    holds_objects: bool,
}

impl ClearedTarget {
    /// How to reach it.
    pub fn conninfo(&self) -> &Conninfo {
        &self.conninfo
    }

    /// The programs that can restore the backup into it.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The connection that looked at it.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Who owns what is in it.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether it holds something, all of which the backup replaces.
    pub fn holds_objects(&self) -> bool {
        self.holds_objects
    }
}

/// Looks at `target` before the backup of `manifest` is restored into it. Nothing is changed: the connection cannot write
/// before the target is cleared.
///
/// Refused are: production, by any name and by identity; a target that takes no writes; one whose server is older than the
/// backup's, or that no programs of `tools` can restore it into; one that lacks roles or extensions; one that holds anything, or
/// with [`Terms::clean`] anything that the backup would not replace. What a platform makes itself is not looked at; without a
/// `profile` the target tells whether it is on one.
pub async fn clear(
    target: &Conninfo,
    manifest: &Manifest,
    tools: &Tools,
    terms: Terms<'_>,
    profile: Option<Profile>,
) -> Result<ClearedTarget> {
    let source = &manifest.source;
    let named = terms.production.is_named_by(target, source);
    if let Some(why) = &named {
        pass(target, why, terms.consent).await?;
    }
    pooling::refuse_transactions(target).await?;
    let session = Session::connect(target).await?;
    queries::be_patient(&session).await?;
    let facts = queries::facts(&session).await?;
    queries::forbid_writes(&session).await?;
    if named.is_none() {
        check_identity(target, &facts, source, terms).await?;
    }
    if facts.read_only {
        return Err(Error::new(Kind::Refused, format!("{target} takes no writes"))
            .hint("restore into a primary whose default_transaction_read_only is off"));
    }
    check_version(target, &facts, manifest)?;
    let dump = major_version(&manifest.pg_dump_version).unwrap_or(0);
    let installation = tools.for_restore(dump, facts.major)?.clone();
    check_present("role", &queries::missing_roles(&session, &manifest.roles).await?)?;
    let profile = match profile {
        Some(profile) => profile,
        None => queries::platform::profile(&session).await?,
    };
    if profile == Profile::Plain {
        let mut missing = queries::missing_extensions(&session, &manifest.extensions).await?;
        missing.retain(|name| !PLATFORM_EXTENSIONS.contains(&name.as_str()));
        check_present("extension", &missing)?;
    }
    let mut present = queries::clearing::user_objects(&session).await?;
    present
        .retain(|object| !matches!(object, UserObject::Named { schema, .. } if profile.owns_schema(schema)));
    if terms.clean {
        clean::check_replaced(target, &present, manifest)?;
    } else if let Some(first) = present.first() {
        let message = format!(
            "{target} is not empty: it holds {first} and {} more",
            present.len() - 1
        );
        return Err(Error::new(Kind::Refused, message)
            .hint("restore into an empty database, or add --clean to replace what the backup contains"));
    }
    queries::allow_writes(&session).await?;
    Ok(ClearedTarget {
        conninfo: target.clone(),
        installation,
        session,
        profile,
        // A platform's tables are there always; with leave to clean, their rows are replaced.
        holds_objects: !present.is_empty() || terms.clean && profile != Profile::Plain,
    })
}

/// Refuses a target whose server itself says that it is production, whatever the connection string called it; `facts` are
/// what it said.
///
/// Supabase's projects may be copies of one image, with one system identifier, and their databases have one name. So two
/// that are certainly different projects are not the same for their identity alone.
pub async fn check_identity(
    target: &Conninfo,
    facts: &Facts,
    source: &manifest::Source,
    terms: Terms<'_>,
) -> Result<()> {
    let Some(identity) = Identity::of(facts) else {
        return Ok(());
    };
    let is_another_than = |project: Option<String>| {
        let of_target = target.leads_to_project();
        of_target.is_some() && project.is_some() && of_target != project
    };
    let is_backups = Identity::of_backup(source).as_ref() == Some(&identity);
    if is_backups && !is_another_than(source.project_ref.clone()) {
        return pass(target, "is the database this backup was made of", terms.consent).await;
    }
    let production = terms.production.source.as_ref();
    if is_another_than(production.and_then(Conninfo::leads_to_project)) {
        return Ok(());
    }
    if terms.production.identify().await == Some(identity) {
        return pass(target, "is the source database by another name", terms.consent).await;
    }
    Ok(())
}

fn check_version(target: &Conninfo, facts: &Facts, manifest: &Manifest) -> Result<()> {
    let archived = major_version(&manifest.source.server_version).unwrap_or(0);
    if archived <= facts.major {
        return Ok(());
    }
    let message = format!(
        "the backup is of PostgreSQL {archived}, and {target} is PostgreSQL {}",
        facts.major
    );
    Err(Error::new(Kind::Refused, message).hint(format!("restore into PostgreSQL {archived} or newer")))
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
