//! Which backup of which source a command takes: what is left of a store's backups when those of other sources, those under
//! suspicion and those made too late are put aside. What cannot be known is refused.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::catalog::StoredBackup;
use super::key::{BackupKey, Selector};
use super::shrinking::ShrinkLimits;
use super::source::{Sameness, SourceChoice, SourceName, compare_names};
use crate::error::{Error, Kind, Result};

/// Which backups are considered at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Among {
    pub source: SourceChoice,
    /// Those that began before this instant.
    pub before: Option<Timestamp>,
    /// Whether one that began later will do, too.
    pub accept_later: bool,
    /// How much less a backup may hold than the one before it, where its manifest records no comparison.
    pub limits: ShrinkLimits,
}

/// What the manifest of one backup says, as far as choosing goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// The source it is of.
    pub source: SourceName,
    /// Whether the project would have been recorded where there was one: not of an object that was attested later.
    pub is_recorded: bool,
    pub started_at: Timestamp,
    /// Why it is under suspicion; empty where it is not, or is confirmed.
    pub suspicion: Vec<String>,
}

/// One backup of a store: what is there, and what its manifest says where that can be read.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub found: StoredBackup,
    /// What its manifest says.
    pub known: Option<&'a BackupSummary>,
}

impl Among {
    /// No source is configured, and the time does not matter.
    pub const ANY: Self = Self {
        source: SourceChoice::Any,
        before: None,
        accept_later: false,
        limits: ShrinkLimits::USUAL,
    };

    fn is_too_late(&self, started_at: Timestamp) -> bool {
        !self.accept_later && self.before.is_some_and(|before| started_at >= before)
    }
}

/// The source that `choice` means among the `names` of all backups in a store; nothing where nothing is configured and there is no
/// backup. Refused where several may be meant.
pub fn source_of(choice: &SourceChoice, names: &BTreeSet<SourceName>) -> Result<Option<SourceName>> {
    match choice {
        SourceChoice::Configured(name) => Ok(Some(name.clone())),
        SourceChoice::Any if names.len() > 1 => Err(Error::new(
            Kind::Refused,
            format!("the store holds backups of {} sources: {}", names.len(), listed(names)),
        )
        .hint("name one with --from-source NAME, or set SUPABASE_DB_URL; a key prefix for each source (--prefix) keeps them apart")),
        SourceChoice::Any => Ok(names.first().cloned()),
        SourceChoice::Named(text) => match SourceName::meant(text, names)[..] {
            [one] => Ok(Some(one.clone())),
            [] if names.is_empty() => Ok(None),
            [] => Err(Error::new(
                Kind::Refused,
                format!("the store holds no backup of the source {text:?}; it holds backups of {}", listed(names)),
            )
            .hint("give --from-source one of these names")),
            ref several => Err(Error::new(
                Kind::Refused,
                format!("the source {text:?} may be {}", listed(several.iter().copied())),
            )
            .hint("give --from-source the full name of one")),
        },
    }
}

/// Which of `candidates` (newest first) `selector` may mean, as seen at `now`. The result is still to be chosen from; refused is a
/// choice that a person has to make.
pub fn narrow(
    candidates: &[Candidate<'_>],
    selector: Selector,
    among: &Among,
    now: Timestamp,
) -> Result<Vec<StoredBackup>> {
    // It is never the latest, and stays in the result so that it can be told.
    let is_uncounted =
        |candidate: &&Candidate<'_>| selector == Selector::Latest && candidate.found.is_of_the_future(now);
    let names = candidates
        .iter()
        .filter(|candidate| !is_uncounted(candidate))
        .filter_map(|candidate| Some(candidate.known?.source.clone()))
        .collect();
    let source = source_of(&among.source, &names)?;
    let is_meant = |found: &StoredBackup| match selector {
        Selector::Latest => true,
        Selector::Day(day) => found.key.day() == day,
        Selector::Key(key) => found.key == key,
    };
    let (mut left, mut of_others, mut later, mut under_suspicion) = (Vec::new(), Vec::new(), None, None);
    let (mut newest_is_good, mut good) = (false, None);
    for candidate in candidates {
        let Candidate { found, known } = candidate;
        if is_uncounted(&candidate) {
            left.push(*found);
            continue;
        }
        let started_at = known.map_or_else(|| found.key.began_at(), |known| known.started_at);
        match known {
            Some(known) if source.as_ref().is_some_and(|source| *source != known.source) => {
                if is_meant(found) {
                    of_others.push(&known.source);
                }
            }
            _ if among.is_too_late(started_at) => {
                if is_meant(found) && found.stored_bytes.is_some() {
                    later = Some(found.key);
                }
            }
            Some(known) if !known.suspicion.is_empty() => {
                if is_meant(found) && !newest_is_good && under_suspicion.is_none() {
                    under_suspicion = Some((found.key, &known.suspicion));
                }
            }
            known => {
                if known.is_some() {
                    newest_is_good |= is_meant(found);
                    good = good.or_else(|| under_suspicion.is_some().then_some(found.key));
                }
                left.push(*found);
            }
        }
    }
    if let Some((key, reasons)) = under_suspicion {
        return Err(suspicious(key, reasons, good));
    }
    let mut meant = left
        .iter()
        .filter(|found| is_meant(found) && !(selector == Selector::Latest && found.is_of_the_future(now)));
    let is_empty = meant.clone().next().is_none();
    if meant.any(StoredBackup::is_attested) {
        return Ok(left);
    }
    if let (Some(source), false) = (&source, of_others.is_empty()) {
        return Err(anothers(source, &of_others));
    }
    match (later, among.before) {
        (Some(later), Some(before)) if is_empty => Err(too_late(later, before)),
        _ => Ok(left),
    }
}

/// Refuses the backup `key`, which an operator named, where it is another source's or began too late. What is to be told of one
/// that is not refused.
pub fn check(key: BackupKey, known: &BackupSummary, among: &Among) -> Result<Option<String>> {
    let mut said = None;
    match &among.source {
        SourceChoice::Any => {}
        SourceChoice::Named(text) if known.source.answers_to(text) => {}
        SourceChoice::Named(text) => {
            let message = format!("{key} is a backup of {}, not of {text}", known.source);
            return Err(Error::new(Kind::Refused, message).hint(format!(
                "name another backup, or add --from-source {}",
                known.source
            )));
        }
        SourceChoice::Configured(source) => match compare_names(source, &known.source) {
            Sameness::Same => {}
            Sameness::Unknown if !known.is_recorded => {
                said = Some(format!(
                    "the project of {key} was not recorded: it is of a database {}",
                    known.source.database
                ));
            }
            Sameness::Unknown | Sameness::Another => {
                let message = format!(
                    "{key} is a backup of {}, and the source is {source}",
                    known.source
                );
                return Err(Error::new(Kind::Refused, message).hint(format!(
                    "name another backup, check SUPABASE_DB_URL, or add --from-source {} if that one is meant",
                    known.source
                )));
            }
        },
    }
    if let Some(before) = among.before
        && among.is_too_late(known.started_at)
    {
        return Err(too_late(key, before));
    }
    if !known.suspicion.is_empty() {
        said = Some(format!(
            "{key} is under suspicion: {}",
            known.suspicion.join("; ")
        ));
    }
    Ok(said)
}

fn suspicious(key: BackupKey, reasons: &[String], good: Option<BackupKey>) -> Error {
    let message = format!(
        "the newest backup, {key}, is under suspicion: {}",
        reasons.join("; ")
    );
    let other = match good {
        Some(good) => format!("for the newest good one give its key, {good}"),
        None => "no other backup of this source is known to be good".to_owned(),
    };
    Error::new(Kind::Refused, message).hint(format!(
        "{other}; if {key} is right, give its key, or run `paycraft-dr confirm {key} --why TEXT`"
    ))
}

fn anothers(source: &SourceName, others: &[&SourceName]) -> Error {
    let names: BTreeSet<SourceName> = others.iter().map(|name| (*name).clone()).collect();
    let is_unclear = names
        .iter()
        .any(|name| compare_names(source, name) == Sameness::Unknown);
    let mut message = format!(
        "there is no backup of the source, {source}: the store holds backups of {}",
        listed(&names)
    );
    if is_unclear {
        message.push_str("; where only one of two names has a project, it cannot be known whether both are the same database");
    }
    Error::new(Kind::Refused, message).hint(
        "check SUPABASE_DB_URL and the key prefix (R2_PREFIX); --from-source NAME takes another source's backup",
    )
}

fn too_late(key: BackupKey, before: Timestamp) -> Error {
    Error::new(
        Kind::Refused,
        format!("{key} began after {before}, and no backup that may be taken began before"),
    )
    .hint("check the instant; --accept-later takes a backup that was made later")
}

fn listed<'a>(names: impl IntoIterator<Item = &'a SourceName>) -> String {
    let names: Vec<String> = names.into_iter().map(ToString::to_string).collect();
    names.join(", ")
}
