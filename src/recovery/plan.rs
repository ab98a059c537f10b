//! Which of an archive's entries are made before its rows, and which after.
//!
//! `pg_restore` makes everything but the rows, from a file that holds only the head of the archive, guided by a list of
//! entries. Comments and the like have no section of their own: as in `pg_restore`, they go with the entry before them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;

use serde::Serialize;

use crate::archive::{Contents, DumpId, Entry, EntryKind, Section};
use crate::model::manifest::{EntryDigest, Sequence};

/// When an entry is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreStage {
    /// Before rows are loaded: definitions, and large objects still empty.
    Before,
    /// It is the rows themselves, which we load.
    Rows,
    /// After rows are loaded: sequence values, indexes, constraints, triggers, refreshes.
    After,
    /// Never: the target's database brings it itself.
    Never,
}

/// An entry that is not restored, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedEntry {
    /// What it is, and its name.
    pub entry: String,
    /// The name of the rule by which it is left out.
    pub rule: &'static str,
    /// Why it is left out.
    pub reason: &'static str,
}

/// Each entry with its turn, in the archive's order.
pub fn turns(contents: &Contents) -> impl Iterator<Item = (&Entry, RestoreStage)> {
    placed(contents).map(|(entry, section)| {
        let turn = match section {
            _ if is_of_the_database(entry) || is_grant(entry) => RestoreStage::Never,
            Section::None | Section::PreData => RestoreStage::Before,
            Section::Data if entry.has_data => RestoreStage::Rows,
            Section::Data if matches!(entry.kind, EntryKind::Blob | EntryKind::BlobMetadata) => {
                RestoreStage::Before
            }
            Section::Data | Section::PostData => RestoreStage::After,
        };
        (entry, turn)
    })
}

/// The entries that a restore makes, in the archive's order.
pub fn made(contents: &Contents) -> impl DoubleEndedIterator<Item = &Entry> {
    let made: Vec<&Entry> = turns(contents)
        .filter(|(_, turn)| *turn != RestoreStage::Never)
        .map(|(entry, _)| entry)
        .collect();
    made.into_iter()
}

/// Whether the entry is about the database as a whole and not about what is in it: `pg_restore` makes these only when it
/// creates the database itself.
fn is_of_the_database(entry: &Entry) -> bool {
    match entry.kind {
        EntryKind::Database | EntryKind::DatabaseProperties => true,
        EntryKind::Comment | EntryKind::SecurityLabel | EntryKind::Acl => entry.tag.starts_with("DATABASE "),
        _ => false,
    }
}

/// Whether the entry grants rights. They are made equal to what the manifest records, as replaying them does not close what the
/// target opens by itself.
pub(super) fn is_grant(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::Acl | EntryKind::DefaultAcl)
}

/// What is left out of a restore, and why. Grants are not where `makes_grants` says that they are made from the manifest, nor are
/// settings where `makes_settings` says that they are made from the globals object.
pub fn skipped(contents: &Contents, makes_grants: bool, makes_settings: bool) -> Vec<SkippedEntry> {
    turns(contents)
        .filter(|(entry, turn)| *turn == RestoreStage::Never && !(makes_grants && is_grant(entry)))
        .filter(|(entry, _)| !(makes_settings && entry.kind == EntryKind::DatabaseProperties))
        .map(|(entry, _)| {
            let (rule, reason) = match entry.kind {
                EntryKind::Database => ("database", "the target's own database is used"),
                EntryKind::Acl | EntryKind::DefaultAcl if !is_of_the_database(entry) => (
                    "grant",
                    "grants are not restored, as the backup does not record who might do what: the target has its own",
                ),
                _ => (
                    "database setting",
                    "the backup records no settings of the database as a whole: apply them to the target by hand",
                ),
            };
            SkippedEntry {
                entry: format!("{} {}", entry.kind, entry.tag),
                rule,
                reason,
            }
        })
        .collect()
}

/// The tablespaces that a restore does without, and how much goes into the target's own instead.
pub(super) fn skipped_tablespaces(contents: &Contents) -> Vec<SkippedEntry> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tablespace in contents
        .entries
        .iter()
        .filter_map(|entry| entry.tablespace.as_deref())
    {
        *counts.entry(tablespace).or_default() += 1;
    }
    let told = counts.iter().map(|(tablespace, count)| SkippedEntry {
        entry: format!("TABLESPACE {tablespace} of {count} entries"),
        rule: "tablespace",
        reason: "tables and indexes go into the target's default tablespace; --tablespaces keeps those of the source",
    });
    told.collect()
}

/// Each entry with the section it is made in.
fn placed(contents: &Contents) -> impl Iterator<Item = (&Entry, Section)> {
    contents.entries.iter().scan(Section::PreData, |section, entry| {
        if entry.section != Section::None {
            *section = entry.section;
        }
        Some((entry, *section))
    })
}

/// The entries of `turn` that are kept, as a file for `pg_restore --use-list`.
pub fn list(contents: &Contents, turn: RestoreStage, keeps: impl Fn(DumpId) -> bool) -> String {
    turns(contents)
        .filter(|(entry, at)| *at == turn && keeps(entry.id))
        .fold(String::new(), |mut text, (entry, _)| {
            let _ = writeln!(text, "{};", entry.id.0);
            text
        })
}

/// The archive's encoding, as `SET client_encoding` takes it.
pub fn encoding(contents: &Contents) -> &str {
    contents
        .entries
        .iter()
        .find(|entry| entry.kind == EntryKind::Encoding)
        .and_then(|entry| entry.definition.split('\'').nth(1))
        .unwrap_or("UTF8")
}

/// The settings that the database itself had, as far as the archive tells: only where it was asked to, it holds those of the database
/// as a whole. `ALTER DATABASE shop SET "TimeZone" TO 'Asia/Kolkata';` is on a line of its own.
pub(super) fn database_settings(contents: &Contents) -> BTreeMap<String, String> {
    let database = &contents.header.database;
    let quoted = format!("\"{}\"", database.replace('"', "\"\""));
    let beginnings = [database, &quoted].map(|name| format!("ALTER DATABASE {name} SET "));
    let entries = contents.entries.iter();
    let properties = entries.filter(|entry| entry.kind == EntryKind::DatabaseProperties);
    let settings = properties
        .flat_map(|entry| entry.definition.lines())
        .filter_map(|line| {
            let setting = beginnings
                .iter()
                .find_map(|beginning| line.strip_prefix(beginning.as_str()))?;
            let (name, value) = setting.split_once(" TO ")?;
            let value = value.trim_end().strip_suffix(';')?.trim_matches('\'');
            Some((name.trim_matches('"').to_owned(), value.to_owned()))
        });
    settings.collect()
}

/// Whether a backslash is an ordinary character in the archive's string constants.
pub fn has_standard_strings(contents: &Contents) -> bool {
    let mut settings = contents
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::StdStrings);
    settings.all(|entry| !entry.definition.contains("'off'"))
}

/// What comes behind everything else: event triggers, which would fire at what is made, what is about materialized views with
/// rows, of which `refreshed` are the entries, and what needs any of these.
pub(super) fn last(contents: &Contents, refreshed: &HashSet<DumpId>) -> HashSet<DumpId> {
    let mut last: HashSet<DumpId> = HashSet::new();
    for (entry, turn) in turns(contents) {
        let needs_last = |id: &DumpId| last.contains(id) || refreshed.contains(id);
        if turn == RestoreStage::After
            && (entry.kind == EntryKind::EventTrigger || entry.dependencies.iter().any(needs_last))
        {
            last.insert(entry.id);
        }
    }
    last.retain(|id| !refreshed.contains(id));
    last
}

/// The digests of everything the archive defines and a schema-only dump would show alike.
pub fn definitions(contents: &Contents) -> Vec<EntryDigest> {
    placed(contents)
        .filter(|(entry, section)| {
            let is_content = matches!(
                entry.kind,
                EntryKind::Blob
                    | EntryKind::BlobMetadata
                    | EntryKind::MaterializedViewData
                    | EntryKind::StatisticsData
            );
            *section != Section::Data && !is_content && !is_of_the_database(entry) && !is_grant(entry)
        })
        .map(|(entry, _)| {
            let schema = entry.schema.as_deref().unwrap_or_default();
            EntryDigest::of(entry.kind.as_str(), schema, &entry.tag, &entry.definition)
        })
        .collect()
}

/// The names of the extensions the archive creates.
pub fn extensions(contents: &Contents) -> Vec<String> {
    let created = contents
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Extension);
    created.map(|entry| entry.tag.clone()).collect()
}

/// The roles that the archive's policies name.
pub fn policy_roles(contents: &Contents) -> Vec<String> {
    let policies = contents
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Policy);
    let roles: BTreeSet<String> = policies
        .flat_map(|entry| roles_of_policy(&entry.definition))
        .collect();
    roles.into_iter().collect()
}

/// The roles in `CREATE POLICY name ON schema.table FOR ALL TO role, "other role" USING (…);`.
fn roles_of_policy(definition: &str) -> Vec<String> {
    let mut words = words(definition).skip_while(|word| word != "TO");
    let after = words.by_ref().skip(1);
    let listed = after.take_while(|word| !matches!(word.as_str(), "USING" | "WITH" | ";" | "("));
    listed
        .filter(|word| word != ",")
        .map(
            |word| match word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(quoted) => quoted.replace("\"\"", "\""),
                None => word,
            },
        )
        .collect()
}

/// The words of a definition; a quoted name is one word with its quotes, a sign is one by itself.
fn words(definition: &str) -> impl Iterator<Item = String> {
    let mut rest = definition.chars().peekable();
    std::iter::from_fn(move || {
        while rest.next_if(|mark| mark.is_whitespace()).is_some() {}
        let mut word = String::from(rest.next()?);
        if word == "\"" {
            while let Some(mark) = rest.next() {
                word.push(mark);
                if mark == '"' {
                    match rest.next_if_eq(&'"') {
                        Some(doubled) => word.push(doubled),
                        None => break,
                    }
                }
            }
        } else if word.starts_with(|mark: char| mark.is_alphanumeric() || mark == '_') {
            while let Some(mark) = rest.next_if(|mark| mark.is_alphanumeric() || *mark == '_' || *mark == '$')
            {
                word.push(mark);
            }
        }
        Some(word)
    })
}

/// Materialized views that the archive fills, as `schema.name`.
pub fn populated_views(contents: &Contents) -> Vec<String> {
    let mut views: Vec<String> = contents
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::MaterializedViewData)
        .map(|entry| format!("{}.{}", entry.schema.as_deref().unwrap_or_default(), entry.tag))
        .collect();
    views.sort();
    views
}

/// Constraints that the archive makes without checking them against the rows, as `schema.table constraint`.
pub fn unvalidated_constraints(contents: &Contents) -> Vec<String> {
    let unchecked = contents.entries.iter().filter(|entry| {
        let definition = entry.definition.trim_end().trim_end_matches(';');
        entry.kind.is_constraint() && definition.ends_with(" NOT VALID")
    });
    unchecked
        .map(|entry| format!("{}.{}", entry.schema.as_deref().unwrap_or_default(), entry.tag))
        .collect()
}

/// Where the archive leaves each sequence.
pub fn sequences(contents: &Contents) -> Vec<Sequence> {
    contents
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::SequenceSet)
        .filter_map(|entry| {
            let (last_value, is_called) = read_setval(&entry.definition)?;
            Some(Sequence {
                schema: entry.schema.clone().unwrap_or_default(),
                name: entry.tag.clone(),
                last_value,
                is_called,
            })
        })
        .collect()
}

/// Reads `SELECT pg_catalog.setval('public.invoice_number', 41, true);` from its end, as the name may hold anything.
fn read_setval(definition: &str) -> Option<(i64, bool)> {
    let inner = definition.trim_end().strip_suffix(");")?;
    let (rest, is_called) = inner.rsplit_once(", ")?;
    let (_, last_value) = rest.rsplit_once(", ")?;
    Some((last_value.parse().ok()?, is_called.parse().ok()?))
}
