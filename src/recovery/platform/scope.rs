//! What a verification asks for, where the target's platform has a share in it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::judge::{is_platforms, name};
use super::rule::OmissionRule;
use super::selection::Selection;
use crate::archive::{Contents, EntryKind};
use crate::model::access::UnknownRightsAccepted;
use crate::model::check_names;
use crate::model::depth::Depth;
use crate::model::globals::KnownSettings;
use crate::model::manifest::{EntryDigest, Manifest, Sequence};
use crate::model::profile::Profile;
use crate::model::verdict::Check;
use crate::postgres::rights::Name;
use crate::recovery::meaning::Meaning;
use crate::recovery::plan;

/// What was left out of a target and is not asked for.
#[derive(Clone, Debug)]
pub struct RestoreScope {
    profile: Profile,
    depth: Depth,
    entries: HashSet<(String, String, String)>,
    rows: HashMap<Name, OmissionRule>,
    filled: Vec<Name>,
    unvalidated: Vec<String>,
    meaning: Meaning,
    rules: BTreeMap<OmissionRule, usize>,
    accepts_lost_rows: bool,
    accepts_unknown_rights: UnknownRightsAccepted,
    accepts_missing_settings: bool,
    settings: KnownSettings,
}

impl RestoreScope {
    /// Everything is asked for.
    pub fn everything() -> Self {
        Self {
            profile: Profile::Plain,
            depth: Depth::Content,
            entries: HashSet::new(),
            rows: HashMap::new(),
            filled: Vec::new(),
            unvalidated: Vec::new(),
            meaning: Meaning::default(),
            rules: BTreeMap::new(),
            accepts_lost_rows: false,
            accepts_unknown_rights: UnknownRightsAccepted(false),
            accepts_missing_settings: false,
            settings: KnownSettings::Nothing,
        }
    }

    /// All is asked for that the selection did not leave to the platform.
    pub fn of(selection: &Selection, contents: &Contents) -> Self {
        let mut scope = Self {
            profile: selection.profile(),
            filled: selection.filled().to_vec(),
            unvalidated: plan::unvalidated_constraints(contents),
            meaning: Meaning::of(contents),
            ..Self::everything()
        };
        for entry in &contents.entries {
            let Some(rule) = selection.rule(entry.id).filter(|rule| rule.is_excused()) else {
                continue;
            };
            *scope.rules.entry(rule).or_default() += 1;
            if entry.kind == EntryKind::TableData {
                scope.rows.insert(name(entry), rule);
            } else {
                let (schema, tag) = name(entry);
                scope.entries.insert((entry.kind.to_string(), schema, tag));
            }
        }
        scope
    }

    /// The same, with as much of the rows as that.
    #[must_use]
    pub fn to(self, depth: Depth) -> Self {
        Self { depth, ..self }
    }

    /// The same, where the operator may have said that a target without the product's rows of the platform's tables will do.
    #[must_use]
    pub fn accepting_lost_rows(self, accepts_lost_rows: bool) -> Self {
        Self {
            accepts_lost_rows,
            ..self
        }
    }

    /// The same, where the operator may have said that a target will do whose rights no backup records.
    #[must_use]
    pub fn accepting_unknown_rights(self, accepts: bool) -> Self {
        Self {
            accepts_unknown_rights: UnknownRightsAccepted(accepts),
            ..self
        }
    }

    /// Whether a target will do whose rights no backup records.
    pub fn accepts_unknown_rights(&self) -> UnknownRightsAccepted {
        self.accepts_unknown_rights
    }

    /// The same, where the operator may have said that a target without some settings will do.
    #[must_use]
    pub(in crate::recovery) fn accepting_missing_settings(self, accepts_missing_settings: bool) -> Self {
        Self {
            accepts_missing_settings,
            ..self
        }
    }

    /// The same, with what is known of the backup's settings.
    #[must_use]
    pub(in crate::recovery) fn knowing(self, settings: KnownSettings) -> Self {
        Self { settings, ..self }
    }

    /// Whether a target will do without some settings.
    pub fn accepts_missing_settings(&self) -> bool {
        self.accepts_missing_settings
    }

    /// What is known of the backup's settings.
    pub fn settings(&self) -> &KnownSettings {
        &self.settings
    }

    /// Who owns what in the target.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// How much of the rows is asked for.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// Why the rows of a table are not asked for, where they are not.
    pub fn without_rows(&self, schema: &str, table: &str) -> Option<&'static str> {
        let rule = self.rows.get(&(schema.to_owned(), table.to_owned()));
        rule.map(|rule| rule.reason())
    }

    /// Tables of the platform that hold rows of the backup.
    pub fn filled(&self) -> &[Name] {
        &self.filled
    }

    /// What is compared by meaning.
    pub(in crate::recovery) fn meaning(&self) -> &Meaning {
        &self.meaning
    }

    /// Those of the manifest's definitions that are asked for.
    pub(in crate::recovery) fn expected_entries(&self, manifest: &Manifest) -> Vec<EntryDigest> {
        let entries = manifest.entries.iter().filter(|entry| !self.leaves_out(entry));
        entries.cloned().collect()
    }

    /// Those of the target's definitions that are to be compared: not what the platform made and the backup does not ask for.
    pub(in crate::recovery) fn found_entries(
        &self,
        contents: &Contents,
        expected: &[EntryDigest],
        found: Vec<EntryDigest>,
    ) -> Vec<EntryDigest> {
        if self.profile == Profile::Plain {
            return found;
        }
        let of_platform: BTreeSet<(&str, &str, &str)> = contents
            .entries
            .iter()
            .filter(|entry| is_platforms(contents, entry))
            .map(|entry| {
                (
                    entry.kind.as_str(),
                    entry.schema.as_deref().unwrap_or_default(),
                    entry.tag.as_str(),
                )
            })
            .collect();
        let expected: BTreeSet<_> = expected.iter().map(key).collect();
        found
            .into_iter()
            .filter(|entry| {
                !self.leaves_out(entry)
                    && (expected.contains(&key(entry)) || !of_platform.contains(&key(entry)))
            })
            .collect()
    }

    /// Those of the manifest's sequences that are asked for.
    pub(in crate::recovery) fn expected_sequences(&self, manifest: &Manifest) -> Vec<Sequence> {
        let sequences = manifest.sequences.iter().filter(|sequence| {
            let set = (
                "SEQUENCE SET".to_owned(),
                sequence.schema.clone(),
                sequence.name.clone(),
            );
            !self.entries.contains(&set)
        });
        sequences.cloned().collect()
    }

    /// Constraints that the backup itself left unchecked against the rows, as `schema.table constraint`.
    pub fn unvalidated(&self) -> &[String] {
        &self.unvalidated
    }

    /// Those of the target's unchecked constraints that are asked about: the platform's tables come with their own.
    pub(in crate::recovery) fn found_unvalidated(&self, mut found: Vec<String>) -> Vec<String> {
        found.retain(|constraint| {
            let schema = constraint.split('.').next().unwrap_or_default();
            !self.profile.owns_schema(schema)
        });
        found
    }

    /// Those of the manifest's populated materialized views that are asked for.
    pub(in crate::recovery) fn expected_views(&self, manifest: &Manifest) -> Vec<String> {
        let is_products = |view: &&String| {
            let schema = view.split('.').next().unwrap_or_default();
            !self.profile.owns_schema(schema)
        };
        manifest
            .populated_views
            .iter()
            .filter(is_products)
            .cloned()
            .collect()
    }

    /// How much was left out, by which rules. Stated here, it fails nothing.
    pub fn check(&self) -> Option<Check> {
        if self.rules.is_empty() {
            return None;
        }
        let all: usize = self.rules.values().sum();
        let rules: Vec<String> = self
            .rules
            .iter()
            .map(|(rule, count)| format!("{rule}: {count}"))
            .collect();
        let detail = format!("{all} entries are the platform's ({})", rules.join(", "));
        Some(Check::none_of(check_names::LEFT_OUT, &[], detail))
    }

    /// Rows of the backup that the target could not take, where there are any. They were not compared, and no verdict covers them
    /// unless the operator accepts that they are lost.
    pub(in crate::recovery) fn lost_rows(&self, manifest: &Manifest) -> Option<Check> {
        const NAME: &str = check_names::LOST_ROWS;
        let tables = manifest.tables.iter().filter(|table| table.content.rows > 0);
        let lost = tables.filter_map(|table| {
            let rule = self.rows.get(&(table.schema.clone(), table.name.clone()))?;
            let (rows, reason) = (table.content.rows, rule.reason());
            let plural = if rows == 1 { "" } else { "s" };
            rule.loses_rows().then(|| {
                format!(
                    "{rows} row{plural} of {}.{} ({rule}: {reason})",
                    table.schema, table.name
                )
            })
        });
        let lost: Vec<String> = lost.collect();
        match (lost.is_empty(), self.accepts_lost_rows) {
            (true, _) => None,
            (false, true) => Some(Check::none_of(
                NAME,
                &[],
                format!("accepted: {}", lost.join("; ")),
            )),
            (false, false) => {
                let detail = format!("{}; --accept-lost-rows does without them", lost.join("; "));
                Some(Check::skipped(NAME, detail))
            }
        }
    }

    fn leaves_out(&self, entry: &EntryDigest) -> bool {
        let key = (entry.kind.clone(), entry.schema.clone(), entry.name.clone());
        self.entries.contains(&key)
    }
}

fn key(entry: &EntryDigest) -> (&str, &str, &str) {
    (entry.kind.as_str(), entry.schema.as_str(), entry.name.as_str())
}
