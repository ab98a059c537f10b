//! A target or an object against its manifest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{TryStreamExt, pin_mut};
use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use super::object::{self, CheckedArchive};
use super::plan;
use super::survey::{Survey, Surveyed};
use crate::archive::Entry;
use crate::error::{Error, Kind, Result};
use crate::model::CANONICAL_TABLES;
use crate::model::fingerprint::{Fingerprint, LargeObjectHasher, TableHasher};
use crate::model::manifest::{EntryDigest, Manifest, Sequence, Table};
use crate::model::timeline::{Event, Observer};
use crate::model::verdict::{Check, Verdict};
use crate::postgres::child::Child;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::session::Session;
use crate::postgres::tools::Tools;
use crate::store::Store;

const LARGE_OBJECT_READ_BYTES: i32 = 1 << 20;

/// How the content of one table compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Content {
    /// The same rows, byte for byte, in whatever order.
    #[serde(rename = "equal")]
    Equal,
    /// Other rows.
    #[serde(rename = "different")]
    Different,
    /// The table could not be read.
    #[serde(rename = "not compared")]
    NotCompared,
}

/// One table of the manifest and what was found of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Rows found, where the table is there.
    pub rows: Option<u64>,
    /// Rows the manifest tells of.
    pub expected_rows: u64,
    /// How the content compares.
    pub content: Content,
}

/// Every check that was made, and what they add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The checks.
    pub checks: Vec<Check>,
    /// The tables, in the manifest's order.
    pub tables: Vec<TableReport>,
    /// What the checks add up to.
    pub verdict: Verdict,
}

impl Verification {
    fn over(checks: Vec<Check>, tables: Vec<TableReport>) -> Self {
        let verdict = Verdict::over(&checks);
        Self {
            checks,
            tables,
            verdict,
        }
    }

    /// The rows found in the five tables the runbook counts, where they are there.
    pub fn canonical_counts(&self) -> BTreeMap<&'static str, Option<u64>> {
        let rows = |name: &str| {
            let mut public = self.tables.iter().filter(|table| table.schema == "public");
            public
                .find(|table| table.name == name)
                .and_then(|table| table.rows)
        };
        CANONICAL_TABLES.iter().map(|name| (*name, rows(name))).collect()
    }
}

/// Compares a restored database with the manifest: rows, content, definitions, sequences, and whether constraints, indexes
/// and materialized views are in the state the backup had.
pub async fn target(
    manifest: &Manifest,
    target: &Conninfo,
    tools: &Tools,
    jobs: usize,
    observer: &dyn Observer,
) -> Result<Verification> {
    let session = Session::connect(target).await?;
    let facts = queries::facts(&session).await?;
    observer.observe(Event::Expected(manifest.raw_bytes));
    let tables = compare_tables(manifest, target, jobs, observer).await?;
    let restored = dump_definitions(target, tools, facts.major).await?;

    let mut checks = vec![rows_check(&tables), content_check(&tables)];
    let large_objects = read_large_objects(&session).await?;
    checks.push(Check::none_of(
        "large objects",
        &differing("large objects", manifest.large_objects, large_objects),
        format!("{} equal", large_objects.rows),
    ));
    checks.push(definitions_check(
        &manifest.entries,
        &plan::definitions(&restored.contents),
    ));
    checks.push(sequences_check(
        &manifest.sequences,
        &queries::sequences(&session).await?,
    ));
    checks.push(constraints_check(&session, &restored).await?);
    checks.push(indexes_check(&session).await?);
    checks.push(views_check(
        &manifest.populated_views,
        &queries::populated_views(&session).await?,
    ));
    Ok(Verification::over(checks, tables))
}

/// Reads the whole object and compares what its archive holds with the manifest. Damage is an error; so a verification that
/// comes back is of an intact object.
pub async fn object(store: &Store, manifest: &Manifest, observer: &dyn Observer) -> Result<Verification> {
    object::check_length(store, manifest).await?;
    observer.observe(Event::Expected(manifest.raw_bytes));
    let unreadable = |cause| object::unreadable(&manifest.key, cause);
    let mut archive = CheckedArchive::open(store, manifest);
    let mut survey = Survey::default();
    while let Some(piece) = archive.next().await? {
        observer.observe(Event::Bytes(piece.len() as u64));
        survey.feed(&piece).map_err(unreadable)?;
    }
    let surveyed = survey.finish().map_err(unreadable)?;
    let tables: Vec<TableReport> = manifest
        .tables
        .iter()
        .map(|expected| {
            let found = surveyed
                .tables
                .iter()
                .find(|found| (&found.schema, &found.name) == (&expected.schema, &expected.name));
            report(expected, found.map(|found| found.content))
        })
        .collect();
    let blocks = Check::none_of(
        "blocks",
        &[],
        format!("{} blocks as they were stored", manifest.blocks.len()),
    );
    let large_objects = differing("large objects", manifest.large_objects, surveyed.large_objects);
    let checks = vec![
        blocks,
        rows_check(&tables),
        content_check(&tables),
        Check::none_of(
            "large objects",
            &large_objects,
            format!("{} equal", surveyed.large_objects.rows),
        ),
        definitions_check(&manifest.entries, &plan::definitions(&surveyed.contents)),
    ];
    Ok(Verification::over(checks, tables))
}

/// Reads the tables over `jobs` connections, each taking the next one when it is done.
async fn compare_tables(
    manifest: &Manifest,
    target: &Conninfo,
    jobs: usize,
    observer: &dyn Observer,
) -> Result<Vec<TableReport>> {
    let queue: VecDeque<(usize, Table)> = manifest.tables.iter().cloned().enumerate().collect();
    let workers = jobs.clamp(1, queue.len().max(1));
    let queue = Arc::new(Mutex::new(queue));
    let (progress, mut read) = tokio::sync::mpsc::unbounded_channel();
    let mut readers = JoinSet::new();
    for _ in 0..workers {
        let (queue, target, settings, progress) = (
            Arc::clone(&queue),
            target.clone(),
            manifest.copy_settings.clone(),
            progress.clone(),
        );
        readers.spawn(async move {
            let session = Session::connect(&target).await?;
            queries::apply_copy_settings(&session, &settings).await?;
            let mut reports = Vec::new();
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some((place, table)) = next else {
                    return Ok::<_, Error>(reports);
                };
                let content = read_table(&session, &table, &progress).await?;
                reports.push((place, report(&table, content)));
            }
        });
    }
    drop(progress);
    while let Some(bytes) = read.recv().await {
        observer.observe(Event::Bytes(bytes));
    }
    let mut reports = BTreeMap::new();
    while let Some(done) = readers.join_next().await {
        let done = done
            .map_err(|cause| Error::new(Kind::Internal, "a table could not be compared").caused_by(cause))?;
        reports.extend(done?);
    }
    Ok(reports.into_values().collect())
}

async fn read_table(
    session: &Session,
    table: &Table,
    progress: &tokio::sync::mpsc::UnboundedSender<u64>,
) -> Result<Option<Fingerprint>> {
    const REPORTED_BYTES: u64 = 1 << 20;
    let Some(rows) = queries::copy_out(session, &table.schema, &table.name, &table.columns).await? else {
        return Ok(None);
    };
    pin_mut!(rows);
    let mut hasher = TableHasher::new();
    let mut unreported = 0;
    let failed = |cause| session.failed(format!("cannot read {}.{}", table.schema, table.name), cause);
    while let Some(piece) = rows.try_next().await.map_err(failed)? {
        hasher.update(&piece);
        unreported += piece.len() as u64;
        if unreported >= REPORTED_BYTES {
            let _ = progress.send(std::mem::take(&mut unreported));
        }
    }
    let _ = progress.send(unreported);
    Ok(Some(hasher.finish()))
}

async fn read_large_objects(session: &Session) -> Result<Fingerprint> {
    let mut hasher = LargeObjectHasher::new();
    for oid in queries::large_objects(session).await? {
        hasher.began(oid);
        let mut offset = 0;
        loop {
            let piece = queries::read_large_object(session, oid, offset, LARGE_OBJECT_READ_BYTES).await?;
            if piece.is_empty() {
                break;
            }
            hasher.data(&piece);
            offset += i64::try_from(piece.len()).unwrap_or(i64::MAX);
        }
        hasher.ended();
    }
    Ok(hasher.finish())
}

/// The target's definitions, as pg_dump words them.
async fn dump_definitions(target: &Conninfo, tools: &Tools, major: u32) -> Result<Surveyed> {
    let installation = tools.for_server(major, target.side().kind())?;
    let mut dump = Child::start("pg_dump", installation.dump_schema(target))?;
    let mut archive = Vec::new();
    if let Some(mut output) = dump.take_output() {
        let read = output.read_to_end(&mut archive).await;
        read.map_err(|cause| Error::new(Kind::Target, "cannot read from pg_dump").caused_by(cause))?;
    }
    dump.ended().await?.well(Kind::Target)?;
    let mut survey = Survey::default();
    survey
        .feed(&archive)
        .and_then(|()| survey.finish())
        .map_err(|cause| {
            Error::new(Kind::Target, "pg_dump did not write the target's definitions").caused_by(cause)
        })
}

fn report(expected: &Table, found: Option<Fingerprint>) -> TableReport {
    TableReport {
        schema: expected.schema.clone(),
        name: expected.name.clone(),
        rows: found.map(|found| found.rows),
        expected_rows: expected.content.rows,
        content: match found {
            None => Content::NotCompared,
            Some(found) if found == expected.content => Content::Equal,
            Some(_) => Content::Different,
        },
    }
}

fn rows_check(tables: &[TableReport]) -> Check {
    let wrong: Vec<String> = tables
        .iter()
        .filter(|table| table.rows != Some(table.expected_rows))
        .map(|table| match table.rows {
            Some(rows) => format!(
                "{}.{} has {rows} rows instead of {}",
                table.schema, table.name, table.expected_rows
            ),
            None => format!("{}.{} is missing", table.schema, table.name),
        })
        .collect();
    let rows: u64 = tables.iter().map(|table| table.expected_rows).sum();
    Check::none_of("rows", &wrong, format!("{rows} rows in {} tables", tables.len()))
}

fn content_check(tables: &[TableReport]) -> Check {
    let wrong: Vec<String> = tables
        .iter()
        .filter(|table| table.content != Content::Equal)
        .map(|table| format!("{}.{} holds other content", table.schema, table.name))
        .collect();
    Check::none_of("content", &wrong, format!("{} tables equal", tables.len()))
}

fn differing(what: &str, expected: Fingerprint, found: Fingerprint) -> Vec<String> {
    if expected == found {
        return Vec::new();
    }
    vec![if expected.rows == found.rows {
        format!("{what} hold other content")
    } else {
        format!("{} {what} instead of {}", found.rows, expected.rows)
    }]
}

fn definitions_check(expected: &[EntryDigest], found: &[EntryDigest]) -> Check {
    type Named<'a> = BTreeMap<(&'a str, &'a str, &'a str), Vec<&'a str>>;
    fn named(entries: &[EntryDigest]) -> Named<'_> {
        let mut named = Named::new();
        for entry in entries {
            named
                .entry((&entry.kind, &entry.schema, &entry.name))
                .or_default()
                .push(&entry.digest);
        }
        for digests in named.values_mut() {
            digests.sort_unstable();
        }
        named
    }
    let (expected_by_name, found_by_name) = (named(expected), named(found));
    let mut wrong = Vec::new();
    for (name @ (kind, schema, tag), digests) in &expected_by_name {
        match found_by_name.get(name) {
            None => wrong.push(format!("{kind} {schema}.{tag} is missing")),
            Some(found) if found != digests => {
                wrong.push(format!("{kind} {schema}.{tag} is defined differently"));
            }
            Some(_) => {}
        }
    }
    for (kind, schema, tag) in found_by_name
        .keys()
        .filter(|name| !expected_by_name.contains_key(*name))
    {
        wrong.push(format!("{kind} {schema}.{tag} is not in the backup"));
    }
    Check::none_of("schema", &wrong, format!("{} entries equal", expected.len()))
}

fn sequences_check(expected: &[Sequence], found: &[(String, String, i64, bool)]) -> Check {
    let wrong: Vec<String> = expected
        .iter()
        .filter_map(|sequence| {
            let place = format!("{}.{}", sequence.schema, sequence.name);
            let found = found
                .iter()
                .find(|(schema, name, ..)| (schema, name) == (&sequence.schema, &sequence.name));
            match found {
                None => Some(format!("sequence {place} is missing")),
                Some((.., value, called))
                    if (*value, *called) != (sequence.last_value, sequence.is_called) =>
                {
                    Some(format!(
                        "sequence {place} stands at {value} instead of {}",
                        sequence.last_value
                    ))
                }
                Some(_) => None,
            }
        })
        .collect();
    Check::none_of(
        "sequences",
        &wrong,
        format!("{} where they stood", expected.len()),
    )
}

/// Constraints that the backup holds as NOT VALID stay so; all others must have been checked against the rows.
async fn constraints_check(session: &Session, restored: &Surveyed) -> Result<Check> {
    let is_by_design = |name: &String| {
        let unchecked = |entry: &&Entry| entry.definition.contains(" NOT VALID");
        let mut entries = restored.contents.entries.iter().filter(unchecked);
        entries.any(|entry| format!("{}.{}", entry.schema.as_deref().unwrap_or_default(), entry.tag) == *name)
    };
    let mut unchecked = queries::unvalidated_constraints(session).await?;
    unchecked.retain(|name| !is_by_design(name));
    let problems: Vec<String> = unchecked
        .iter()
        .map(|name| format!("{name} was not validated"))
        .collect();
    Ok(Check::none_of("constraints", &problems, "all validated"))
}

async fn indexes_check(session: &Session) -> Result<Check> {
    let invalid = queries::invalid_indexes(session).await?;
    let problems: Vec<String> = invalid
        .iter()
        .map(|name| format!("{name} is not valid"))
        .collect();
    Ok(Check::none_of("indexes", &problems, "all valid"))
}

fn views_check(expected: &[String], found: &[String]) -> Check {
    let problem = |view: &String| format!("materialized view {view} is not populated");
    let empty: Vec<String> = expected
        .iter()
        .filter(|view| !found.contains(view))
        .map(problem)
        .collect();
    Check::none_of(
        "materialized views",
        &empty,
        format!("{} populated", expected.len()),
    )
}
