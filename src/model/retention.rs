//! Which of the things in a store stay and which go, as a plan with a reason for each.
//!
//! The rules, all by the instant in the key and never by the date of an upload. A *good* backup is an attested one that is under
//! no suspicion, or that an operator confirmed.
//! 1. What is dated after `now` stays: its age is not known. It counts for nothing below.
//! 2. What has a manifest that this program cannot judge stays, for a person to look at.
//! 3. What has a pin whose last day has not passed stays.
//! 4. A backup of another source than the configured one stays. Where none is configured, each source is ruled by itself.
//! 5. A backup that is no older than the policy's days stays; exactly as old is not older.
//! 6. While the newest backup of a source is under suspicion, no older one of that source goes: the source may have become empty,
//!    and then what is old is all there is. Of a source without any good backup the same holds for everything that is older.
//! 7. An older one goes when at least as many good backups of its source as the policy's floor are newer than it, and stays
//!    otherwise. So the newest good backups always stay.
//! 8. Of an object without a manifest the source is not known, so it goes only when so many good ones of every source are newer.
//! 9. The leftover of a crash goes when it is older than two days, as a backup in progress looks the same. An object goes only
//!    if a good backup of every source is newer, as it may be whole and all there is.
//! 10. An upload of a backup that was begun more than two days ago is aborted.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};

use crate::model::catalog::Condition;
use crate::model::key::BackupKey;
use crate::model::pin::PinState;
use crate::model::source::SourceName;

/// The runbook's retention in days.
pub const DAYS: NonZeroU32 = NonZeroU32::new(30).expect("not zero");
/// How many of the newest attested backups stay however old they are.
pub const FLOOR: NonZeroU32 = NonZeroU32::new(7).expect("not zero");
/// A leftover that is older belongs to no backup in progress.
pub const LEFTOVER_AGE: SignedDuration = SignedDuration::from_hours(48);

const SECONDS_PER_DAY: i64 = 86_400;

/// How long backups are kept. Neither number can be zero, so no policy removes everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A backup that is no older than so many days stays.
    pub days: NonZeroU32,
    /// So many of the newest attested backups stay however old they are.
    pub floor: NonZeroU32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            days: DAYS,
            floor: FLOOR,
        }
    }
}

/// What is stored under one backup's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBackup {
    pub key: BackupKey,
    /// What was found of it.
    pub condition: Condition,
    /// Size of its object in bytes, 0 where there is none.
    pub stored_bytes: u64,
    /// What its manifest says, where it is attested.
    pub attestation: Option<Attestation>,
    /// What keeps it, where it was pinned.
    pub pin: Option<PinState>,
}

/// What the manifest of a backup says, as far as retention goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The source it is of.
    pub source: SourceName,
    /// Whether that is certainly another one than the configured source, or may be.
    pub is_anothers: bool,
    /// Whether it is under no suspicion.
    pub is_good: bool,
}

impl HeldBackup {
    /// The name of the first of its objects that is in the store.
    pub fn name(&self) -> String {
        match self.condition {
            Condition::LoneManifest => self.key.manifest_key(),
            Condition::LoneConfirmation => self.key.confirmation_key(),
            Condition::LonePin => self.key.pin_key(),
            Condition::LoneIndex => self.key.index_key(),
            Condition::LoneGlobals => self.key.globals_key(),
            _ => self.key.to_string(),
        }
    }
}

/// A multipart upload of a backup that was neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldUpload {
    /// The key it would make.
    pub key: BackupKey,
    /// What the store calls it.
    pub id: String,
    /// When it was begun, by the store's clock.
    pub begun_at: Timestamp,
}

/// Everything in a store with a backup's name. Nothing else is ever touched, so nothing else gets in here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Objects and manifests.
    pub held: Vec<HeldBackup>,
    pub uploads: Vec<HeldUpload>,
}

/// What is to happen to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Keep,
    Remove,
}

/// What is to happen to one thing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling<T> {
    pub on: T,
    pub decision: Decision,
    /// Why, for a person.
    pub reason: String,
}

/// A ruling on everything, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPlan {
    /// Objects and manifests.
    pub held: Vec<Ruling<HeldBackup>>,
    pub uploads: Vec<Ruling<HeldUpload>>,
}

/// Rules on everything in `inventory`, as seen at `now`.
pub fn plan(inventory: &Inventory, policy: Policy, now: Timestamp) -> RetentionPlan {
    let sources = Sources::of(inventory, now);
    let mut held: Vec<Ruling<HeldBackup>> = inventory
        .held
        .iter()
        .map(|held| {
            let (decision, reason) = rule(held, &sources, policy, now);
            Ruling {
                on: held.clone(),
                decision,
                reason,
            }
        })
        .collect();
    held.sort_by_key(|ruling| std::cmp::Reverse(ruling.on.key));
    let mut uploads: Vec<Ruling<HeldUpload>> = inventory
        .uploads
        .iter()
        .map(|upload| rule_on_upload(upload, now))
        .collect();
    uploads.sort_by_key(|ruling| std::cmp::Reverse((ruling.on.key, ruling.on.begun_at)));
    RetentionPlan { held, uploads }
}

/// The attested backups of each source that are not dated in the future.
struct Sources<'a>(BTreeMap<&'a SourceName, Backups>);

#[derive(Default)]
struct Backups {
    /// The good ones, oldest first.
    good: Vec<BackupKey>,
    /// The newest one that is under suspicion.
    suspicious: Option<BackupKey>,
}

impl Backups {
    fn newer_than(&self, key: BackupKey) -> usize {
        self.good.len() - self.good.partition_point(|good| *good <= key)
    }

    /// The backup under suspicion that is newer than all good ones.
    fn doubt(&self) -> Option<BackupKey> {
        self.suspicious
            .filter(|suspicious| self.good.last().is_none_or(|good| good < suspicious))
    }
}

impl<'a> Sources<'a> {
    fn of(inventory: &'a Inventory, now: Timestamp) -> Self {
        let mut sources: BTreeMap<&SourceName, Backups> = BTreeMap::new();
        for held in &inventory.held {
            let (Condition::Attested, Some(attestation)) = (&held.condition, &held.attestation) else {
                continue;
            };
            if held.key.began_at() > now {
                continue;
            }
            let backups = sources.entry(&attestation.source).or_default();
            if attestation.is_good {
                backups.good.push(held.key);
            } else {
                backups.suspicious = backups.suspicious.max(Some(held.key));
            }
        }
        for backups in sources.values_mut() {
            backups.good.sort_unstable();
        }
        Self(sources)
    }

    /// How many good backups of the source are newer than `key`; where it is not known, of the source that has the fewest.
    fn newer_than(&self, key: BackupKey, source: Option<&SourceName>) -> usize {
        if let Some(source) = source {
            return self.0.get(source).map_or(0, |backups| backups.newer_than(key));
        }
        let counts = self.0.values().map(|backups| backups.newer_than(key));
        counts.min().unwrap_or(0)
    }

    /// The backup under suspicion for whose sake `key` stays.
    fn doubt(&self, key: BackupKey, source: Option<&SourceName>) -> Option<BackupKey> {
        let concerned = self.0.iter().filter(|(name, backups)| {
            source.is_none_or(|source| source == **name) || backups.good.is_empty()
        });
        concerned
            .filter_map(|(_, backups)| backups.doubt())
            .filter(|doubt| *doubt > key)
            .max()
    }
}

/// The ruling on one thing among those of all `sources`.
fn rule(held: &HeldBackup, sources: &Sources<'_>, policy: Policy, now: Timestamp) -> (Decision, String) {
    use Decision::{Keep, Remove};
    let age = now.duration_since(held.key.began_at());
    let old = words(age);
    if age.is_negative() {
        return (Keep, "dated in the future, so its age is unknown".to_owned());
    }
    let pin = held.pin.as_ref().filter(|_| held.condition != Condition::LonePin);
    if let Some(reason) = pin.and_then(|pin| pin.reason(now)) {
        return (Keep, reason);
    }
    let source = held.attestation.as_ref().map(|attestation| &attestation.source);
    let newer = sources.newer_than(held.key, source);
    match &held.condition {
        Condition::Doubtful(why) => (Keep, format!("{why}: look at it before it goes")),
        Condition::LoneObject
        | Condition::LoneManifest
        | Condition::LoneConfirmation
        | Condition::LonePin
        | Condition::LoneIndex
        | Condition::LoneGlobals
            if age <= LEFTOVER_AGE =>
        {
            (Keep, format!("{old} old: a backup in progress looks the same"))
        }
        Condition::LoneObject if newer == 0 => (
            Keep,
            format!("left without a manifest {old} ago, but no attested backup is newer"),
        ),
        Condition::LoneObject => (
            Remove,
            format!("left without a manifest {old} ago, by a crash or an interrupted prune"),
        ),
        Condition::LoneManifest => (Remove, format!("a manifest without an object for {old}")),
        Condition::LoneConfirmation => (Remove, format!("a confirmation without a backup for {old}")),
        Condition::LonePin => (Remove, format!("a pin without a backup for {old}")),
        Condition::LoneIndex => (Remove, format!("a manifest's index without a backup for {old}")),
        Condition::LoneGlobals => (Remove, format!("roles and settings without a backup for {old}")),
        Condition::Attested | Condition::Unattested => {
            let doubt = sources.doubt(held.key, source);
            rule_on_backup(held, newer, doubt, policy, age)
        }
    }
}

/// The ruling on a backup of that age, than which `newer` good ones are newer, and a `doubt` under suspicion.
fn rule_on_backup(
    held: &HeldBackup,
    newer: usize,
    doubt: Option<BackupKey>,
    policy: Policy,
    age: SignedDuration,
) -> (Decision, String) {
    use Decision::{Keep, Remove};
    let (days, floor, old) = (policy.days, policy.floor, words(age));
    let attestation = held.attestation.as_ref();
    if let Some(another) = attestation.filter(|attestation| attestation.is_anothers) {
        return (Keep, format!("another source's: {}", another.source));
    }
    let suspicion = match attestation {
        Some(attestation) if !attestation.is_good => ", under suspicion",
        _ => "",
    };
    if age <= SignedDuration::from_secs(i64::from(days.get()) * SECONDS_PER_DAY) {
        return (Keep, format!("{old} old, kept for {days} days{suspicion}"));
    }
    let past = format!("older than {days} days ({old}){suspicion}");
    if u32::try_from(newer).unwrap_or(u32::MAX) < floor.get() {
        let why = match attestation {
            Some(attestation) if attestation.is_good => format!("but one of the newest {floor} attested"),
            _ => format!("but fewer than {floor} attested backups are newer"),
        };
        return (Keep, format!("{past}, {why}"));
    }
    if let Some(doubt) = doubt {
        let why = format!("but {doubt} is newer and under suspicion: confirm that first");
        return (Keep, format!("{past}, {why}"));
    }
    (Remove, format!("{past}, and {newer} attested backups are newer"))
}

fn rule_on_upload(upload: &HeldUpload, now: Timestamp) -> Ruling<HeldUpload> {
    let age = now.duration_since(upload.begun_at);
    let (decision, reason) = if age > LEFTOVER_AGE {
        let reason = format!("begun {} ago and never finished", words(age));
        (Decision::Remove, reason)
    } else {
        let reason = format!("begun {} ago: it may be a backup in progress", words(age));
        (Decision::Keep, reason)
    };
    Ruling {
        on: upload.clone(),
        decision,
        reason,
    }
}

/// A length of time in whole days, or in hours where that says more.
fn words(age: SignedDuration) -> String {
    let hours = age.as_hours();
    if hours < 1 {
        return "under an hour".to_owned();
    }
    let (number, unit) = if hours < 48 {
        (hours, "hour")
    } else {
        (hours / 24, "day")
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}
