//! Which rule an entry falls under: a pure question to a backup's contents and what is known of the target.

use std::collections::HashSet;

use super::rule::OmissionRule;
use crate::archive::{Contents, Entry, EntryKind};
use crate::model::profile::Profile;
use crate::postgres::rights::{Name, SessionRights, TableRights};

/// The platform's own record of the migrations it applied. The target's must never be overwritten.
const MIGRATION_TABLES: [&str; 2] = ["migrations", "schema_migrations"];
/// Schemas whose rows are encrypted with a key that never leaves its project.
const SECRET_SCHEMAS: [&str; 2] = ["vault", "pgsodium"];
/// Schemas of the platform whose functions are there for the product's triggers.
const SHARED_FUNCTIONS: [&str; 3] = ["extensions", "supabase_functions", "net"];

/// What is known of a Supabase target.
#[derive(Clone, Debug, Default)]
pub struct KnownTarget {
    /// Everything it defines: kind, schema and name as pg_dump words it.
    pub present: HashSet<(EntryKind, String, String)>,
    /// What the role may do there.
    pub rights: SessionRights,
}

impl KnownTarget {
    /// A target that holds what `contents`, a dump of its definitions, says.
    pub fn new(contents: &Contents, rights: SessionRights) -> Self {
        let present = contents.entries.iter().map(|entry| {
            let schema = entry.schema.clone().unwrap_or_default();
            (entry.kind.clone(), schema, entry.tag.clone())
        });
        Self {
            present: present.collect(),
            rights,
        }
    }

    fn has(&self, kind: &EntryKind, schema: &str, tag: &str) -> bool {
        self.present
            .contains(&(kind.clone(), schema.to_owned(), tag.to_owned()))
    }
}

/// Whether the platform makes the entry, wherever it is restored to.
pub fn is_platforms(contents: &Contents, entry: &Entry) -> bool {
    let schema = entry.schema.as_deref().unwrap_or_default();
    match entry.kind {
        EntryKind::Schema => is_platform_schema(&entry.tag),
        EntryKind::Extension => true,
        EntryKind::EventTrigger => called_schema(&entry.definition).is_some_and(is_platform_schema),
        EntryKind::Publication => entry.tag.starts_with("supabase_"),
        EntryKind::Comment | EntryKind::SecurityLabel if schema.is_empty() => match entry.tag.split_once(' ')
        {
            Some(("SCHEMA", name)) => is_platform_schema(name.trim_matches('"')),
            Some(("EXTENSION", _)) => true,
            _ => commented(contents, entry).is_some_and(|commented| is_platforms(contents, commented)),
        },
        EntryKind::Policy => false,
        EntryKind::Trigger if is_platform_schema(schema) => called_schema(&entry.definition)
            .is_none_or(|function| is_platform_schema(function) && !SHARED_FUNCTIONS.contains(&function)),
        _ => is_platform_schema(schema),
    }
}

/// The rule by which the entry is left out, or `None` where it is restored.
pub fn rule(contents: &Contents, entry: &Entry, target: &KnownTarget) -> Option<OmissionRule> {
    let (kind, tag) = (&entry.kind, entry.tag.as_str());
    let schema = entry.schema.as_deref().unwrap_or_default();
    let is_there = target.has(kind, schema, tag);
    match kind {
        // Grants are not restored at all.
        EntryKind::Acl | EntryKind::DefaultAcl => None,
        EntryKind::Schema if is_platform_schema(tag) && is_there => Some(OmissionRule::Schema),
        EntryKind::Schema if is_platform_schema(tag) => Some(OmissionRule::LackingDefinition),
        EntryKind::Extension if is_there => Some(OmissionRule::Extension),
        EntryKind::Extension => unless(
            target.rights.creatable_extensions.contains(tag),
            OmissionRule::ForbiddenExtension,
        ),
        EntryKind::Publication if is_there => Some(OmissionRule::Publication),
        EntryKind::EventTrigger if is_platforms(contents, entry) => Some(OmissionRule::EventTrigger),
        EntryKind::Comment | EntryKind::SecurityLabel if is_platforms(contents, entry) => {
            Some(OmissionRule::Comment)
        }
        EntryKind::EventTrigger | EntryKind::PublicationTable | EntryKind::PublicationTablesInSchema
            if is_there =>
        {
            Some(OmissionRule::Present)
        }
        EntryKind::EventTrigger => unless(
            target.rights.may_make_event_triggers,
            OmissionRule::ForbiddenEventTrigger,
        ),
        EntryKind::PublicationTable | EntryKind::PublicationTablesInSchema => unless(
            may_publish(contents, entry, target),
            OmissionRule::ForbiddenPublication,
        ),
        _ if !is_platform_schema(schema) => None,
        EntryKind::TableData => rows_rule(entry, target),
        EntryKind::SequenceSet => sequence_rule(contents, entry, target),
        EntryKind::Policy | EntryKind::Trigger if !is_platforms(contents, entry) => {
            guest_rule(contents, entry, target, is_there)
        }
        _ if is_there => Some(OmissionRule::Definition),
        _ if is_made_alone(kind) => unless(
            target.rights.creatable_in.contains(schema),
            OmissionRule::LackingDefinition,
        ),
        // A part of a table is made with its table.
        _ => {
            let table = table_of(contents, entry);
            let is_made = table.is_some_and(|table| rule(contents, table, target).is_none());
            unless(is_made, OmissionRule::LackingDefinition)
        }
    }
}

/// Whether an entry of that kind is made by itself. All others are parts of a table or view.
fn is_made_alone(kind: &EntryKind) -> bool {
    matches!(
        kind,
        EntryKind::Aggregate
            | EntryKind::Collation
            | EntryKind::Domain
            | EntryKind::ForeignTable
            | EntryKind::Function
            | EntryKind::MaterializedView
            | EntryKind::Operator
            | EntryKind::Procedure
            | EntryKind::Sequence
            | EntryKind::ShellType
            | EntryKind::Table
            | EntryKind::TextSearchConfiguration
            | EntryKind::TextSearchDictionary
            | EntryKind::Type
            | EntryKind::View
    )
}

fn unless(is_allowed: bool, otherwise: OmissionRule) -> Option<OmissionRule> {
    (!is_allowed).then_some(otherwise)
}

/// Whether the entry's publication is the role's, or is made with it.
fn may_publish(contents: &Contents, entry: &Entry, target: &KnownTarget) -> bool {
    let mut publications = needed(contents, entry).filter(|needed| needed.kind == EntryKind::Publication);
    publications.all(|publication| {
        !target.has(&EntryKind::Publication, "", &publication.tag)
            || target.rights.own_publications.contains(&publication.tag)
    })
}

/// A policy or trigger of the product's on a table of the platform's.
fn guest_rule(
    contents: &Contents,
    entry: &Entry,
    target: &KnownTarget,
    is_there: bool,
) -> Option<OmissionRule> {
    if is_there {
        return Some(OmissionRule::Present);
    }
    let table = table_of(contents, entry);
    let Some(rights) = table.and_then(|table| target.rights.tables.get(&name(table))) else {
        return Some(OmissionRule::LackingDefinition);
    };
    match entry.kind {
        EntryKind::Policy => unless(rights.may_make_policies, OmissionRule::ForbiddenPolicy),
        _ => unless(rights.may_make_triggers, OmissionRule::ForbiddenTrigger),
    }
}

fn rows_rule(entry: &Entry, target: &KnownTarget) -> Option<OmissionRule> {
    let table = name(entry);
    if MIGRATION_TABLES.contains(&table.1.as_str()) {
        return Some(OmissionRule::MigrationRows);
    }
    if SECRET_SCHEMAS.contains(&table.0.as_str()) {
        return Some(OmissionRule::SecretRows);
    }
    match rule_against_rows(entry, target.rights.tables.get(&table)) {
        Some(_) if is_passing(&table) => Some(OmissionRule::PassingRows),
        rule => rule,
    }
}

/// What keeps rows out of a table of which the role has these rights.
fn rule_against_rows(entry: &Entry, rights: Option<&TableRights>) -> Option<OmissionRule> {
    let Some(rights) = rights else {
        return Some(OmissionRule::LackingRows);
    };
    if !rights.may_insert {
        return Some(OmissionRule::ForbiddenRows);
    }
    let columns = entry.copied_column_names();
    let fits = columns.iter().all(|column| rights.columns.contains(column));
    unless(fits, OmissionRule::OtherColumns)
}

/// Whether the table holds what Realtime keeps for as long as a client is connected, or for some days in a partition for each.
fn is_passing((schema, table): &Name) -> bool {
    let is_day = |rest: &str| rest.bytes().all(|mark| mark.is_ascii_digit() || mark == b'_');
    let is_of_messages = table.strip_prefix("messages").is_some_and(is_day);
    schema == "realtime" && (table == "subscription" || is_of_messages)
}

/// A sequence goes with the rows of the table it counts.
fn sequence_rule(contents: &Contents, entry: &Entry, target: &KnownTarget) -> Option<OmissionRule> {
    let Some(Some(table)) = target.rights.settable_sequences.get(&name(entry)) else {
        return Some(OmissionRule::Sequence);
    };
    let mut rows = contents
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::TableData);
    let rows = rows.find(|entry| name(entry) == *table);
    let are_loaded = rows.is_some_and(|rows| rule(contents, rows, target).is_none());
    unless(are_loaded, OmissionRule::Sequence)
}

/// The entries that `entry` depends on.
pub(super) fn needed<'a>(contents: &'a Contents, entry: &'a Entry) -> impl Iterator<Item = &'a Entry> {
    entry.dependencies.iter().filter_map(|id| contents.entry(*id))
}

/// The table or view that the entry is a part of.
fn table_of<'a>(contents: &'a Contents, entry: &'a Entry) -> Option<&'a Entry> {
    let tables = || {
        needed(contents, entry).filter(|needed| {
            let is_table = matches!(
                needed.kind,
                EntryKind::Table
                    | EntryKind::ForeignTable
                    | EntryKind::View
                    | EntryKind::MaterializedView
                    | EntryKind::Sequence
            );
            is_table && needed.schema == entry.schema
        })
    };
    let is_named = |table: &&Entry| {
        let rest = entry.tag.strip_prefix(table.tag.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    tables().find(is_named).or_else(|| tables().next())
}

/// What a comment is on.
fn commented<'a>(contents: &'a Contents, entry: &'a Entry) -> Option<&'a Entry> {
    needed(contents, entry).next()
}

fn is_platform_schema(schema: &str) -> bool {
    Profile::Supabase.owns_schema(schema)
}

/// The schema of the function that a trigger's definition calls, unquoted.
fn called_schema(definition: &str) -> Option<&str> {
    let (_, call) = definition
        .rsplit_once(" EXECUTE FUNCTION ")
        .or_else(|| definition.rsplit_once(" EXECUTE PROCEDURE "))?;
    let (schema, _) = call.split_once('.')?;
    Some(schema.trim_matches('"'))
}

/// The schema and the name of what an entry makes.
pub(super) fn name(entry: &Entry) -> Name {
    (entry.schema.clone().unwrap_or_default(), entry.tag.clone())
}
