//! One table through all backups of its source.
//!
//! Manifests tell rows, content and definition of each day. Rows are looked at only where conditions ask for some, and only in backups
//! whose content no earlier one had.

mod facts;
mod matching;

use std::collections::{BTreeSet, HashMap};

use futures_util::{StreamExt, pin_mut, stream};
use jiff::Timestamp;

use self::facts::{Facts, PartitionTrees, TableFacts, facts_of};
use self::matching::{Matches, matching_rows};
use crate::error::{Error, Kind, Result};
use crate::model::catalog::{StoredBackup, read_listing};
use crate::model::fingerprint::Fingerprint;
use crate::model::key::BackupKey;
use crate::model::rescue::condition::RowCondition;
use crate::model::rescue::name::{RelationName, shown_relation};
use crate::model::rescue::row_changes::{NamedRow, RowChange, changes};
use crate::model::selection::{Among, source_of};
use crate::model::source::{SourceName, attribute};
use crate::model::timeline::{Event, Observer, Phase};
use crate::recovery::manifests;
use crate::store::Store;

/// How many manifests are read at the same time.
const MANIFESTS_AT_ONCE: usize = 8;

/// Which table, and which rows of it.
#[derive(Clone, Copy)]
pub struct HistoryRequest<'a> {
    /// Where backups are kept.
    pub store: &'a Store,
    /// Among which.
    pub among: &'a Among,
    /// Which table.
    pub table: &'a RelationName,
    /// Rows for which all of these hold; none are looked at where there are none.
    pub conditions: &'a [RowCondition],
}

/// A table through all backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableHistory {
    /// The source the backups are of.
    pub source: SourceName,
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub name: String,
    /// One for each backup, oldest first.
    pub days: Vec<TableDay>,
    /// In how many backups rows were looked at.
    pub fetches: usize,
    /// How many stored bytes were fetched for them, heads and manifests not counted.
    pub fetched_bytes: u64,
}

/// A table in one backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDay {
    /// The backup's key.
    pub key: BackupKey,
    /// When it began.
    pub started_at: Timestamp,
    /// What it held; nothing where the table was not there.
    pub content: Option<Fingerprint>,
    /// Whether that differs from the backup before; nothing for the first.
    pub changed: Option<bool>,
    /// Whether its definition differs from the backup before; nothing for the first.
    pub definition_changed: Option<bool>,
    /// The rows that are meant, where some were asked for.
    pub rows: Option<Vec<NamedRow>>,
    /// What became of them since the backup before.
    pub changes: Vec<RowChange>,
}

/// Follows the table from the oldest backup to the newest.
pub async fn history(request: HistoryRequest<'_>, observer: &dyn Observer) -> Result<TableHistory> {
    observer.observe(Event::Began(Phase::Transfer));
    observer.observe(Event::Doing("reading manifests".to_owned()));
    let facts = read_facts(request, observer).await?;
    let (source, mut facts) = of_one_source(facts, request.among)?;
    if let Some(refusal) = facts.iter_mut().find_map(|facts| facts.refusal.take()) {
        return Err(refusal);
    }
    let table = facts.iter().rev().find_map(|facts| facts.table.as_ref());
    let Some(table) = table else {
        let message = format!("no backup holds a table {}", request.table);
        let near = facts.last().and_then(|facts| facts.near.clone());
        return Err(Error::new(Kind::Usage, message).hint(near.unwrap_or_default()));
    };
    let mut history = TableHistory {
        source,
        schema: table.schema.clone(),
        name: table.name.clone(),
        days: Vec::new(),
        fetches: 0,
        fetched_bytes: 0,
    };
    let mut looking = Looking::new(request);
    let mut before: Option<(&Facts, Matches)> = None;
    for facts in &facts {
        let matches = looking.matches(facts, &mut history, observer).await?;
        let then = before.as_ref().map(|(facts, _)| facts.table.as_ref());
        history.days.push(TableDay {
            key: facts.key,
            started_at: facts.started_at,
            content: facts.table.as_ref().map(|table| table.content),
            changed: then.map(|then| content_of(then) != content_of(facts.table.as_ref())),
            definition_changed: then.map(|then| {
                then.map(|table| table.definition) != facts.table.as_ref().map(|table| table.definition)
            }),
            changes: before.as_ref().map_or_else(Vec::new, |(_, then)| {
                changes(&then.rows, &matches.rows, &matches.key)
            }),
            rows: (!request.conditions.is_empty()).then(|| matches.rows.to_vec()),
        });
        before = Some((facts, matches));
    }
    looking.refuse_unknown_column()?;
    observer.observe(Event::Ended(Phase::Transfer));
    Ok(history)
}

fn content_of(table: Option<&TableFacts>) -> Option<(Fingerprint, &str)> {
    table.map(|table| (table.content, table.columns.as_str()))
}

/// What every manifest says of the table, oldest first.
async fn read_facts(request: HistoryRequest<'_>, observer: &dyn Observer) -> Result<Vec<Facts>> {
    let store = request.store;
    let mut found = read_listing(&store.list("").await?);
    found.reverse();
    let (with, without): (Vec<StoredBackup>, Vec<StoredBackup>) =
        found.into_iter().partition(StoredBackup::is_attested);
    let unattested = without
        .iter()
        .filter(|found| found.stored_bytes.is_some())
        .count();
    if unattested > 0 {
        observer.observe(Event::Noted(format!(
            "{unattested} objects without a manifest are left out: `paycraft-dr attest` gives them one"
        )));
    }
    let large = tokio::sync::Semaphore::new(1);
    let read =
        async |found: StoredBackup| (found, manifests::read_for_catalog(store, found.key, &large).await);
    let manifests = stream::iter(with).map(read).buffered(MANIFESTS_AT_ONCE);
    pin_mut!(manifests);
    let mut trees = PartitionTrees::default();
    let mut all = Vec::new();
    while let Some((found, manifest)) = manifests.next().await {
        match manifest {
            Ok(manifest) => {
                all.push(facts_of(store, found, &manifest, request.table, &mut trees).await?);
            }
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Refused) => {
                observer.observe(Event::Warned(format!("{error}: it is left out")));
            }
            // It may have expired since it was listed.
            Err(_) if matches!(store.head(&found.key.manifest_key()).await, Ok(None)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// The backups of the source that is meant.
fn of_one_source(mut facts: Vec<Facts>, among: &Among) -> Result<(SourceName, Vec<Facts>)> {
    let mut described: Vec<_> = facts
        .iter_mut()
        .map(|facts| (&mut facts.source, facts.is_recorded))
        .collect();
    attribute(&mut described, among.source.configured());
    let names: BTreeSet<SourceName> = facts.iter().map(|facts| (&facts.source).into()).collect();
    let Some(source) = source_of(&among.source, &names)? else {
        return Err(
            Error::new(Kind::Store, "the store holds no backup with a manifest")
                .hint("make one with `paycraft-dr backup`, and check the bucket's name"),
        );
    };
    facts.retain(|facts| SourceName::from(&facts.source) == source);
    match facts.is_empty() {
        false => Ok((source, facts)),
        true => Err(
            Error::new(Kind::Store, format!("the store holds no backup of {source}"))
                .hint("`paycraft-dr list` shows what is there; --from-source takes another source"),
        ),
    }
}

/// The rows that are meant, of each content that was seen.
struct Looking<'a> {
    request: HistoryRequest<'a>,
    seen: HashMap<(u64, u128, String), Matches>,
    /// The first column that a backup did not have, and whether another one had all.
    unknown: Option<Error>,
    is_known: bool,
}

impl<'a> Looking<'a> {
    fn new(request: HistoryRequest<'a>) -> Self {
        Self {
            request,
            seen: HashMap::new(),
            unknown: None,
            is_known: false,
        }
    }

    async fn matches(
        &mut self,
        facts: &Facts,
        history: &mut TableHistory,
        observer: &dyn Observer,
    ) -> Result<Matches> {
        let Some(table) = facts
            .table
            .as_ref()
            .filter(|_| !self.request.conditions.is_empty())
        else {
            return Ok(Matches::default());
        };
        let content = (table.content.rows, table.content.hash, table.columns.clone());
        if let Some(matches) = self.seen.get(&content) {
            return Ok(matches.clone());
        }
        let name = shown_relation(&table.schema, &table.name);
        let conditions = self.request.conditions;
        let told = if self.is_known { None } else { Some(observer) };
        let found = matching_rows(self.request.store, facts.key, table, conditions, told).await?;
        let matches = match found {
            Ok((matches, fetched_bytes)) => {
                self.is_known = true;
                history.fetches += 1;
                history.fetched_bytes += fetched_bytes;
                matches
            }
            Err(unknown) => {
                observer.observe(Event::Noted(format!(
                    "{}: {unknown}: no row of {name} is meant",
                    facts.key
                )));
                self.unknown = Some(unknown);
                Matches::default()
            }
        };
        self.seen.insert(content, matches.clone());
        Ok(matches)
    }

    /// A column that no backup has is an error.
    fn refuse_unknown_column(self) -> Result<()> {
        match self.unknown {
            Some(unknown) if !self.is_known => Err(unknown),
            _ => Ok(()),
        }
    }
}
