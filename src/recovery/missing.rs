//! Telling what a restore could not make, and writing the SQL that makes it.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::whole_file::{folder_of, unwritable};
use crate::error::Result;
use crate::model::check_names;
use crate::model::missing::{Missing, script};
use crate::model::timeline::{Event, Observer};
use crate::model::verdict::Check;

/// How many entries are named one by one.
const NAMED: usize = 20;

/// Tells what is missing: first what keeps rows from people, or that nothing of that kind is missing. The SQL goes into the file
/// `place`, which only its owner may read: it may hold passwords, and nothing of it is printed.
pub(super) fn tell(
    key: &str,
    missing: &[Missing],
    place: Option<&Path>,
    observer: &dyn Observer,
) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let guards = missing.iter().any(Missing::is_guard);
    if !guards {
        let what = "row security, policies, triggers, rules and autovacuum are on as in the backup";
        observer.observe(Event::Noted(what.to_owned()));
    }
    let (first, rest): (Vec<&Missing>, Vec<&Missing>) = missing.iter().partition(|entry| entry.is_guard());
    for entry in first.iter().chain(&rest).take(NAMED) {
        observer.observe(Event::Warned(format!(
            "{} is missing: {}; {}",
            entry.entry, entry.reason, entry.consequence
        )));
    }
    let more = match missing.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("{more} more entries are missing; "),
    };
    if let Some(place) = place {
        let written = write(place, &script(key, missing))?;
        observer.observe(Event::Warned(format!(
            "{more}the SQL that makes what is missing is in {}; it may hold passwords, and only you may read it",
            written.display()
        )));
    }
    Ok(())
}

/// The check that fails where something is missing.
pub(super) fn check(missing: &[Missing]) -> Option<Check> {
    let problems: Vec<String> = missing
        .iter()
        .map(|entry| format!("{}: {}", entry.entry, entry.reason))
        .collect();
    (!problems.is_empty()).then(|| Check::none_of(check_names::MISSING_ENTRIES, &problems, ""))
}

/// Writes the file at `place`, or where that cannot be, one of the same name among the temporary files.
fn write(place: &Path, text: &str) -> Result<PathBuf> {
    let write_into = |folder: &Path, place: &Path| {
        // Its owner alone may read it from the beginning on.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(place).map_err(|failure| failure.error)
    };
    if write_into(folder_of(place), place).is_ok() {
        return Ok(place.to_owned());
    }
    let temporary = std::env::temp_dir();
    let other = temporary.join(place.file_name().unwrap_or_default());
    match write_into(&temporary, &other) {
        Ok(_) => Ok(other),
        Err(cause) => Err(unwritable(&other, cause)),
    }
}
