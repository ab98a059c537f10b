//! Generated columns and materialized views: recorded in a backup's snapshot, and compared in its target.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::attempt::BackupFailure;
use super::platform::RestoreScope;
use super::readers::Readers;
use super::snapshot::SourceSnapshot;
use super::tables;
use crate::error::Result;
use crate::model::comparison::{ContentComparison, TableReport};
use crate::model::derived::{self, Computed, Derived, DerivedComparison, DerivedDifference, Reason};
use crate::model::fingerprint::Fingerprint;
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
) -> Result<Option<Vec<Derived>>, BackupFailure> {
    match read(source, snapshot, copy_settings, without, observer).await {
        Ok(recorded) => Ok(Some(recorded)),
        Err(BackupFailure::Final(error)) => {
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
) -> Result<Vec<Derived>, BackupFailure> {
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
        let content = tables::fingerprint(&session, rows, &name, |_| ()).await?;
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
/// check of their content says so. Nothing where neither the backup's record nor the target computes anything.
pub(super) async fn verify(
    manifest: &Manifest,
    readers: &Readers,
    scope: &RestoreScope,
    tables: &[TableReport],
    observer: &dyn Observer,
) -> Result<Option<Check>> {
    // Its settings are those of the record from here on, which other questions are not asked under: it is not given back.
    let session = readers.take().await?;
    apply_copy_settings(&session, &manifest.copy_settings).await?;
    let views: BTreeSet<String> = scope.expected_views(manifest).into_iter().collect();
    let alike: BTreeSet<(&str, &str)> = tables
        .iter()
        .filter(|table| table.content == ContentComparison::Equal)
        .map(|table| (table.schema.as_str(), table.name.as_str()))
        .collect();
    let recorded = manifest.derived.as_deref().unwrap_or_default();
    let by_name: HashMap<(&str, &str), &Derived> = recorded
        .iter()
        .map(|known| ((known.schema.as_str(), known.name.as_str()), known))
        .collect();
    let mut compared = DerivedComparison::default();
    // What is not there, or holds nothing, is found by other checks.
    for relation in queries::relations(&session).await? {
        let (schema, name) = (&relation.schema, &relation.name);
        let is_asked = match relation.computed {
            Computed::View => views.contains(&format!("{schema}.{name}")),
            Computed::Columns => alike.contains(&(schema.as_str(), name.as_str())),
        };
        if !is_asked {
            continue;
        }
        let Some(known) = by_name.get(&(schema.as_str(), name.as_str())) else {
            compared.unrecorded.push(format!("{schema}.{name}"));
            continue;
        };
        match compare(&session, known).await? {
            None => compared.equal += 1,
            Some(reason) => compared.differences.push(DerivedDifference {
                of: Derived::clone(known),
                reason,
            }),
        }
    }
    if manifest.derived.is_none() && compared.unrecorded.is_empty() {
        return Ok(None);
    }
    let check = derived::check(&compared, scope.accepts_unknown_rights().0);
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
        Ok(rows) => tables::fingerprint(target, rows, name, |_| ()).await,
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
        *given = tables::fingerprint(target, rows, name, |_| ()).await?;
    }
    Ok(match given {
        [first, second] if first != second => Reason::Volatile,
        [first, _] if first == found => Reason::Stale,
        _ => Reason::Unexplained,
    })
}
