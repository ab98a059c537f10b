//! The backups in a store, told from its listing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use crate::error::{Error, Kind, Result};
use crate::model::key::{BackupKey, KeyMeaning, Selector};
use crate::model::nearest::{did_you_mean, nearest};

/// How far the clock of the machine that made a backup may be ahead of ours.
const SKEW_TOLERATED: SignedDuration = SignedDuration::from_mins(5);

/// What was found to stand under a backup's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// An object, and the manifest that describes it.
    Attested,
    /// An object that this program did not make, without a manifest: the shell workflow's.
    Unattested,
    /// An object that this program made, without a manifest.
    LoneObject,
    /// A manifest without an object.
    LoneManifest,
    /// A confirmation without an object and without a manifest.
    LoneConfirmation,
    /// A pin without anything that it belongs to.
    LonePin,
    /// A manifest's index without anything that it belongs to.
    LoneIndex,
    /// Roles and settings without anything that they belong to.
    LoneGlobals,
    /// An object and a manifest that does not speak for it, or that this program cannot read, and why.
    Doubtful(String),
}

/// How far something in the store can be trusted to be a backup, in the words that users read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupState {
    /// Object and manifest are there, and belong together.
    Attested,
    /// An object without a manifest that this program did not make.
    Unattested,
    /// No backup: the leftover of a crash, or an object whose manifest does not speak for it.
    Orphan,
}

impl Condition {
    /// What users are told of it.
    pub const fn state(&self) -> BackupState {
        match self {
            Self::Attested => BackupState::Attested,
            Self::Unattested => BackupState::Unattested,
            Self::LoneObject
            | Self::LoneManifest
            | Self::LoneConfirmation
            | Self::LonePin
            | Self::LoneIndex
            | Self::LoneGlobals
            | Self::Doubtful(_) => BackupState::Orphan,
        }
    }
}

impl BackupState {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attested => "attested",
            Self::Unattested => "unattested",
            Self::Orphan => "orphan",
        }
    }
}

impl Serialize for BackupState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One object as a listing tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What a store holds under one backup's name.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an object that is there or not"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoredBackup {
    pub key: BackupKey,
    /// Size of the object in bytes, where there is one.
    pub stored_bytes: Option<u64>,
    /// Whether a manifest is there.
    pub has_manifest: bool,
    /// Whether the index of a large manifest is there.
    pub has_index: bool,
    /// Size of the object with its roles and settings in bytes, where there is one.
    pub globals_bytes: Option<u64>,
    /// Whether an operator's confirmation is there.
    pub has_confirmation: bool,
    /// Whether a pin is there.
    pub has_pin: bool,
}

impl StoredBackup {
    /// Whether both halves of a backup are there.
    pub fn is_attested(&self) -> bool {
        self.has_manifest && self.stored_bytes.is_some()
    }

    /// Whether half of a backup is there at least. An index, roles and settings, or a confirmation alone are none.
    fn is_half(&self) -> bool {
        self.has_manifest || self.stored_bytes.is_some()
    }

    /// Whether its key is dated after `now`, by more than clocks differ. It would be the newest for ever, so it is not counted.
    pub fn is_of_the_future(&self, now: Timestamp) -> bool {
        self.key.began_at().duration_since(now) > SKEW_TOLERATED
    }
}

/// What `listing` holds, newest first. Keys that are not ours are passed over, and the listing's order does not matter.
pub fn read_listing(listing: &[ListedObject]) -> Vec<StoredBackup> {
    let mut found: BTreeMap<BackupKey, StoredBackup> = BTreeMap::new();
    for object in listing {
        let meaning = BackupKey::read(&object.key);
        let (KeyMeaning::Object(key)
        | KeyMeaning::Manifest(key)
        | KeyMeaning::Index(key)
        | KeyMeaning::Globals(key)
        | KeyMeaning::Confirmation(key)
        | KeyMeaning::Pin(key)) = meaning
        else {
            continue;
        };
        let entry = found.entry(key).or_insert(StoredBackup {
            key,
            stored_bytes: None,
            has_manifest: false,
            has_index: false,
            globals_bytes: None,
            has_confirmation: false,
            has_pin: false,
        });
        match meaning {
            KeyMeaning::Object(_) => entry.stored_bytes = Some(object.bytes),
            KeyMeaning::Manifest(_) => entry.has_manifest = true,
            KeyMeaning::Index(_) => entry.has_index = true,
            KeyMeaning::Globals(_) => entry.globals_bytes = Some(object.bytes),
            KeyMeaning::Confirmation(_) => entry.has_confirmation = true,
            KeyMeaning::Pin(_) => entry.has_pin = true,
            KeyMeaning::Foreign => {}
        }
    }
    found.into_values().rev().collect()
}

/// The backup that `selector` means among `found` (newest first), as seen at `now`: an attested one where there is any, otherwise
/// the newest object without a manifest. Reading that one tells whether it is whole. What is dated in the future is
/// not the latest; by its day or key it can be had.
pub fn choose(found: &[StoredBackup], selector: Selector, now: Timestamp) -> Result<StoredBackup> {
    let is_wanted = |candidate: &&StoredBackup| match selector {
        Selector::Latest => !candidate.is_of_the_future(now),
        Selector::Day(day) => candidate.key.day() == day,
        Selector::Key(key) => candidate.key == key,
    };
    let wanted = || found.iter().filter(|found| found.is_half()).filter(is_wanted);
    let chosen = wanted()
        .find(|found| found.is_attested())
        .or_else(|| wanted().find(|found| found.stored_bytes.is_some()));
    match chosen {
        Some(chosen) => Ok(*chosen),
        None => Err(nothing_chosen(found, wanted().next(), selector, now)),
    }
}

/// The error of a selector for which nothing can be restored; `near` is what comes nearest.
fn nothing_chosen(
    found: &[StoredBackup],
    near: Option<&StoredBackup>,
    selector: Selector,
    now: Timestamp,
) -> Error {
    let found: Vec<&StoredBackup> = found.iter().filter(|found| found.is_half()).collect();
    let (of_the_future, known): (Vec<&StoredBackup>, Vec<&StoredBackup>) =
        found.iter().partition(|found| found.is_of_the_future(now));
    let error = match (near, of_the_future.last()) {
        (Some(near), _) => Error::new(
            Kind::Corrupt,
            format!("{} has a manifest and no object", near.key),
        ),
        (None, _) if found.is_empty() => Error::new(Kind::Store, "the bucket holds no backup"),
        (None, Some(future)) if known.is_empty() && selector == Selector::Latest => {
            let message = format!(
                "the bucket holds only what is dated in the future, such as {}",
                future.key
            );
            return Error::new(Kind::Store, message).hint(
                "check this machine's clock; a backup that is named by its key is restored with any date",
            );
        }
        (None, _) => Error::new(Kind::Store, format!("there is no backup for {selector}")),
    };
    match known.iter().find(|found| found.is_attested()) {
        Some(newest) => {
            let keys: Vec<String> = known.iter().map(|found| found.key.to_string()).collect();
            let typed = selector.to_string();
            let near = match selector {
                Selector::Key(_) => nearest(&typed, keys.iter().map(String::as_str)),
                Selector::Latest | Selector::Day(_) => None,
            };
            let newest = format!("the newest attested backup is {}", newest.key);
            error.hint(did_you_mean(near, &newest))
        }
        None if found.is_empty() => {
            error.hint("make one with `paycraft-dr backup`, and check the bucket's name")
        }
        None => error.hint("`paycraft-dr list` shows what is there"),
    }
}
