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

fn is_hollow(entry: &Entry) -> bool {
    let definition = entry.definition.trim();
    let says_nothing = !definition.chars().any(char::is_alphanumeric);
    match entry.section {
        // Rows have no definition, and what belongs to another entry may say all there.
        Section::Data | Section::None => false,
        Section::PreData | Section::PostData => {
            let lacks_the_rest = entry.kind.ends_with("CONSTRAINT") && definition.ends_with(" ;");
            says_nothing || lacks_the_rest
        }
    }
}
