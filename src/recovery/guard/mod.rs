//! What may be restored into.
//!
//! A restore takes a `ClearedTarget`, and only `clear` makes one: without the guard a restore does not compile.

mod doubt;
mod evidence;
mod occupancy;
mod production;

pub use production::{Consent, Production};

use self::production::pass;
use super::{replaced, roles};
use crate::error::{Error, Kind, Result};
use crate::model::identity::{Assessment, assess};
use crate::model::manifest::Manifest;
use crate::model::profile::{PLATFORM_EXTENSIONS, Profile};
use crate::postgres::address;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::pooling;
use crate::postgres::queries::clearing::UserContents;
use crate::postgres::queries::occupancy::RESTORING;
use crate::postgres::queries::{self, ServerFacts};
use crate::postgres::session::Session;
use crate::postgres::tools::{Installation, Tools, major_version};

/// What the operator allows.
#[derive(Clone, Copy)]
pub struct GuardOptions<'a> {
    /// What is known of production.
    pub production: &'a Production,
    /// Asked before production is written; without it, production is refused.
    pub consent: Option<Consent<'a>>,
    /// Whether what the backup contains may be dropped from the target first.
    pub clean: bool,
    /// The name of the target's database, given as the operator's word that it is not production. It counts only where nothing shows
    /// what the target is.
    pub not_production: Option<&'a str>,
    /// Whether roles that the backup needs and the target lacks may be created there.
    pub create_roles: bool,
}

/// A target that was looked at and may be written.
#[derive(Debug)]
pub struct ClearedTarget {
    conninfo: Conninfo,
    session: Session,
    installation: Installation,
    profile: Profile,
    holds_objects: bool,
    makes_room: bool,
    missing_roles: Vec<String>,
    /// Why it may be production, as far as anything showed. It was cleared as it holds nothing that would be lost, or on the operator's
    /// word.
    doubts: Vec<String>,
}

impl ClearedTarget {
    /// How to reach it: at the one address that was looked at.
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
    pub(super) fn holds_objects(&self) -> bool {
        self.holds_objects
    }

    /// Whether what it holds of the backup may be dropped first.
    pub(super) fn makes_room(&self) -> bool {
        self.makes_room
    }

    /// The roles that are to be created before anything else.
    pub fn missing_roles(&self) -> &[String] {
        &self.missing_roles
    }
}

/// Looks at `target` before the backup of `manifest` is restored into it. Nothing is changed: the connection cannot write
/// before the target is cleared.
///
/// Refused are: production, by any name and by identity; a target that may be production and holds what would be lost; one that
/// takes no writes; one whose server is older than the backup's, or that no programs of `tools` can restore it into; one that
/// lacks roles or extensions; one that holds anything, or with [`GuardOptions::clean`] anything that the backup would not replace. What a
/// platform makes itself is not looked at; without a `profile` the target tells whether it is on one.
///
/// The target is this restore's alone as long as what is returned lives. What an earlier restore that was killed left at work there is
/// ended first.
pub async fn clear(
    target: &Conninfo,
    manifest: &Manifest,
    tools: &Tools,
    terms: GuardOptions<'_>,
    profile: Option<Profile>,
) -> Result<ClearedTarget> {
    examine(target, manifest, tools, terms, profile, TargetUse::Take).await
}

/// Says what [`clear`] would, and leaves the target to others. Returns why it may be production.
pub async fn look(
    target: &Conninfo,
    manifest: &Manifest,
    tools: &Tools,
    terms: GuardOptions<'_>,
    profile: Option<Profile>,
) -> Result<Vec<String>> {
    let examined = examine(target, manifest, tools, terms, profile, TargetUse::Look).await;
    examined.map(|looked_at| looked_at.doubts)
}

/// Whether a restore follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TargetUse {
    /// It does, and wants the target alone.
    Take,
    /// No restore follows.
    Look,
}

async fn examine(
    target: &Conninfo,
    manifest: &Manifest,
    tools: &Tools,
    terms: GuardOptions<'_>,
    profile: Option<Profile>,
    claim: TargetUse,
) -> Result<ClearedTarget> {
    let source = &manifest.source;
    let named = terms.production.is_named_by(target, Some(source));
    if let Some(why) = &named {
        pass(target, why, terms.consent).await?;
    }
    doubt::check_name(target, terms.not_production)?;
    let (session, target) = address::connect(target).await?;
    let target = &pooling::refuse_transactions(&session, &target).await?;
    queries::be_patient(&session).await?;
    let facts = queries::facts(&session).await?;
    queries::forbid_writes(&session).await?;
    let mut doubts = Vec::new();
    let named = match (
        named,
        terms.production.is_cluster(facts.system_identifier.as_deref()),
    ) {
        (None, Some(why)) => {
            pass(target, &why, terms.consent).await?;
            Some(why)
        }
        (named, _) => named,
    };
    if named.is_none() {
        let evidence = evidence::gather(target, &session, &facts, source, terms.production).await?;
        match assess(&evidence) {
            Assessment::Production(why) => pass(target, &why, terms.consent).await?,
            Assessment::Other => {}
            Assessment::Unknown(why) => doubts = why,
        }
    }
    if facts.read_only {
        return Err(Error::new(Kind::Refused, format!("{target} takes no writes"))
            .hint("restore into a primary whose default_transaction_read_only is off"));
    }
    check_version(target, &facts, manifest)?;
    let dump = major_version(&manifest.pg_dump_version).unwrap_or(0);
    let installation = tools.for_restore(dump, facts.major)?.clone();
    let profile = match profile {
        Some(profile) => profile,
        None => queries::platform::profile(&session).await?,
    };
    let missing_roles = roles::missing(&session, manifest, profile).await?;
    if terms.create_roles && !missing_roles.is_empty() {
        roles::check_creatable(&session, manifest, &missing_roles).await?;
    } else {
        check_present("role", &missing_roles).map_err(|error| {
            error.hint(format!(
                "create them there, then restore: {} Or let --create-roles create them as the backup records them",
                roles::to_create(manifest, &missing_roles)
            ))
        })?;
    }
    if profile == Profile::Plain {
        let mut missing = queries::missing_extensions(&session, &manifest.extensions).await?;
        missing.retain(|name| !PLATFORM_EXTENSIONS.contains(&name.as_str()));
        check_present("extension", &missing)?;
    }
    match claim {
        TargetUse::Take => occupancy::claim(target, &session).await?,
        TargetUse::Look => occupancy::check(target, &session).await?,
    }
    let mut present = objects(&session, profile, terms).await?;
    if terms.clean {
        let loses = match present.told() {
            None if profile == Profile::Supabase => Some("the platform's rows".to_owned()),
            told => told,
        };
        if let Some(loses) = loses.filter(|_| terms.not_production.is_none()) {
            doubt::refuse(target, &loses, &doubts)?;
        }
    }
    // What may be production keeps all its sessions.
    if claim == TargetUse::Take && occupancy::end_leftovers(target, &session).await? {
        present = objects(&session, profile, terms).await?;
    }
    if terms.clean {
        replaced::check_replaced(target, &present, manifest)?;
    } else if let Some(told) = present.told() {
        let message = format!("{target} is not empty: it holds {told}");
        return Err(Error::new(Kind::Refused, message)
            .hint("restore into an empty database, or add --clean to replace what the backup contains"));
    }
    queries::allow_writes(&session).await?;
    Ok(ClearedTarget {
        conninfo: target.with_application(RESTORING),
        installation,
        session,
        profile,
        // A platform's tables are there always; with leave to clean, their rows are replaced.
        holds_objects: !present.is_empty() || terms.clean && profile != Profile::Plain,
        makes_room: terms.clean,
        missing_roles,
        doubts,
    })
}

/// What the database holds that is not its platform's. Types and schemas alone stop no restore that drops nothing.
async fn objects(session: &Session, profile: Profile, terms: GuardOptions<'_>) -> Result<UserContents> {
    let present = queries::clearing::user_objects(session).await?;
    let present = replaced::without_platforms(present, profile);
    Ok(if terms.clean { present } else { present.content() })
}

fn check_version(target: &Conninfo, facts: &ServerFacts, manifest: &Manifest) -> Result<()> {
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
