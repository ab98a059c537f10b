//! Which parts of a backup are restored into one target.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::judge::{self, KnownTarget, name, rule};
use super::rule::OmissionRule;
use crate::archive::{Contents, DumpId, Entry, EntryKind};
use crate::error::{Error, Kind, Result};
use crate::model::manifest::{Manifest, Table};
use crate::model::profile::Profile;
use crate::postgres::rights::Name;
use crate::recovery::plan::{self, SkippedEntry};

/// Which parts of a backup are restored, and which are left out by which rule.
#[derive(Clone, Debug)]
pub struct Selection {
    profile: Profile,
    left_out: BTreeMap<DumpId, OmissionRule>,
    /// Tables of the platform that receive rows.
    filled: Vec<Name>,
}

impl Selection {
    /// Everything: what a plain target gets.
    pub fn everything() -> Self {
        Self {
            profile: Profile::Plain,
            left_out: BTreeMap::new(),
            filled: Vec::new(),
        }
    }

    /// What a plain target without these extensions of a platform gets.
    ///
    /// An archive does not tell which extension a table belongs to that a dump takes only the rows of. That of the table's
    /// schema is taken for it.
    pub fn without(contents: &Contents, extensions: &[String]) -> Self {
        let entries = || contents.entries.iter();
        let lacking: Vec<&Entry> = entries()
            .filter(|entry| entry.kind == EntryKind::Extension && extensions.contains(&entry.tag))
            .collect();
        let is_in_lacking_schema = |entry: &Entry| {
            let in_schema = entry
                .schema
                .as_ref()
                .map(|schema| format!(" WITH SCHEMA {schema};"));
            in_schema.is_some_and(|end| {
                lacking
                    .iter()
                    .any(|lacking| lacking.definition.trim_end().ends_with(&end))
            })
        };
        let made: HashSet<Name> = entries()
            .filter(|entry| entry.kind == EntryKind::Table)
            .map(name)
            .collect();
        let is_made = |data: &Entry| made.contains(&name(data));
        let rows = entries().filter(|entry| {
            entry.kind == EntryKind::TableData && is_in_lacking_schema(entry) && !is_made(entry)
        });
        let left_out = lacking.iter().copied().chain(rows);
        let left_out = left_out.map(|entry| (entry.id, OmissionRule::PlatformExtension));
        Self {
            left_out: with_stranded(contents, left_out.collect()),
            ..Self::everything()
        }
    }

    /// What a Supabase target gets.
    pub fn of(contents: &Contents, target: &KnownTarget) -> Self {
        let judged = contents.entries.iter();
        let judged = judged.filter_map(|entry| Some((entry.id, rule(contents, entry, target)?)));
        let left_out = with_stranded(contents, judged.collect());
        let filled = contents.entries.iter().filter(|entry| {
            let is_platforms = Profile::Supabase.owns_schema(entry.schema.as_deref().unwrap_or_default());
            entry.kind == EntryKind::TableData && is_platforms && !left_out.contains_key(&entry.id)
        });
        Self {
            profile: Profile::Supabase,
            filled: filled.map(name).collect(),
            left_out,
        }
    }

    /// The same without making these schemas, which the target has.
    #[must_use]
    pub(crate) fn with_schemas(mut self, contents: &Contents, schemas: &[String]) -> Self {
        let entries = contents.entries.iter();
        let present = entries.filter(|entry| entry.kind == EntryKind::Schema && schemas.contains(&entry.tag));
        self.left_out
            .extend(present.map(|entry| (entry.id, OmissionRule::Present)));
        self
    }

    /// Who owns what is in the target.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether the entry is restored.
    pub fn keeps(&self, id: DumpId) -> bool {
        !self.left_out.contains_key(&id)
    }

    /// Tables of the platform that receive rows.
    pub fn filled(&self) -> &[Name] {
        &self.filled
    }

    /// The rule by which the entry is left out.
    pub fn rule(&self, id: DumpId) -> Option<OmissionRule> {
        self.left_out.get(&id).copied()
    }

    /// What is left out, in the backup's order.
    pub fn skipped(&self, contents: &Contents) -> Vec<SkippedEntry> {
        let left_out = contents
            .entries
            .iter()
            .filter_map(|entry| Some((entry, self.rule(entry.id)?)));
        left_out
            .map(|(entry, rule)| SkippedEntry {
                entry: worded(entry),
                rule: rule.name(),
                reason: rule.reason(),
            })
            .collect()
    }

    /// The rows of the product's that are left out, and what is to be done about each table's, for a person.
    pub(in crate::recovery) fn lost_rows(&self, contents: &Contents, manifest: &Manifest) -> Vec<String> {
        let rules = self.rows_rules(contents);
        let tables = manifest.tables.iter().filter(|table| table.content.rows > 0);
        let lost = tables.filter_map(|table| {
            let rule = *rules.get(&(table.schema.clone(), table.name.clone()))?;
            let (rows, plural) = (table.content.rows, if table.content.rows == 1 { "" } else { "s" });
            (rule != OmissionRule::MigrationRows).then(|| {
                let Table { schema, name, .. } = table;
                format!(
                    "{rows} row{plural} of {schema}.{name} left out: {}",
                    rule.reason()
                )
            })
        });
        lost.collect()
    }

    /// The tables whose rows are left out, each with the rule.
    fn rows_rules(&self, contents: &Contents) -> HashMap<Name, OmissionRule> {
        let rows = contents
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::TableData);
        let left_out = rows.filter_map(|entry| {
            let rule = self.rule(entry.id).filter(|rule| rule.is_excused())?;
            Some((name(entry), rule))
        });
        left_out.collect()
    }

    /// Refuses to leave out rows that a foreign key of the product refers to.
    pub(super) fn check_needed(&self, contents: &Contents, manifest: &Manifest) -> Result<()> {
        let rules = self.rows_rules(contents);
        for table in manifest.tables.iter().filter(|table| table.content.rows > 0) {
            let table: Name = (table.schema.clone(), table.name.clone());
            let Some(rule) = rules.get(&table) else {
                continue;
            };
            if let Some(reference) = self.reference_to(contents, &table) {
                let message = format!(
                    "the foreign key {} needs the rows of {}.{}, and they cannot be loaded: {}",
                    worded(reference),
                    table.0,
                    table.1,
                    rule.reason()
                );
                let hint = "restore into a project as new as the source, as its role `postgres`";
                return Err(Error::new(Kind::Refused, message).hint(hint));
            }
        }
        Ok(())
    }

    /// A foreign key of the product that refers to the table.
    fn reference_to<'a>(&self, contents: &'a Contents, table: &Name) -> Option<&'a Entry> {
        contents.entries.iter().find(|entry| {
            let is_products = !self
                .profile
                .owns_schema(entry.schema.as_deref().unwrap_or_default());
            entry.kind == EntryKind::FkConstraint
                && is_products
                && judge::needed(contents, entry)
                    .any(|needed| needed.kind == EntryKind::Table && name(needed) == *table)
        })
    }
}

/// What is left out, with what is built on it, and on that, and so on: on what cannot be made nothing can be.
fn with_stranded(
    contents: &Contents,
    mut left_out: BTreeMap<DumpId, OmissionRule>,
) -> BTreeMap<DumpId, OmissionRule> {
    loop {
        let stranded: Vec<(DumpId, OmissionRule)> = contents
            .entries
            .iter()
            .filter(|entry| !left_out.contains_key(&entry.id) && !plan::is_grant(entry))
            .filter_map(|entry| {
                let mut gaps = entry.dependencies.iter().filter_map(|id| left_out.get(id));
                let gap = gaps.find(|rule| rule.leaves_a_gap())?;
                Some((entry.id, stranded_by(*gap, entry)))
            })
            .collect();
        if stranded.is_empty() {
            return left_out;
        }
        left_out.extend(stranded);
    }
}

/// The comment on an extension goes with it; everything else is missed.
fn stranded_by(gap: OmissionRule, entry: &Entry) -> OmissionRule {
    if gap == OmissionRule::PlatformExtension && entry.kind == EntryKind::Comment {
        gap
    } else {
        OmissionRule::NeedsLeftOut
    }
}

/// What an entry is and its name, for a person.
fn worded(entry: &Entry) -> String {
    match &entry.schema {
        Some(schema) => format!("{} {schema}.{}", entry.kind, entry.tag),
        None => format!("{} {}", entry.kind, entry.tag),
    }
}
