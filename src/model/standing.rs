//! Whether the promises hold today: the age of the newest backup, the room in the store, the last drill.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::check_names;
use crate::model::key::BackupKey;
use crate::model::schedule::{DrillDay, Schedule};
use crate::model::source::SourceName;
use crate::model::verdict::{Check, CheckOutcome};

/// What the store's free tier holds.
pub const STORAGE_BUDGET_BYTES: u64 = 10_000_000_000;

/// How long after its hour the daily backup may be expected to end. Until then a missed objective is said to be that.
const BACKUP_PATIENCE: Duration = Duration::from_hours(1);

/// An attested backup, as its manifest tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestBackup {
    pub key: BackupKey,
    /// When it began: what was written since is not in it.
    pub started_at: Timestamp,
}

/// The age of what could be restored now, against what was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rpo {
    /// How long ago the newest attested backup began, in seconds, where there is one.
    pub age_seconds: Option<u64>,
    /// What was promised, in seconds.
    pub objective_seconds: u64,
    /// Whether the promise holds. As old as promised is not too old.
    pub met: bool,
}

/// What the store holds, against what it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// Bytes of every object under any key: that is what is billed.
    pub used_bytes: u64,
    /// What it may be.
    pub budget_bytes: u64,
    /// Whether it is no more than that.
    pub met: bool,
}

/// Where the drills stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drill {
    /// The day (UTC) of the last proven drill, where one is known.
    pub last_at: Option<Date>,
    /// The day that the next drill is for.
    pub next_due: Date,
    /// Whether a month's drill was missed; nothing where that is not known.
    pub overdue: Option<bool>,
    /// Why it is not known.
    #[serde(skip)]
    pub unknown: Option<String>,
    /// The day of each month that one is due on.
    #[serde(skip)]
    pub due_on: DrillDay,
}

/// What the store's part of a status is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The source whose backups were looked at, where it is known.
    pub source: Option<SourceName>,
    /// Why it is not known, where the store holds backups of several.
    pub unclear: Option<String>,
    /// The newest attested backup of the source that is under no suspicion.
    pub newest: Option<BackupKey>,
    pub rpo: Rpo,
    /// The newer ones that are under suspicion, newest first, each with the reasons.
    pub suspicious: Vec<(BackupKey, Vec<String>)>,
    pub storage: Storage,
}

impl Rpo {
    /// The age at `now` of `newest`, against what was promised. A store without a backup has missed it.
    pub fn at(now: Timestamp, newest: Option<NewestBackup>, objective: Duration) -> Self {
        let objective_seconds = objective.as_secs();
        let age_seconds = newest.map(|newest| {
            // Machines disagree about the time by some seconds, and no backup is younger than new.
            u64::try_from(now.as_second() - newest.started_at.as_second()).unwrap_or(0)
        });
        Self {
            age_seconds,
            objective_seconds,
            met: age_seconds.is_some_and(|age| age <= objective_seconds),
        }
    }
}

impl Storage {
    /// So many bytes against a budget.
    pub fn of(used_bytes: u64, budget_bytes: u64) -> Self {
        Self {
            used_bytes,
            budget_bytes,
            met: used_bytes <= budget_bytes,
        }
    }
}

impl Drill {
    /// Where the drills stand on `today` (UTC), of which those on `days` were proven. A day that is still to come proves
    /// nothing yet.
    pub fn after(days: impl IntoIterator<Item = Date>, today: Date, schedule: Schedule) -> Self {
        let last_at = days.into_iter().filter(|day| *day <= today).max();
        let due = schedule.drills(last_at, today);
        Self {
            last_at,
            next_due: due.next_due,
            overdue: Some(due.overdue),
            unknown: None,
            due_on: schedule.drills,
        }
    }

    /// The drills of somebody who could not tell about the last one, and why.
    pub fn unknown(today: Date, why: impl Into<String>, schedule: Schedule) -> Self {
        Self {
            last_at: None,
            next_due: schedule.drills(None, today).next_due,
            overdue: None,
            unknown: Some(why.into()),
            due_on: schedule.drills,
        }
    }

    /// Whether the drills are held as promised.
    pub fn check(&self) -> Check {
        let last = self
            .last_at
            .map_or_else(|| "none held".to_owned(), |day| format!("the last on {day}"));
        let next = format!("the next is due on {}", self.next_due);
        match (self.overdue, &self.unknown) {
            (Some(false), _) => told("drill", true, format!("{last}; {next}")),
            (Some(true), _) => {
                let rule = format!(
                    "each {} of a month wants one, held on that day or later",
                    self.due_on
                );
                told("drill", false, format!("{last}; {rule}; {next}"))
            }
            (None, why) => Check::skipped(check_names::DRILL, why.as_deref().unwrap_or("not known")),
        }
    }
}

impl Standing {
    /// Whether the store's promises hold.
    pub fn checks(&self, now: Timestamp, schedule: Schedule) -> [Check; 2] {
        [self.rpo_check(now, schedule), self.storage_check()]
    }

    /// Whether the newest backup holds what one may expect after the one before it.
    pub fn suspicion_check(&self) -> Check {
        const NAME: &str = check_names::SUSPICION;
        if self.unclear.is_some() {
            return Check::skipped(NAME, "it is not known which source is meant");
        }
        let Some((newest, reasons)) = self.suspicious.first() else {
            return told(
                NAME,
                true,
                "the newest backup holds no less than the one before it".to_owned(),
            );
        };
        let more = match self.suspicious.len() - 1 {
            0 => String::new(),
            more => format!("; so are {more} before it"),
        };
        told(
            NAME,
            false,
            format!("{newest} is under suspicion: {}{more}", reasons.join("; ")),
        )
    }

    fn rpo_check(&self, now: Timestamp, schedule: Schedule) -> Check {
        if let Some(why) = &self.unclear {
            return Check::skipped(check_names::RPO, why);
        }
        let Rpo {
            age_seconds,
            objective_seconds,
            met,
        } = self.rpo;
        let age = age_seconds.map_or_else(
            || match self.suspicious.len() {
                0 => "there is no attested backup".to_owned(),
                _ => "there is no backup that is under no suspicion".to_owned(),
            },
            |age| {
                format!(
                    "{} old, and {} at most was promised",
                    hours(age),
                    hours(objective_seconds)
                )
            },
        );
        let next = schedule.next_backup(now).strftime("%Y-%m-%d %H:%M UTC");
        let mut detail = format!("{age}; the next daily backup begins {next}");
        let late = age_seconds.map(|age| age.saturating_sub(objective_seconds));
        if !met && late.is_some_and(|late| late <= BACKUP_PATIENCE.as_secs()) {
            // The promise has no grace. A backup counts from its beginning and exists from its end, so a day's may be due while
            // it is still being made.
            detail.push_str("; the last one due may still be running");
        }
        told("rpo", met, detail)
    }

    fn storage_check(&self) -> Check {
        let Storage {
            used_bytes,
            budget_bytes,
            met,
        } = self.storage;
        let permille = u128::from(used_bytes) * 1000 / u128::from(budget_bytes.max(1));
        let detail = format!(
            "{} of {} GB, {}.{} %, counting every object in the bucket",
            gigabytes(used_bytes),
            gigabytes(budget_bytes),
            permille / 10,
            permille % 10
        );
        told("storage", met, detail)
    }
}

/// What to do about the backup `key`, which is under suspicion.
pub fn look_at_suspicion(key: BackupKey) -> String {
    format!(
        "check what SUPABASE_DB_URL leads to and what was deleted there; if the backup is right, run `paycraft-dr confirm {key} --why TEXT`"
    )
}

fn told(name: &'static str, holds: bool, detail: String) -> Check {
    let outcome = if holds {
        CheckOutcome::Passed
    } else {
        CheckOutcome::Failed
    };
    Check {
        name,
        outcome,
        detail,
        told: Vec::new(),
        problems: Vec::new(),
    }
}

/// `9.87`, in the decimal unit that storage is billed in.
fn gigabytes(bytes: u64) -> String {
    format!(
        "{}.{:02}",
        bytes / 1_000_000_000,
        bytes % 1_000_000_000 / 10_000_000
    )
}

/// `25 h 3 min`.
fn hours(seconds: u64) -> String {
    format!("{} h {} min", seconds / 3600, seconds % 3600 / 60)
}
