//! Which entries `pg_restore` could not make, from what it says.

use crate::archive::{Contents, DumpId};

/// What `pg_restore` said of a run that did not end well.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// The entries of which the server refused a statement.
    pub(super) entries: Vec<DumpId>,
    /// Whether it came to its end, and nothing but those statements failed.
    pub(super) came_to_its_end: bool,
}

/// What nothing can be done behind.
const LOST: [&str; 9] = [
    "FATAL:",
    "server closed the connection",
    "no connection to the server",
    "terminating connection",
    "No space left on device",
    "could not extend file",
    "could not write",
    "File too large",
    "read-only transaction",
];

/// Whether a line of what `pg_restore` says is about something that failed: it also tells of each entry that it makes.
pub(super) fn tells_of_failure(line: &str) -> bool {
    let message = line.strip_prefix("pg_restore: ");
    message.is_none_or(|message| {
        ["from TOC entry ", "error: ", "warning: ", "while "]
            .iter()
            .any(|beginning| message.starts_with(beginning))
    })
}

/// Reads `pg_restore`'s own messages. It names an entry only before the first of its errors:
/// `from TOC entry 3345; 2606 16390 FK CONSTRAINT public child child_p_fkey postgres`.
pub(super) fn rejected(said: &[String], contents: &Contents) -> Rejected {
    let mut entries: Vec<DumpId> = Vec::new();
    let (mut is_of_entry, mut is_lost) = (false, false);
    let (mut errors, mut ignored) = (0_usize, None);
    for message in said.iter().filter_map(|line| line.strip_prefix("pg_restore: ")) {
        if let Some(told) = message.strip_prefix("from TOC entry ") {
            let named = entry(told, contents);
            is_of_entry = named.is_some();
            entries.extend(named);
        } else if message.starts_with("error: ") {
            errors += 1;
            is_lost |= !is_of_entry || LOST.iter().any(|words| message.contains(words));
        } else if let Some(count) = message.strip_prefix("warning: errors ignored on restore: ") {
            ignored = count.trim().parse().ok();
        }
    }
    entries.sort_unstable();
    entries.dedup();
    Rejected {
        came_to_its_end: ignored == Some(errors) && !is_lost && !entries.is_empty(),
        entries,
    }
}

/// The entry that a message names, where number, oids and kind are those of one in the archive: a name may hold anything.
fn entry(told: &str, contents: &Contents) -> Option<DumpId> {
    let (id, rest) = told.split_once("; ")?;
    let (catalog, rest) = rest.split_once(' ')?;
    let (oid, named) = rest.split_once(' ')?;
    let entry = contents.entry(DumpId(id.parse().ok()?))?;
    let is_same = catalog.parse() == Ok(entry.catalog_oid)
        && oid.parse() == Ok(entry.oid)
        && named.starts_with(entry.kind.as_str());
    is_same.then_some(entry.id)
}
