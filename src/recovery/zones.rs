//! The time zone of an object that was not attested when it was made.
//!
//! `pg_dump` writes instants in the time zone of its session. Where that is not in the archive, as the server or a role set it, only the
//! rows themselves tell: it is the zone in which they are equal.

use crate::error::Result;
use crate::model::comparison::{ContentComparison, TableReport};
use crate::model::manifest::{Framing, Manifest, Table};
use crate::model::timeline::{Event, Observer};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::session::Session;

use super::platform::RestoreScope;
use super::tables;

/// So many small tables are asked for their zone.
const ASKED: usize = 3;
/// No table with more rows is.
const MOST_ROWS: u64 = 10_000;
/// In so many zones all tables are compared.
const TRIED: usize = 3;

/// The `reports` on the tables of a target, or where an unattested object differs from it, and in another time zone it does not, those
/// of that zone.
pub(super) async fn in_their_zone(
    manifest: &Manifest,
    target: &Conninfo,
    scope: &RestoreScope,
    jobs: usize,
    reports: Vec<TableReport>,
    observer: &dyn Observer,
) -> Result<Vec<TableReport>> {
    let differ = |report: &TableReport| report.content == ContentComparison::Different;
    let has_fewer = |report: &TableReport| differ(report) && report.rows != Some(report.expected_rows);
    if manifest.framing != Framing::Stream || reports.iter().any(has_fewer) {
        return Ok(reports);
    }
    let tables = manifest.tables.iter().zip(&reports);
    let tables = tables.filter(|(table, report)| differ(report) && table.content.rows <= MOST_ROWS);
    let mut asked: Vec<&Table> = tables.map(|(table, _)| table).collect();
    if asked.is_empty() {
        return Ok(reports);
    }
    asked.sort_by_key(|table| table.content.rows);
    let session = Session::connect(target).await?;
    let mut zones = queries::time_zones(&session).await?;
    queries::apply_copy_settings(&session, &manifest.copy_settings).await?;
    for table in asked.into_iter().take(ASKED) {
        let mut suitable = Vec::new();
        for zone in zones {
            queries::set_time_zone(&session, &zone).await?;
            if tables::read_whole(&session, table).await? == Some(table.content) {
                suitable.push(zone);
            }
        }
        zones = suitable;
    }
    for zone in zones.into_iter().take(TRIED) {
        let mut manifest = manifest.clone();
        manifest.copy_settings.insert("TimeZone".to_owned(), zone.clone());
        let found = tables::compare(&manifest, &session, target, scope, jobs, observer).await?;
        if !found.iter().any(differ) {
            let what =
                format!("the time zone of the backup's rows is not recorded: they are those of {zone}");
            observer.observe(Event::Noted(what));
            return Ok(found);
        }
    }
    Ok(reports)
}
