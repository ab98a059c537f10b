//! Which database is production as far as names tell, and what it takes to write it.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;

use crate::error::{Error, Kind, Result};
use crate::model::manifest;
use crate::model::product::ProductionIdentities;
use crate::postgres::conninfo::Conninfo;

/// What is known of production without asking any database.
#[derive(Clone, Debug, Default)]
pub struct Production {
    /// What a product's profile tells.
    pub identities: ProductionIdentities,
    /// The database that is backed up, where this run was told.
    pub source: Option<Conninfo>,
}

impl Production {
    /// Refuses a target whose connection string alone tells that it is production. Nothing is contacted.
    pub fn refuse_named(&self, target: &Conninfo) -> Result<()> {
        match self.is_named_by(target, None) {
            Some(why) => Err(is_production(target, &why)),
            None => Ok(()),
        }
    }

    /// Why the connection string of `target` leads to production, where it does.
    pub(super) fn is_named_by(&self, target: &Conninfo, backup: Option<&manifest::Source>) -> Option<String> {
        let of_backup = backup.and_then(|source| source.project_ref.as_ref());
        let known = self.identities.projects.iter().chain(of_backup).cloned();
        let of_source = self.source.iter().flat_map(Conninfo::projects);
        let production: BTreeSet<String> = known.chain(of_source).collect();
        if let Some(named) = production.iter().find(|project| target.names_project(project)) {
            return Some(format!("names the production project {named}"));
        }
        if let Some(host) = self.identities.hosts.iter().find(|host| target.is_at(host)) {
            return Some(format!("is on the production host {host}"));
        }
        if self.identities.databases.contains(target.database()) {
            return Some(format!(
                "has the name of the production database {}",
                target.database()
            ));
        }
        let source = self.source.as_ref();
        let is_source = source.is_some_and(|source| source.leads_where(target));
        is_source.then(|| "is the source database".to_owned())
    }

    /// Why the cluster of this system identifier is production's, where it is.
    pub(super) fn is_cluster(&self, system_identifier: Option<&str>) -> Option<String> {
        let known = system_identifier.filter(|known| self.identities.system_identifiers.contains(*known))?;
        Some(format!("is in the production cluster {known}"))
    }
}

/// The consent of an operator to write production, which wants the name of the database typed.
pub type Consent<'a> = &'a (dyn Fn(&Conninfo) -> BoxFuture<'static, Result<String>> + Send + Sync);

/// Lets `target`, which is production because of `why`, pass only with consent.
pub(super) async fn pass(target: &Conninfo, why: &str, consent: Option<Consent<'_>>) -> Result<()> {
    let Some(consent) = consent else {
        return Err(is_production(target, why));
    };
    if consent(target).await? == target.database() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Refused,
        format!("{target} {why}, and the name that was given is not its database's"),
    )
    .hint(format!(
        "give the database's name, {}, if production is what you mean",
        target.database()
    )))
}

fn is_production(target: &Conninfo, why: &str) -> Error {
    Error::new(Kind::Refused, format!("{target} {why}")).hint(
        "name another database in TARGET_DB_URL; only --confirm-prod-restore=YES lets a restore write production",
    )
}
