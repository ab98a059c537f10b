//! What happens in a rehearsal between provisioning and tearing down, with the verbs that production uses.

use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::rehearsal::{BackupFacts, Options, Origin, Rehearsal};
use super::sentinel::Sentinel;
use super::substrate::Substrate;
use super::workload::Workload;
use crate::error::Result;
use crate::model::catalog::Listed;
use crate::model::key::Selector;
use crate::model::manifest::Manifest;
use crate::model::objective::{Measured, RPO_OBJECTIVE, RTO_OBJECTIVE};
use crate::model::timeline::{Event, Observer, Phase};
use crate::model::verdict::Check;
use crate::postgres::conninfo::{Conninfo, Side};
use crate::postgres::queries;
use crate::postgres::session::Session;
use crate::recovery::backup;
use crate::recovery::guard::{Production, Terms};
use crate::recovery::restore;
use crate::store::Store;

/// Name of the rehearsed database, on both sides.
const DATABASE: &str = "paycraft";

/// One cycle. What it shows goes into `rehearsal` as it becomes known.
pub(super) async fn cycle(
    options: Options<'_>,
    substrate: &Substrate,
    rehearsal: &mut Rehearsal,
    observer: &dyn Observer,
) -> Result<()> {
    match options.origin {
        Origin::Synthetic { seed, size_bytes } => {
            let workload = Workload::new(seed, size_bytes);
            observer.observe(Event::Began(Phase::Seed));
            observer.observe(Event::Expected(size_bytes));
            synthetic(options, &workload, substrate, rehearsal, observer).await
        }
        Origin::Store(store) => {
            let before = store.list("").await?;
            let production = Production::default();
            recover(options, store, &production, substrate, rehearsal, observer).await?;
            let changes = changes(&before, &store.list("").await?);
            rehearsal
                .checks
                .push(Check::none_of("store", &changes, "as it was"));
            Ok(())
        }
    }
}

/// Seeds a source, backs it up, and recovers without looking at it again.
async fn synthetic(
    options: Options<'_>,
    workload: &Workload,
    substrate: &Substrate,
    rehearsal: &mut Rehearsal,
    observer: &dyn Observer,
) -> Result<()> {
    let source = substrate.cluster("source", false).await?;
    let sentinel = Sentinel::plant(&source.conninfo(Side::Source, "postgres")?).await?;
    let database = create_database(&source, Side::Source, &[]).await?;
    let session = Session::connect(&database).await?;
    workload
        .load(session.client(), &mut |bytes| {
            observer.observe(Event::Bytes(bytes));
        })
        .await?;
    drop(session);
    observer.observe(Event::Ended(Phase::Seed));

    let store = substrate.store();
    let request = backup::Request {
        source: &database,
        tools: options.tools,
        store,
        clock: options.clock,
    };
    let made = backup::backup(request, observer).await?;
    rehearsal.backup = Some(facts(&made.manifest));

    let production = Production {
        source: Some(database),
        ..Production::default()
    };
    recover(options, store, &production, substrate, rehearsal, observer).await?;
    let changes = sentinel.changes().await?;
    rehearsal
        .checks
        .push(Check::none_of("production", &changes, "untouched"));
    Ok(())
}

/// Recovery proper: the newest backup in `store` into a fresh cluster, on one clock.
async fn recover(
    options: Options<'_>,
    store: &Store,
    production: &Production,
    substrate: &Substrate,
    rehearsal: &mut Rehearsal,
    observer: &dyn Observer,
) -> Result<()> {
    let (declared, declared_at) = (Instant::now(), (options.clock)());
    let request = restore::Request {
        store,
        selector: Selector::Latest,
        tools: options.tools,
        terms: Terms {
            production,
            consent: None,
            clean: false,
        },
        profile: None,
        jobs: options.jobs,
    };
    let mut target = None;
    let provision = async |manifest: &Manifest| {
        let age = Duration::try_from(declared_at.duration_since(manifest.started_at));
        rehearsal.rpo = Some(Measured::against(age.unwrap_or(Duration::ZERO), RPO_OBJECTIVE));
        rehearsal.backup = Some(facts(manifest));
        let cluster = target.insert(substrate.cluster("target", true).await?);
        create_database(cluster, Side::Target, &manifest.roles).await
    };
    let restored = restore::restore(request, provision, observer).await?;
    rehearsal.rto = Some(Measured::against(declared.elapsed(), RTO_OBJECTIVE));
    rehearsal.checks = restored.verification.checks;
    rehearsal.tables = restored.verification.tables;
    Ok(())
}

fn facts(manifest: &Manifest) -> BackupFacts {
    BackupFacts {
        key: manifest.key.clone(),
        raw_bytes: manifest.raw_bytes,
        stored_bytes: manifest.stored_bytes,
        rows: manifest.rows(),
    }
}

/// What of `before` is gone or has another size. What others stored meanwhile is theirs.
fn changes(before: &[Listed], after: &[Listed]) -> Vec<String> {
    let missing = before.iter().filter(|object| !after.contains(object));
    missing
        .map(|object| format!("{} is gone or changed", object.key))
        .collect()
}

/// A new database on the cluster, which gets the `roles` that its policies will name.
async fn create_database(cluster: &Cluster, side: Side, roles: &[String]) -> Result<Conninfo> {
    let admin = cluster.conninfo(side, "postgres")?;
    let session = Session::connect(&admin).await?;
    let mut statements: Vec<String> = queries::missing_roles(&session, roles)
        .await?
        .iter()
        .map(|role| format!("CREATE ROLE {}", queries::identifier(role)))
        .collect();
    statements.push(format!("CREATE DATABASE {DATABASE}"));
    for statement in statements {
        let done = session.client().batch_execute(&statement).await;
        done.map_err(|cause| session.failed("cannot prepare the private server", cause))?;
    }
    Ok(admin.with_database(side, DATABASE))
}
