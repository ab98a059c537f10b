//! Generated columns and materialized views: recorded in a backup's snapshot, and compared in its target.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{TryStreamExt, pin_mut};
use tokio_postgres::CopyOutStream;

use super::attempt::Failure;
use super::platform::Scope;
use super::snapshot::SourceSnapshot;
use crate::error::Result;
use crate::model::comparison::{Content, TableReport};
use crate::model::derived::{self, Computed, Derived, Difference, Reason};
use crate::model::fingerprint::{Fingerprint, TableHasher};
use crate::model::manifest::Manifest;
use crate::model::timeline::{Event, Observer};
use crate::model::verdict::Check;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::{apply_copy_settings, derived as queries};
use crate::postgres::rights::Name;
use crate::postgres::session::Session;

/// Reads what the source computed, in the snapshot of its dump. `without` is not in the dump. No backup fails for want of it: a source
/// may have no connection left.
pub(super) async fn record(
    source: &Conninfo,
    snapshot: &SourceSnapshot,
    copy_settings: &BTreeMap<String, String>,
    without: &[Name],
    observer: &dyn Observer,
) -> Result<Option<Vec<Derived>>, Failure> {
    match read(source, snapshot, copy_settings, without, observer).await {
        Ok(recorded) => Ok(Some(recorded)),
        Err(Failure::Final(error)) => {
            let what = format!("what the source computed is not recorded, and will not be compared: {error}");
            observer.observe(Event::Warned(what));
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

async fn read(
    source: &Conninfo,
    snapshot: &SourceSnapshot,
    copy_settings: &BTreeMap<String, String>,
    without: &[Name],
    observer: &dyn Observer,
) -> Result<Vec<Derived>, Failure> {
    let session = Session::connect(source).await?;
    // A setting that a server refuses would end the transaction of the snapshot.
    apply_copy_settings(&session, copy_settings).await?;
    snapshot.join(&session).await?;
    let relations = queries::relations(&session).await?;
    let mut recorded = Vec::new();
    for relation in relations {
        let queries::Relation {
            schema,
            name,
            computed,
            columns,
            is_readable,
        } = relation;
        if without.contains(&(schema.clone(), name.clone())) {
            continue;
        }
        if !is_readable {
            let what = format!(
                "{schema}.{name} cannot be read by this role: what is computed in it is not recorded"
            );
            observer.observe(Event::Warned(what));
            continue;
        }
        let rows = queries::copy_out(&session, &schema, &name, &columns).await?;
        let content = hash(&session, rows, &name).await?;
        recorded.push(Derived {
            schema,
            name,
            computed,
            columns,
            content,
        });
    }
    Ok(recorded)
}

/// Compares what the target computed with the source's. What differs is asked for its reason. Where the rows of a table differ, the
/// check of their content says so; nothing where the backup recorded nothing.
pub(super) async fn verify(
    manifest: &Manifest,
    target: &Session,
    scope: &Scope,
    tables: &[TableReport],
    observer: &dyn Observer,
) -> Result<Option<Check>> {
    let Some(recorded) = &manifest.derived else {
        return Ok(None);
    };
    let views: BTreeSet<String> = scope.expected_views(manifest).into_iter().collect();
    let differing: BTreeSet<(&str, &str)> = tables
        .iter()
        .filter(|table| table.content != Content::Equal)
        .map(|table| (table.schema.as_str(), table.name.as_str()))
        .collect();
    let expected: Vec<&Derived> = recorded
        .iter()
        .filter(|derived| match derived.computed {
            Computed::View => views.contains(&format!("{}.{}", derived.schema, derived.name)),
            Computed::Columns => !differing.contains(&(&derived.schema, &derived.name)),
        })
        .collect();
    if !expected.is_empty() {
        apply_copy_settings(target, &manifest.copy_settings).await?;
    }
    let there: BTreeSet<Name> = queries::relations(target)
        .await?
        .into_iter()
        .map(|found| (found.schema, found.name))
        .collect();
    let mut compared = 0;
    let mut differences = Vec::new();
    // What is not there, or holds nothing, is found by other checks.
    for derived in expected {
        if !there.contains(&(derived.schema.clone(), derived.name.clone())) {
            continue;
        }
        compared += 1;
        let reason = compare(target, derived).await?;
        differences.extend(reason.map(|reason| Difference {
            of: derived.clone(),
            reason,
        }));
    }
    let check = derived::check(compared, &differences);
    for told in &check.told {
        observer.observe(Event::Warned(told.clone()));
    }
    Ok(Some(check))
}

/// Why what is there is not what was recorded, if it is not.
async fn compare(target: &Session, derived: &Derived) -> Result<Option<Reason>> {
    let Derived {
        schema,
        name,
        columns,
        ..
    } = derived;
    let found = match queries::copy_out(target, schema, name, columns).await {
        Ok(rows) => hash(target, rows, name).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(found) if found == derived.content => Ok(None),
        Ok(found) => {
            Ok(Some(reason(target, derived, found).await.unwrap_or_else(
                |error| Reason::Unknown(error.causes().join(": ")),
            )))
        }
        Err(error) if target.client().is_closed() => Err(error),
        Err(error) => Ok(Some(Reason::Unknown(error.causes().join(": ")))),
    }
}

async fn reason(target: &Session, derived: &Derived, found: Fingerprint) -> Result<Reason> {
    let Derived {
        schema,
        name,
        columns,
        ..
    } = derived;
    if derived.computed == Computed::Columns {
        let otherwise = queries::rows_computed_otherwise(target, schema, name).await?;
        return Ok(if otherwise == 0 {
            Reason::Stale
        } else {
            Reason::Unexplained
        });
    }
    if queries::is_volatile(target, schema, name).await? {
        return Ok(Reason::Volatile);
    }
    let mut given = [Fingerprint::default(); 2];
    for given in &mut given {
        let rows = queries::copy_definition(target, schema, name, columns).await?;
        *given = hash(target, rows, name).await?;
    }
    Ok(match given {
        [first, second] if first != second => Reason::Volatile,
        [first, _] if first == found => Reason::Stale,
        _ => Reason::Unexplained,
    })
}

async fn hash(session: &Session, rows: CopyOutStream, name: &str) -> Result<Fingerprint> {
    pin_mut!(rows);
    let mut hasher = TableHasher::new();
    let failed = |cause| session.failed(format!("cannot read {name}"), cause);
    while let Some(piece) = session.bear(rows.try_next()).await?.map_err(failed)? {
        hasher.update(&piece);
    }
    Ok(hasher.finish())
}
