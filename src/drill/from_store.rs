//! A backup of a real store, restored into a private server. The store is only read.

use std::time::{Duration, Instant};

use super::canaries::{self, Original};
use super::cluster::Traits;
use super::database;
use super::rehearsal::{BackupFacts, Rehearsal};
use super::substrate::Substrate;
use crate::error::Result;
use crate::model::catalog::ListedObject;
use crate::model::check_names;
use crate::model::depth::Depth;
use crate::model::key::Selector;
use crate::model::manifest::Manifest;
use crate::model::objective::Measured;
use crate::model::product::Product;
use crate::model::selection::Among;
use crate::model::timeline::Observer;
use crate::model::verdict::Check;
use crate::postgres::conninfo::Side;
use crate::postgres::tools::{Leniency, Tools};
use crate::recovery::backup::Clock;
use crate::recovery::guard::{GuardOptions, Production};
use crate::recovery::restore;
use crate::store::Store;

const DATABASE: &str = "restored";

/// Which backup of a real store is restored.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    pub store: &'a Store,
    pub among: &'a Among,
    /// The product they are of.
    pub product: &'a Product,
    pub selector: Selector,
    /// Whether one will do that does not record owners and rights.
    pub accepts_unknown_rights: bool,
}

/// What the backup is restored with.
#[derive(Clone, Copy)]
pub(super) struct RestoreTools<'a> {
    pub(super) tools: &'a Tools,
    pub(super) jobs: usize,
    pub(super) clock: Clock<'a>,
}

/// Restores and proves the backup. What that shows goes into `rehearsal` as it becomes known.
pub(super) async fn recover(
    means: RestoreTools<'_>,
    stored: Stored<'_>,
    substrate: &Substrate,
    rehearsal: &mut Rehearsal,
    observer: &dyn Observer,
) -> Result<()> {
    let Stored {
        store,
        among,
        product,
        ..
    } = stored;
    let before = store.list("").await?;
    let production = Production::default();
    let (declared, declared_at) = (Instant::now(), (means.clock)());
    let request = restore::RestoreRequest {
        store,
        selector: stored.selector,
        among,
        counted: &product.tables,
        tools: means.tools,
        terms: GuardOptions {
            production: &production,
            consent: None,
            clean: false,
            not_production: None,
            create_roles: true,
        },
        profile: None,
        jobs: means.jobs,
        depth: Depth::Content,
        accepts_lost_rows: false,
        leniency: Leniency::default(),
        missing_sql: None,
        accepts_unknown_rights: stored.accepts_unknown_rights,
        accepted: &[],
        accepts_missing_settings: false,
        analyzes: true,
        now: declared_at,
    };
    let mut target = None;
    let provision = async |manifest: &Manifest| {
        let age = Duration::try_from(declared_at.duration_since(manifest.started_at));
        rehearsal.rpo = Some(Measured::against(
            age.unwrap_or(Duration::ZERO),
            product.objectives.rpo,
        ));
        rehearsal.backup = Some(BackupFacts::of(manifest));
        let traits = Traits {
            is_durable: true,
            ..Traits::default()
        };
        let cluster = target.insert(substrate.server("target", traits).await?);
        let admin = cluster.conninfo(Side::Target, "postgres")?;
        database::create(&admin, DATABASE, Some(manifest)).await?;
        Ok(admin.with_database(Side::Target, DATABASE))
    };
    let restored = restore::restore(request, provision, observer).await?;
    rehearsal.rto = Some(Measured::against(declared.elapsed(), product.objectives.rto));
    rehearsal.checks = restored.verification.checks;
    rehearsal.tables = restored.verification.tables;
    let original = Original {
        manifest: &restored.manifest,
        store,
        may_write: false,
        target: &restored.target,
        tools: means.tools,
        jobs: means.jobs,
        observer,
    };
    rehearsal.checks.push(canaries::check(&original).await?);
    let changes = changes(&before, &store.list("").await?);
    rehearsal
        .checks
        .push(Check::none_of(check_names::STORE, &changes, "as it was"));
    Ok(())
}

/// Which objects of `before` are gone or have another size. What others stored meanwhile is theirs.
fn changes(before: &[ListedObject], after: &[ListedObject]) -> Vec<String> {
    let missing = before.iter().filter(|object| !after.contains(object));
    missing
        .map(|object| format!("{} is gone or changed", object.key))
        .collect()
}
