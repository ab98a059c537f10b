//! The backups of a store in the order they were made, each judged by the ones before it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::key::BackupKey;
use super::manifest::{Framing, Manifest, Source};
use super::shape::Shape;
use super::shrinking::{ShrinkLimits, reason_of_cluster, reasons, reasons_of_first};
use super::source::SourceName;
use super::suspicion::Suspicion;

/// What a manifest says that a backup is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The database it is of.
    pub source: Source,
    /// Whether that was recorded when the backup was made: the project of an object that was attested later is not known.
    pub is_recorded: bool,
    pub started_at: Timestamp,
    pub shape: Shape,
    /// What was found when it was made; nothing where it was not looked at.
    pub recorded: Option<Suspicion>,
    /// Whether an operator said that it is right.
    pub is_confirmed: bool,
}

/// The newest good backup of each source so far.
#[derive(Clone, Debug, Default)]
pub struct History {
    good: BTreeMap<SourceName, Good>,
}

#[derive(Clone, Debug)]
struct Good {
    key: BackupKey,
    source: Source,
    shape: Shape,
}

impl HistoryEntry {
    /// What `manifest` says, and whether the backup is confirmed.
    pub fn of(manifest: &Manifest, is_confirmed: bool) -> Self {
        Self {
            source: manifest.source.clone(),
            is_recorded: manifest.framing == Framing::Members,
            started_at: manifest.started_at,
            shape: Shape::of(manifest),
            recorded: manifest.suspicion.clone(),
            is_confirmed,
        }
    }
}

impl History {
    /// Judges the next backup, which is newer than all before: why it is under suspicion, if it is. What was recorded when it was
    /// made holds, until an operator confirms the backup. A good one is the measure of those that come after it.
    pub fn take(&mut self, key: BackupKey, told: &HistoryEntry, limits: &ShrinkLimits) -> Vec<String> {
        let suspicion = match &told.recorded {
            _ if told.is_confirmed => Suspicion::default(),
            Some(recorded) => recorded.clone(),
            None => self.judge(&told.source, &told.shape, limits),
        };
        if suspicion.reasons.is_empty() {
            let good = Good {
                key,
                source: told.source.clone(),
                shape: told.shape.clone(),
            };
            self.good.insert((&told.source).into(), good);
        }
        suspicion.reasons
    }

    /// Compares a new backup with the newest good one of the same source; the first of a source with the newest good one of any.
    pub fn judge(&self, source: &Source, shape: &Shape, limits: &ShrinkLimits) -> Suspicion {
        let name = SourceName::from(source);
        if let Some(before) = self.good.get(&name) {
            let mut reasons = reasons(&before.shape, shape, limits);
            reasons.extend(reason_of_cluster(&before.source, source));
            return Suspicion {
                compared_with: Some(before.key.to_string()),
                reasons,
            };
        }
        let others = self.good.iter().filter(|(other, _)| **other != name);
        let Some((other, newest)) = others.max_by_key(|(_, good)| good.key) else {
            return Suspicion::default();
        };
        let reasons = reasons_of_first(&newest.shape, shape, limits);
        if reasons.is_empty() {
            return Suspicion::default();
        }
        let first =
            format!("no backup of {name} is known to be good, and this store holds good ones of {other}");
        Suspicion {
            compared_with: Some(newest.key.to_string()),
            reasons: std::iter::once(first).chain(reasons).collect(),
        }
    }
}
