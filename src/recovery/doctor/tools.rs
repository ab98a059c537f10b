//! This machine: PostgreSQL's programs against servers and archive, and a place for the head of the archive.

use std::path::Path;

use tempfile::NamedTempFile;

use super::Examination;
use crate::error::{Error, Kind, Result};
use crate::model::finding::Finding;
use crate::model::manifest::Manifest;
use crate::model::units::size;
use crate::postgres::queries::ServerFacts;
use crate::postgres::tools::{Tools, major_version};

const FOR_SOURCE: &str = "client for source";
const FOR_TARGET: &str = "client for target";
const FOR_BACKUP: &str = "client for backup";

/// What a restore writes into its directory besides the head of the archive: two lists of entries.
const LISTS_BYTES: u64 = 1 << 20;

pub(super) fn examine(
    what: Examination<'_>,
    newest: Option<&Manifest>,
    source: Option<&ServerFacts>,
    target: Option<&ServerFacts>,
) -> Vec<Finding> {
    let mut found = match what.tools {
        Ok(tools) => vec![
            Finding::passed("client", tools.to_string()),
            for_server(FOR_SOURCE, tools, Kind::Source, source),
            for_server(FOR_TARGET, tools, Kind::Target, target),
            for_backup(tools, newest, target),
        ],
        Err(error) => {
            let further = [FOR_SOURCE, FOR_TARGET, FOR_BACKUP]
                .map(|name| Finding::skipped(name, "there are no PostgreSQL programs"));
            std::iter::once(Finding::of_error("client", error))
                .chain(further)
                .collect()
        }
    };
    let head_bytes = newest.map_or(0, |manifest| manifest.head_bytes);
    found.push(Finding::of("scratch", scratch(what.scratch, head_bytes)));
    found
}

/// Whether some client is not older than the server it would work with.
fn for_server(name: &'static str, tools: &Tools, kind: Kind, server: Option<&ServerFacts>) -> Finding {
    let Some(major) = server.map(|facts| facts.major) else {
        return Finding::skipped(name, "the server's version is not known");
    };
    let chosen = tools.for_server(major, kind).map(|chosen| {
        let told = format!("PostgreSQL {} for a server of {major}", chosen.major);
        match (kind, chosen.limit(major)) {
            (Kind::Source, Some(limit)) => format!("{told}; {limit}"),
            _ => told,
        }
    });
    Finding::of(name, chosen)
}

/// Whether some client can restore the newest backup, into the target where that is known.
fn for_backup(tools: &Tools, newest: Option<&Manifest>, target: Option<&ServerFacts>) -> Finding {
    let Some(major) = newest.and_then(|manifest| major_version(&manifest.pg_dump_version)) else {
        return Finding::skipped(FOR_BACKUP, "there is no attested backup");
    };
    let chosen = tools.for_restore(major, target.map_or(major, |facts| facts.major));
    Finding::of(
        FOR_BACKUP,
        chosen.map(|chosen| format!("PostgreSQL {} for an archive of {major}", chosen.major)),
    )
}

/// Whether the directory can be written and has room for the head of the archive.
fn scratch(directory: &Path, head_bytes: u64) -> Result<String> {
    let place = directory.display();
    let hint = "set TMPDIR to a directory that can be written and has room";
    let unusable = |cause: std::io::Error| {
        Error::new(Kind::Usage, format!("{place} cannot be written"))
            .caused_by(cause)
            .hint(hint)
    };
    NamedTempFile::new_in(directory).map_err(unusable)?;
    let facts = rustix::fs::statvfs(directory).map_err(|cause| unusable(cause.into()))?;
    let free_bytes = facts.f_bavail.saturating_mul(facts.f_frsize);
    let needed_bytes = head_bytes + LISTS_BYTES;
    let told = format!(
        "{place} has {} free, and a restore writes {} there",
        size(free_bytes),
        size(needed_bytes)
    );
    if free_bytes < needed_bytes {
        return Err(Error::new(Kind::Usage, told).hint(hint));
    }
    Ok(told)
}
