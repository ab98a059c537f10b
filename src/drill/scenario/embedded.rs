//! The scenarios that come with the program.

use super::Scenario;
use crate::error::{Error, Kind, Result};
use crate::model::nearest::{did_you_mean, nearest};

/// The scenario in which nothing breaks.
pub const BASELINE: &str = "baseline";

macro_rules! embedded {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../fixtures/scenarios/", $name, ".toml")))),*]
    };
}

/// Name and text of each, in the order of a backup's life.
const FILES: &[(&str, &str)] = embedded! {
    "baseline"
    "dump-finds-no-server"
    "dump-killed"
    "dump-stopped"
    "dump-waits-for-a-lock"
    "dump-sees-some-rows"
    "dump-loses-its-connection"
    "source-dies"
    "source-is-written"
    "source-is-far"
    "programs-are-older"
    "upload-reset"
    "upload-slowed-down"
    "upload-throttled"
    "upload-fails-inside"
    "upload-over-a-slow-line"
    "upload-in-small-pieces"
    "upload-part-answer-lost"
    "upload-completion-answer-lost"
    "manifest-answer-lost"
    "manifest-written-twice"
    "upload-denied"
    "upload-abort-fails"
    "killed-before-the-manifest"
    "killed-while-uploading"
    "interrupted-while-uploading"
    "two-backups-at-once"
    "clock-a-day-ahead"
    "object-has-a-flipped-bit"
    "manifest-has-a-flipped-bit"
    "object-is-cut"
    "object-is-another-days"
    "object-is-gone"
    "globals-are-gone"
    "manifest-is-gone"
    "newest-is-broken"
    "all-are-broken"
    "all-are-gone"
    "bucket-is-empty"
    "only-old-backups"
    "three-thousand-keys"
    "foreign-keys"
    "listing-is-stale"
    "listing-fails"
    "wrong-day"
    "download-reset"
    "download-stalls"
    "download-limited"
    "download-throttled"
    "download-far-away"
    "download-closes-slowly"
    "download-cut"
    "download-flipped"
    "download-denied"
    "credentials-expire"
    "object-vanishes"
    "target-lost-in-definitions"
    "target-lost-in-rows"
    "target-lost-in-indexes"
    "target-falls-silent"
    "target-restarts"
    "target-is-full"
    "target-is-read-only"
    "target-lacks-a-role"
    "target-lacks-an-owner"
    "target-lacks-an-extension"
    "setting-is-forbidden"
    "target-opens-rights"
    "target-is-used"
    "target-is-production"
    "target-holds-yesterday"
    "target-is-being-read"
    "restore-interrupted"
    "restore-killed"
    "restore-program-killed"
    "restore-program-stopped"
    "temporary-files-find-no-room"
    "verified-row-changed"
    "verified-row-missing"
    "verified-index-invalid"
    "verified-sequence-behind"
    "verified-table-too-many"
    "verified-grant-too-many"
    "verified-rls-off"
    "health-is-degraded"
    "cutover-step-fails"
    "cutover-step-hangs"
    "drill-loses-its-servers"
    "drill-leaves-something"
};

/// Every scenario, in the order of a backup's life.
pub fn all() -> Result<Vec<Scenario>> {
    let parse = |(name, text): &(&str, &str)| Scenario::parse(name, text, &format!("{name}.toml"));
    FILES.iter().map(parse).collect()
}

/// The names of all, in the same order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The scenario with this name.
pub fn find(name: &str) -> Result<Scenario> {
    let found = FILES.iter().find(|(known, _)| *known == name);
    let (name, text) = found.ok_or_else(|| {
        Error::new(Kind::Usage, format!("there is no scenario {name:?}")).hint(did_you_mean(
            nearest(name, names()),
            "`paycraft-dr scenarios` lists those there are; a file of your own is named by its path",
        ))
    })?;
    Scenario::parse(name, text, &format!("{name}.toml"))
}

/// The text of the scenario with this name.
pub fn text(name: &str) -> Option<&'static str> {
    let found = FILES.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}
