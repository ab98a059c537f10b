//! Which database is production, and what it takes to write it.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::{Error, Kind, Result};
use crate::model::manifest;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::{self, Facts};
use crate::postgres::session::Session;

/// How long the source may take to tell who it is. In a real disaster it will not answer at all.
const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of production without asking the target.
#[derive(Clone, Debug, Default)]
pub struct Production {
    /// Supabase's references of the projects that are production.
    pub project_refs: BTreeSet<String>,
    /// The database that is backed up, where this run was told.
    pub source: Option<Conninfo>,
}

/// A cluster and a database in it: what stays the same whatever name leads there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    system_identifier: String,
    database: String,
}

impl Identity {
    pub(super) fn of(facts: &Facts) -> Option<Self> {
        Self::new(facts.system_identifier.as_deref(), &facts.database)
    }

    pub(super) fn of_backup(source: &manifest::Source) -> Option<Self> {
        Self::new(source.system_identifier.as_deref(), &source.database)
    }

    fn new(system_identifier: Option<&str>, database: &str) -> Option<Self> {
        Some(Self {
            system_identifier: system_identifier?.to_owned(),
            database: database.to_owned(),
        })
    }
}

impl Production {
    /// Why the connection string of `target` leads to production, where it does.
    pub(super) fn is_named_by(&self, target: &Conninfo, source: &manifest::Source) -> Option<String> {
        let known = self.project_refs.iter().chain(&source.project_ref);
        let of_source = self.source.iter().flat_map(Conninfo::projects);
        let production: BTreeSet<String> = known.cloned().chain(of_source).collect();
        if let Some(named) = production.iter().find(|project| target.names_project(project)) {
            return Some(format!("names the production project {named}"));
        }
        let is_source = self
            .source
            .as_ref()
            .is_some_and(|source| source.leads_where(target));
        is_source.then(|| "is the source database".to_owned())
    }

    /// Who the source is, where it answers in time.
    pub(super) async fn identify(&self) -> Option<Identity> {
        let source = self.source.as_ref()?;
        let ask = async {
            let session = Session::connect(source).await.ok()?;
            Identity::of(&queries::facts(&session).await.ok()?)
        };
        tokio::time::timeout(IDENTIFY_TIMEOUT, ask).await.ok()?
    }
}

/// The consent of an operator to write production, which wants the name of the database typed.
pub type Consent<'a> = &'a (dyn Fn(&Conninfo) -> BoxFuture<'static, Result<String>> + Send + Sync);

/// Lets `target`, which is production because of `why`, pass only with consent.
pub(super) async fn pass(target: &Conninfo, why: &str, consent: Option<Consent<'_>>) -> Result<()> {
    let Some(consent) = consent else {
        return Err(Error::new(Kind::Refused, format!("{target} {why}")).hint(
            "name another database in TARGET_DB_URL; only --confirm-prod-restore=YES lets a restore write production",
        ));
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
