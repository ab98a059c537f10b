//! What was measured.

use std::collections::BTreeMap;

use serde_json::Value;

use super::place::Line;
use super::sets::Set;

/// Who was measured at what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    ShellBackup,
    OurBackup,
    DumpToNowhere,
    ShellRestore,
    PgRestore,
    Limit,
    OurRestore,
    OurAnalyzedRestore,
    OurVerifiedRestore,
}

impl Name {
    /// As the table shows it.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::ShellBackup => "backup: shell procedure",
            Self::OurBackup => "backup: paycraft-dr",
            Self::DumpToNowhere => "backup: pg_dump -Fc -Z0 to nowhere",
            Self::ShellRestore => "restore: shell procedure, unverified",
            Self::PgRestore => "restore: pg_restore -j2 of a local unpacked file",
            Self::Limit => "restore: our loader fed from a local unpacked file",
            Self::OurRestore => "restore: paycraft-dr, unverified",
            Self::OurAnalyzedRestore => "restore: paycraft-dr, unverified, with statistics",
            Self::OurVerifiedRestore => "restore: paycraft-dr, verified",
        }
    }
}

/// What was measured: who, on which rows, and over which line to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Case {
    pub(super) name: Name,
    pub(super) set: Set,
    pub(super) line: Line,
}

/// One measurement.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    pub(super) seconds: f64,
    /// What the store's server took of the cores meanwhile, in seconds.
    pub(super) store_cpu_seconds: f64,
    pub(super) peak_rss_bytes: Option<u64>,
    /// The phases that the program told of.
    pub(super) phases: Value,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Measurements {
    pub(super) taken: BTreeMap<Case, Vec<Taken>>,
    pub(super) bytes: BTreeMap<Set, BTreeMap<&'static str, u64>>,
}

impl Measurements {
    pub(super) fn take(&mut self, case: Case, taken: Taken) {
        self.taken.entry(case).or_default().push(taken);
    }

    /// How large something is. Each round makes the same again.
    pub(super) fn size(&mut self, set: Set, what: &'static str, bytes: u64) {
        self.bytes.entry(set).or_default().insert(what, bytes);
    }

    /// Whether that is known.
    pub(super) fn has_size(&self, set: Set, what: &str) -> bool {
        self.bytes.get(&set).is_some_and(|sizes| sizes.contains_key(what))
    }

    pub(super) fn median(&self, case: Case, of: impl Fn(&Taken) -> f64) -> f64 {
        let mut all: Vec<f64> = self.taken.get(&case).into_iter().flatten().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn peak_of(&self, name: Name) -> Option<u64> {
        let all = self.taken.iter().filter(|(case, _)| case.name == name);
        peak(all.flat_map(|(_, taken)| taken))
    }
}

/// The most memory that any of them took.
pub(super) fn peak<'a>(taken: impl IntoIterator<Item = &'a Taken>) -> Option<u64> {
    taken.into_iter().filter_map(|taken| taken.peak_rss_bytes).max()
}
