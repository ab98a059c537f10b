//! What changed between two backups, from their manifests alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::access::Access;
use super::fingerprint::Fingerprint;
use super::globals::{Globals, Membership};
use super::manifest::{EntryDigest, Manifest};

/// Everything that differs between two backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManifestDiff {
    /// Tables and large objects whose content differs.
    pub content: Vec<ContentDifference>,
    /// Generated columns and materialized views whose content differs.
    pub derived: Vec<ContentDifference>,
    /// What else differs, by what it is: `definitions`, `sequences`, `extensions`, `rights`, `roles`, `settings`.
    pub sections: Vec<DiffSection>,
    /// What one of the two does not record, so that it was not compared.
    pub not_compared: Vec<&'static str>,
}

/// Rows that differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContentDifference {
    /// `schema.name` of the table, or `large objects`.
    pub name: String,
    /// Row count before; null where it was not there.
    pub rows_before: Option<u64>,
    /// Row count after; null where it is gone.
    pub rows_after: Option<u64>,
}

/// One kind of thing, and those of it that differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiffSection {
    pub name: &'static str,
    pub differences: Vec<Difference>,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub what: String,
    /// What it was; null where it was not there. Of a definition, its digest.
    pub before: Option<String>,
    /// What it is; null where it is gone.
    pub after: Option<String>,
}

impl ManifestDiff {
    /// What changed from `before` to `after`.
    pub fn between(before: &Manifest, after: &Manifest) -> Self {
        let mut not_compared = Vec::new();
        let (derived_before, derived_after) = (computed(before), computed(after));
        let derived = if let (Some(before), Some(after)) = (derived_before, derived_after) {
            content(&before, &after)
        } else {
            not_compared.push("derived");
            Vec::new()
        };
        let mut sections = vec![
            section("definitions", &definitions(before), &definitions(after)),
            section("sequences", &sequences(before), &sequences(after)),
        ];
        let access = (before.access.as_ref(), after.access.as_ref());
        match access {
            (Some(before), Some(after)) => {
                sections.push(section("extensions", &extensions(before), &extensions(after)));
                sections.push(section("rights", &before.described(), &after.described()));
            }
            _ => not_compared.extend(["extensions", "rights"]),
        }
        match (&before.globals, &after.globals) {
            (Some(before), Some(after)) => {
                sections.push(section("roles", &roles(before), &roles(after)));
                sections.push(section("settings", &settings(before), &settings(after)));
            }
            _ => not_compared.extend(["roles", "settings"]),
        }
        sections.retain(|section| !section.differences.is_empty());
        Self {
            content: content(&tables(before), &tables(after)),
            derived,
            sections,
            not_compared,
        }
    }

    /// Whether nothing that both record differs.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty() && self.derived.is_empty() && self.sections.is_empty()
    }
}

fn tables(manifest: &Manifest) -> BTreeMap<String, Fingerprint> {
    let tables = manifest.tables.iter();
    let named = tables.map(|table| (format!("{}.{}", table.schema, table.name), table.content));
    named
        .chain([("large objects".to_owned(), manifest.large_objects)])
        .collect()
}

fn computed(manifest: &Manifest) -> Option<BTreeMap<String, Fingerprint>> {
    let derived = manifest.derived.as_ref()?.iter();
    Some(
        derived
            .map(|derived| (format!("{}.{}", derived.schema, derived.name), derived.content))
            .collect(),
    )
}

fn content(
    before: &BTreeMap<String, Fingerprint>,
    after: &BTreeMap<String, Fingerprint>,
) -> Vec<ContentDifference> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    differ
        .map(|name| ContentDifference {
            name: name.clone(),
            rows_before: before.get(name).map(|content| content.rows),
            rows_after: after.get(name).map(|content| content.rows),
        })
        .collect()
}

/// Definitions of one kind and name, such as functions that differ in their arguments, are one thing here.
fn definitions(manifest: &Manifest) -> BTreeMap<String, String> {
    let mut digests: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in &manifest.entries {
        digests
            .entry(label(entry))
            .or_default()
            .insert(entry.digest.to_string());
    }
    let joined = |digests: BTreeSet<String>| digests.into_iter().collect::<Vec<_>>().join(" ");
    digests
        .into_iter()
        .map(|(label, digests)| (label, joined(digests)))
        .collect()
}

fn label(entry: &EntryDigest) -> String {
    match entry.schema.is_empty() {
        true => format!("{} {}", entry.kind, entry.name),
        false => format!("{} {}.{}", entry.kind, entry.schema, entry.name),
    }
}

fn sequences(manifest: &Manifest) -> BTreeMap<String, String> {
    let sequences = manifest.sequences.iter();
    sequences
        .map(|sequence| {
            let state = match sequence.is_called {
                true => sequence.last_value.to_string(),
                false => format!("{}, not yet handed out", sequence.last_value),
            };
            (format!("{}.{}", sequence.schema, sequence.name), state)
        })
        .collect()
}

fn extensions(access: &Access) -> BTreeMap<String, String> {
    let extensions = access.extensions.iter();
    extensions
        .map(|extension| (extension.name.clone(), extension.version.clone()))
        .collect()
}

fn roles(globals: &Globals) -> BTreeMap<String, String> {
    let roles = globals.roles.roles.iter().map(|role| {
        let attributes = role.attributes.words().into_iter();
        let mut words: Vec<String> = attributes
            .filter(|(_, is_there)| *is_there)
            .map(|(word, _)| word.to_owned())
            .collect();
        words.extend(
            role.connection_limit
                .map(|limit| format!("CONNECTION LIMIT {limit}")),
        );
        words.extend(
            role.valid_until
                .as_ref()
                .map(|until| format!("VALID UNTIL {until}")),
        );
        (role.name.clone(), words.join(" "))
    });
    let memberships = globals.roles.memberships.iter().map(|membership| {
        let Membership { role, member, .. } = membership;
        let options = [
            membership.admin.then_some("ADMIN"),
            (membership.inherit == Some(false)).then_some("without INHERIT"),
            (membership.set == Some(false)).then_some("without SET"),
        ];
        let options: Vec<&str> = options.into_iter().flatten().collect();
        (format!("{member} as member of {role}"), options.join(", "))
    });
    roles.chain(memberships).collect()
}

/// Values are digests with a key of each backup's own, so names alone can be compared.
fn settings(globals: &Globals) -> BTreeMap<String, String> {
    let settings = globals.settings.iter();
    settings
        .map(|setting| (setting.to_string(), "set".to_owned()))
        .collect()
}

fn section(
    name: &'static str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> DiffSection {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    let differences = differ.map(|what| Difference {
        what: what.clone(),
        before: before.get(what).cloned(),
        after: after.get(what).cloned(),
    });
    DiffSection {
        name,
        differences: differences.collect(),
    }
}
