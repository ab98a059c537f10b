//! Which parts of a backup mean the same in a target although they are worded otherwise, or are elsewhere.
//!
//! Some of an archive's text depends on the session or on the order of events, and no restore brings it back alike, `pg_restore` neither.
//! Such text is left to the check that asks for what it means, or compared in a form that does not depend on it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::plan;
use crate::archive::{Contents, Entry, EntryKind};
use crate::model::manifest::{EntryDigest, Manifest, Table};
use crate::model::sha256_sum::Sha256Sum;
use crate::postgres::rights::Name;
use crate::postgres::statement;

/// How a session reads the archive, not what the database is.
const OF_THE_SESSION: [&str; 3] = ["ENCODING", "STDSTRINGS", "SEARCHPATH"];
/// What the comment on a large object is an entry of.
const LARGE_OBJECT: &str = "LARGE OBJECT ";

/// Digests of definitions that a server words otherwise once it has read them, each with that of the wording that stays.
type Settled = HashMap<Sha256Sum, Sha256Sum>;

/// Which parts of a backup are compared by meaning.
#[derive(Clone, Debug, Default)]
pub(super) struct Meaning {
    settled: Settled,
    /// Tables that inherit, with a digest of their columns in any order.
    inheriting: HashMap<Name, Sha256Sum>,
    /// Tables whose rows the archive loads into another, which it names so.
    loaded_into: HashMap<Name, Vec<String>>,
}

impl Meaning {
    /// Which parts of these contents are compared by meaning.
    pub(super) fn of(contents: &Contents) -> Self {
        let rows = contents
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::TableData);
        let loaded_into = rows.filter_map(|entry| {
            let into = copied_into(&entry.copy_statement)?;
            let own = [entry.schema.as_deref().unwrap_or_default(), &entry.tag];
            (into.len() == 2 && into != own).then(|| (name(entry), into))
        });
        Self {
            settled: settled(contents),
            inheriting: inheriting(contents),
            loaded_into: loaded_into.collect(),
        }
    }

    /// The definitions of the backup and of the target as they are to be compared.
    ///
    /// An extension that the backup lacks is nothing of the backup's, nor is the schema it is in where the backup has none of that name.
    /// The schema `public` is there always; who owns it is a matter of rights.
    pub(super) fn compared(
        &self,
        mut expected: Vec<EntryDigest>,
        mut found: Vec<EntryDigest>,
        restored: &Contents,
    ) -> (Vec<EntryDigest>, Vec<EntryDigest>) {
        expected.retain(is_compared);
        found.retain(is_compared);
        let named: BTreeSet<(&str, &str, &str)> = expected.iter().map(key).collect();
        let beside = beside(restored, &named);
        let beside: BTreeSet<(&str, &str, &str)> = beside.iter().map(key).collect();
        found.retain(|entry| !beside.contains(&key(entry)));

        settle(&mut expected, &self.settled);
        settle(&mut found, &settled(restored));
        let restored = inheriting(restored);
        let digests: HashMap<(&str, &str), Sha256Sum> = expected
            .iter()
            .filter(|entry| entry.kind == "TABLE")
            .map(|entry| {
                let name = (entry.schema.as_str(), entry.name.as_str());
                (name, entry.digest)
            })
            .collect();
        for entry in found.iter_mut().filter(|entry| entry.kind == "TABLE") {
            let table = (entry.schema.clone(), entry.name.clone());
            let means = (self.inheriting.get(&table), restored.get(&table));
            let digest = digests.get(&(table.0.as_str(), table.1.as_str()));
            if let ((Some(then), Some(now)), Some(digest)) = (means, digest)
                && then == now
            {
                entry.digest = *digest;
            }
        }
        (expected, found)
    }

    /// What was `found` in the tables, where those whose rows were loaded into one table together are held to what they had together:
    /// which of them a row is in depends on numbers that differ from server to server.
    pub(super) fn together<T: Copy + PartialEq>(
        &self,
        manifest: &Manifest,
        found: &mut [Option<T>],
        recorded: impl Fn(&Table) -> T,
        add: impl Fn(T, T) -> T,
    ) {
        let mut groups: HashMap<&[String], Vec<usize>> = HashMap::new();
        for (place, table) in manifest.tables.iter().enumerate() {
            if let Some(into) = self.loaded_into.get(&(table.schema.clone(), table.name.clone())) {
                groups.entry(into).or_default().push(place);
            }
        }
        for places in groups.into_values() {
            let expected = places.iter().map(|place| recorded(&manifest.tables[*place]));
            let all: Option<Vec<T>> = places.iter().map(|place| found[*place]).collect();
            let all = all.and_then(|all| all.into_iter().reduce(&add));
            if all.is_some() && all == expected.reduce(&add) {
                for place in places {
                    found[place] = Some(recorded(&manifest.tables[place]));
                }
            }
        }
    }
}

/// Whether comments on large objects are among the entries: archives before version 17 have them so.
pub(super) fn has_large_object_comments(expected: &[EntryDigest]) -> bool {
    expected
        .iter()
        .any(|entry| entry.kind == "COMMENT" && entry.name.starts_with(LARGE_OBJECT))
}

/// A comment on a large object as pg_dump words it, which dumps none of it with definitions alone.
pub(super) fn large_object_comment(oid: u32, comment: &str) -> EntryDigest {
    let name = format!("{LARGE_OBJECT}{oid}");
    let definition = format!("COMMENT ON {name} IS '{}';\n", comment.replace('\'', "''"));
    EntryDigest::of("COMMENT", "", &name, &definition)
}

fn is_compared(entry: &EntryDigest) -> bool {
    !OF_THE_SESSION.contains(&entry.kind.as_str()) && key(entry) != ("SCHEMA", "", "public")
}

fn key(entry: &EntryDigest) -> (&str, &str, &str) {
    (&entry.kind, &entry.schema, &entry.name)
}

fn name(entry: &Entry) -> Name {
    (entry.schema.clone().unwrap_or_default(), entry.tag.clone())
}

/// What the target has beside the backup: extensions, their comments and their schemas.
fn beside(restored: &Contents, named: &BTreeSet<(&str, &str, &str)>) -> Vec<EntryDigest> {
    let extensions = restored.entries.iter().filter(|entry| {
        entry.kind == EntryKind::Extension && !named.contains(&("EXTENSION", "", entry.tag.as_str()))
    });
    let mut beside = Vec::new();
    for extension in extensions {
        let needed = extension.dependencies.iter().filter_map(|id| restored.entry(*id));
        let in_schema = |schema: &Entry| {
            let end = format!(" WITH SCHEMA {};", schema.tag);
            let quoted = format!(" WITH SCHEMA \"{}\";", schema.tag.replace('"', "\"\""));
            let made = extension.definition.trim_end();
            made.ends_with(&end) || made.ends_with(&quoted)
        };
        let schemas = restored
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Schema);
        let schemas = schemas
            .filter(|schema| in_schema(schema))
            .chain(needed.filter(|entry| entry.kind == EntryKind::Schema));
        let schemas = schemas.filter(|schema| !named.contains(&("SCHEMA", "", schema.tag.as_str())));
        beside.extend(schemas.map(|schema| EntryDigest::of("SCHEMA", "", &schema.tag, "")));
        beside.push(EntryDigest::of("EXTENSION", "", &extension.tag, ""));
        let comment = format!("EXTENSION {}", extension.tag);
        beside.push(EntryDigest::of("COMMENT", "", &comment, ""));
        let comment = format!("EXTENSION \"{}\"", extension.tag);
        beside.push(EntryDigest::of("COMMENT", "", &comment, ""));
    }
    beside
}

fn settled(contents: &Contents) -> Settled {
    let has_escapes = !plan::has_standard_strings(contents);
    let settled = contents.entries.iter().filter_map(|entry| {
        let schema = entry.schema.as_deref().unwrap_or_default();
        let digest =
            |definition: &str| EntryDigest::of(entry.kind.as_str(), schema, &entry.tag, definition).digest;
        match staying(&entry.definition, has_escapes) {
            Cow::Borrowed(_) => None,
            Cow::Owned(staying) => Some((digest(&entry.definition), digest(&staying))),
        }
    });
    settled.collect()
}

/// A definition as a server words it that has read its own words.
fn staying(definition: &str, has_escapes: bool) -> Cow<'_, str> {
    statement::settled(definition, has_escapes).map_or(Cow::Borrowed(definition), Cow::Owned)
}

fn settle(entries: &mut [EntryDigest], settled: &Settled) {
    for entry in entries {
        if let Some(staying) = settled.get(&entry.digest) {
            entry.digest = *staying;
        }
    }
}

/// Each table that inherits, with a digest of its definition's lines in any order: a table that came to its parent later has its
/// columns elsewhere than one that is made with it.
fn inheriting(contents: &Contents) -> HashMap<Name, Sha256Sum> {
    let has_escapes = !plan::has_standard_strings(contents);
    let tables = contents.entries.iter();
    let tables =
        tables.filter(|entry| entry.kind == EntryKind::Table && entry.definition.contains("\nINHERITS ("));
    tables
        .map(|entry| {
            let definition = staying(&entry.definition, has_escapes);
            let lines = definition.lines();
            let mut lines: Vec<&str> = lines.map(|line| line.trim_end_matches(',')).collect();
            lines.sort_unstable();
            (name(entry), Sha256Sum::of(lines.join("\n").as_bytes()))
        })
        .collect()
}

/// Schema and name of the table in `COPY public."my table" (id) FROM stdin;`.
fn copied_into(statement: &str) -> Option<Vec<String>> {
    let (mut parts, mut part, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut marks = statement.strip_prefix("COPY ")?.chars().peekable();
    while let Some(mark) = marks.next() {
        match mark {
            '"' if is_quoted && marks.peek() == Some(&'"') => {
                marks.next();
                part.push('"');
            }
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => parts.push(std::mem::take(&mut part)),
            ' ' | '(' if !is_quoted => break,
            mark => part.push(mark),
        }
    }
    parts.push(part);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::copied_into;

    #[test]
    fn the_table_that_rows_go_into_is_read_with_its_quotes() {
        let read = |statement: &str| copied_into(statement).expect("a table");
        assert_eq!(
            read("COPY public.invoice (id, s) FROM stdin;\n"),
            ["public", "invoice"]
        );
        assert_eq!(
            read("COPY public.\"a.b (c\"\"d\" FROM stdin;\n"),
            ["public", "a.b (c\"d"]
        );
    }
}
