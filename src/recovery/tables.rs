//! The rows of a target's tables against the manifest, over several connections.
//!
//! A large table is read in stretches of pages, so that it takes no longer than many small ones: which stretch a row is found
//! in does not change the fingerprint.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::{TryStreamExt, pin_mut};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_postgres::CopyOutStream;

use super::budget;
use super::platform::RestoreScope;
use crate::error::{Error, Kind, Result};
use crate::model::comparison::TableReport;
use crate::model::fingerprint::{Fingerprint, TableHasher};
use crate::model::manifest::{Manifest, Table};
use crate::model::timeline::{Event, Observer};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::queries::comparing::{RowSelection, TableSize};
use crate::postgres::session::Session;

/// About how much of a table is read at once.
const STRETCH_BYTES: u64 = 64 << 20;
const REPORTED_BYTES: u64 = 1 << 20;

#[derive(Clone, Debug)]
struct Stretch {
    /// Which table of the manifest it belongs to.
    place: usize,
    table: Table,
    rows: RowSelection,
}

/// What was read of each table so far; nothing of one that is not there.
type FingerprintsRead = Vec<Option<Fingerprint>>;

/// Reads the tables over `jobs` connections to the `target`, or as many as it has left, each taking the next stretch when it is
/// done. `session` reaches it too.
pub(super) async fn compare(
    manifest: &Manifest,
    session: &Session,
    target: &Conninfo,
    scope: &RestoreScope,
    jobs: usize,
    observer: &dyn Observer,
) -> Result<Vec<TableReport>> {
    let stretches = stretches(manifest, session, scope).await?;
    let connections = budget::connections(session, jobs.clamp(1, stretches.len().max(1)), 0).await?;
    let queue = Arc::new(Mutex::new(stretches));
    let (progress, mut read) = mpsc::unbounded_channel();
    let mut readers = JoinSet::new();
    for _ in 0..connections {
        let (queue, target, progress) = (Arc::clone(&queue), target.clone(), progress.clone());
        let settings = manifest.copy_settings.clone();
        readers.spawn(async move {
            let session = Session::connect(&target).await?;
            queries::apply_copy_settings(&session, &settings).await?;
            let mut found = Vec::new();
            loop {
                let next = queue.lock().pop_front();
                let Some(stretch) = next else {
                    return Ok::<_, Error>(found);
                };
                let content = read_stretch(&session, &stretch, &progress).await?;
                found.push((stretch.place, content));
            }
        });
    }
    drop(progress);
    while let Some(bytes) = read.recv().await {
        observer.observe(Event::Bytes(bytes));
    }
    let mut found: FingerprintsRead = vec![None; manifest.tables.len()];
    while let Some(done) = readers.join_next().await {
        let done = done
            .map_err(|cause| Error::new(Kind::Internal, "a table could not be compared").caused_by(cause))?;
        for (place, content) in done? {
            if let Some(content) = content {
                found[place] = Some(found[place].unwrap_or_default().and(content));
            }
        }
    }
    scope
        .meaning()
        .together(manifest, &mut found, |table| table.content, Fingerprint::and);
    let tables = manifest.tables.iter().zip(found);
    Ok(tables
        .map(
            |(table, found)| match scope.without_rows(&table.schema, &table.name) {
                Some(why) => TableReport::left_out(table, why),
                None => TableReport::of(table, found),
            },
        )
        .collect())
}

/// Counts the rows of each table and looks at none.
pub(super) async fn count(
    session: &Session,
    manifest: &Manifest,
    scope: &RestoreScope,
) -> Result<Vec<TableReport>> {
    let configured = queries::configuration::configuration_tables(session).await?;
    let mut found = Vec::new();
    for table in &manifest.tables {
        let condition = configured.get(&(table.schema.clone(), table.name.clone()));
        let condition = condition.map(String::as_str);
        found.push(match scope.without_rows(&table.schema, &table.name) {
            Some(_) => None,
            None => queries::comparing::count_rows(session, &table.schema, &table.name, condition).await?,
        });
    }
    scope.meaning().together(
        manifest,
        &mut found,
        |table| table.content.rows,
        |all, rows| all + rows,
    );
    let tables = manifest.tables.iter().zip(found);
    Ok(tables
        .map(
            |(table, found)| match scope.without_rows(&table.schema, &table.name) {
                Some(why) => TableReport::left_out(table, why),
                None => TableReport::counted(table, found),
            },
        )
        .collect())
}

/// What is to be read of the tables that are asked for.
async fn stretches(
    manifest: &Manifest,
    session: &Session,
    scope: &RestoreScope,
) -> Result<VecDeque<Stretch>> {
    let sizes = queries::comparing::table_sizes(session).await?;
    let configured = queries::configuration::configuration_tables(session).await?;
    let tables = manifest.tables.iter().enumerate();
    let asked = tables.filter(|(_, table)| scope.without_rows(&table.schema, &table.name).is_none());
    let stretches = asked.flat_map(|(place, table)| {
        let name = (table.schema.clone(), table.name.clone());
        let rows = match (configured.get(&name), sizes.get(&name)) {
            (Some(condition), _) if !condition.is_empty() => vec![RowSelection::Where(condition.clone())],
            (_, Some(size)) => cut(*size),
            _ => vec![RowSelection::All],
        };
        rows.into_iter().map(move |rows| Stretch {
            place,
            table: table.clone(),
            rows,
        })
    });
    Ok(stretches.collect())
}

/// The pages of a table in stretches; all of a small table at once.
fn cut(size: TableSize) -> Vec<RowSelection> {
    let wanted = u32::try_from(size.bytes.div_ceil(STRETCH_BYTES)).unwrap_or(u32::MAX);
    if wanted < 2 || size.pages < 2 {
        return vec![RowSelection::All];
    }
    let length = size.pages.div_ceil(wanted);
    let starts = (0..size.pages).step_by(length as usize);
    starts
        .map(|start| {
            let end = start.saturating_add(length);
            // The last has no end: what came since the size was asked belongs to it.
            RowSelection::Pages(start..if end < size.pages { end } else { u32::MAX })
        })
        .collect()
}

/// The content of one table, all of it at once; `None` where it is not there.
pub(super) async fn read_whole(session: &Session, table: &Table) -> Result<Option<Fingerprint>> {
    let stretch = Stretch {
        place: 0,
        table: table.clone(),
        rows: RowSelection::All,
    };
    let (progress, _) = mpsc::unbounded_channel();
    read_stretch(session, &stretch, &progress).await
}

async fn read_stretch(
    session: &Session,
    stretch: &Stretch,
    progress: &mpsc::UnboundedSender<u64>,
) -> Result<Option<Fingerprint>> {
    let Table {
        schema,
        name,
        columns,
        ..
    } = &stretch.table;
    let Some(rows) = queries::comparing::copy_out(session, schema, name, columns, &stretch.rows).await?
    else {
        return Ok(None);
    };
    let report = |bytes| {
        let _ = progress.send(bytes);
    };
    let name = format!("{schema}.{name}");
    fingerprint(session, rows, &name, report).await.map(Some)
}

/// The fingerprint of the rows of `name`. Every now and then `report` is given how many more bytes were read.
pub(super) async fn fingerprint(
    session: &Session,
    rows: CopyOutStream,
    name: &str,
    report: impl Fn(u64),
) -> Result<Fingerprint> {
    pin_mut!(rows);
    let mut hasher = TableHasher::new();
    let mut unreported = 0;
    let _wait = session.wait(|| format!("the last rows of {name}"));
    let failed = |cause| session.failed(format!("cannot read {name}"), cause);
    while let Some(piece) = session.with_timeout(rows.try_next()).await?.map_err(failed)? {
        hasher.update(&piece);
        unreported += piece.len() as u64;
        if unreported >= REPORTED_BYTES {
            report(std::mem::take(&mut unreported));
        }
    }
    report(unreported);
    Ok(hasher.finish())
}
