//! Which of the things in a store stay and which go, as a plan with a reason for each.
//!
//! The rules, all by the instant in the key and never by the date of an upload:
//! 1. What is dated after `now` stays: nobody knows its age. It counts for nothing below.
//! 2. What has a manifest that nobody here can judge stays, for a person to look at.
//! 3. A backup that is no older than the policy's days stays; exactly as old is not older.
//! 4. An older one goes when at least as many attested backups as the policy's floor are newer than it, and stays otherwise.
//!    So the newest attested backups always stay, and an unattested object never goes while it may be the best there is.
//! 5. The leftover of a crash goes when it is older than two days, as a backup in progress looks the same. An object goes only
//!    if an attested backup is newer, as it may be whole and all there is.
//! 6. An upload of a backup that was begun more than two days ago is aborted.

use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};

use crate::model::catalog::Condition;
use crate::model::key::BackupKey;

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

/// What stands under one backup's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The backup's key.
    pub key: BackupKey,
    /// What was found of it.
    pub condition: Condition,
    /// Size of its object in bytes, 0 where there is none.
    pub stored_bytes: u64,
}

impl Held {
    /// The name of the first of its objects that stands in the store.
    pub fn name(&self) -> String {
        match self.condition {
            Condition::LoneManifest => self.key.manifest_key(),
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

/// Everything in a store that bears a backup's name. Nothing else is ever touched, so nothing else gets in here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Objects and manifests.
    pub held: Vec<Held>,
    /// Unfinished uploads.
    pub uploads: Vec<HeldUpload>,
}

/// What is to happen to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// What is to happen to one thing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling<T> {
    /// The thing.
    pub on: T,
    /// Whether it stays.
    pub decision: Decision,
    /// Why, for a person.
    pub reason: String,
}

/// A ruling on everything, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Objects and manifests.
    pub held: Vec<Ruling<Held>>,
    /// Unfinished uploads.
    pub uploads: Vec<Ruling<HeldUpload>>,
}

/// Rules on everything in `inventory`, as seen at `now`.
pub fn plan(inventory: &Inventory, policy: Policy, now: Timestamp) -> Plan {
    let mut attested: Vec<BackupKey> = inventory
        .held
        .iter()
        .filter(|held| held.condition == Condition::Attested && held.key.began_at() <= now)
        .map(|held| held.key)
        .collect();
    attested.sort_unstable();
    let mut held: Vec<Ruling<Held>> = inventory
        .held
        .iter()
        .map(|held| {
            let newer = attested.len() - attested.partition_point(|key| *key <= held.key);
            let (decision, reason) = rule(held, newer, policy, now);
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
    Plan { held, uploads }
}

/// The ruling on something that `newer` attested backups are newer than.
fn rule(held: &Held, newer: usize, policy: Policy, now: Timestamp) -> (Decision, String) {
    use Decision::{Keep, Remove};
    let age = now.duration_since(held.key.began_at());
    let old = words(age);
    if age.is_negative() {
        return (Keep, "dated in the future, so its age is unknown".to_owned());
    }
    match &held.condition {
        Condition::Doubtful(why) => (Keep, format!("{why}: look at it before it goes")),
        Condition::LoneObject | Condition::LoneManifest if age <= LEFTOVER_AGE => {
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
        Condition::Attested | Condition::Unattested => {
            let (days, floor) = (policy.days, policy.floor);
            let is_old = age > SignedDuration::from_secs(i64::from(days.get()) * SECONDS_PER_DAY);
            let is_free = u32::try_from(newer).unwrap_or(u32::MAX) >= floor.get();
            match (is_old, is_free) {
                (false, _) => (Keep, format!("{old} old, kept for {days} days")),
                (true, true) => (
                    Remove,
                    format!("older than {days} days ({old}), and {newer} attested backups are newer"),
                ),
                (true, false) if held.condition == Condition::Attested => (
                    Keep,
                    format!("older than {days} days ({old}), but one of the newest {floor} attested"),
                ),
                (true, false) => (
                    Keep,
                    format!(
                        "older than {days} days ({old}), but fewer than {floor} attested backups are newer"
                    ),
                ),
            }
        }
    }
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
