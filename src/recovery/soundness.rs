//! Whether the definitions of an archive can be made again.
//!
//! pg_dump prints what it is told of an object that was dropped meanwhile: nothing. The entry is there, its definition is `;`, and
//! every restore fails at it.

use crate::archive::{Contents, Entry, Section};

/// The entries whose definitions lack what they must have, as `KIND schema.name`.
pub(super) fn hollow_entries(contents: &Contents) -> Vec<String> {
    let hollow = contents.entries.iter().filter(|entry| is_hollow(entry));
    hollow
        .map(|entry| match &entry.schema {
            Some(schema) => format!("{} {schema}.{}", entry.kind, entry.tag),
            None => format!("{} {}", entry.kind, entry.tag),
        })
        .collect()
}

/// What servers since 15.20 keep with columns for themselves. Their own pg_dump leaves it out; one that is older than that writes it down
/// among a column's options, and servers without it refuse the whole table.
const INTERNAL_OPTION: [&str; 2] = ["(pg_attver=", ", pg_attver="];

/// How many definitions set what a server keeps for itself.
pub(super) fn with_internal_options(contents: &Contents) -> usize {
    let entries = contents.entries.iter();
    entries
        .filter(|entry| entry.section == Section::PreData)
        .filter(|entry| {
            INTERNAL_OPTION
                .iter()
                .any(|option| entry.definition.contains(option))
        })
        .count()
}

fn is_hollow(entry: &Entry) -> bool {
    let definition = entry.definition.trim();
    let says_nothing = !definition.chars().any(char::is_alphanumeric);
    match entry.section {
        // Rows have no definition, and what belongs to another entry may say all there.
        Section::Data | Section::None => false,
        Section::PreData | Section::PostData => {
            let lacks_the_rest = entry.kind.is_constraint() && definition.ends_with(" ;");
            says_nothing || lacks_the_rest
        }
    }
}
