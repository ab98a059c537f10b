//! When backups and drills are due: without other settings daily at 02:00, and on the first Monday of each month, all in UTC.
//!
//! A drill answers for a month when it is held on that month's day or later, before the next one's. The whole day may be used, so a
//! month's drill is overdue from the day after on.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday, time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use serde::{Deserialize, Deserializer};

/// When backups and drills are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The time of day (UTC) at which the daily backup begins.
    pub backup_at: Time,
    /// The day of each month that a drill is due on.
    pub drills: DrillDay,
}

/// The first day of its name in each month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrillDay(pub Weekday);

/// Where the drills stand on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrillSchedule {
    /// The day that the next drill is for: today or later, and not answered for yet.
    pub next_due: Date,
    /// Whether the last day before today that a drill was due on has none to answer for it.
    pub overdue: bool,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            backup_at: time(2, 0, 0, 0),
            drills: DrillDay(Weekday::Monday),
        }
    }
}

impl Schedule {
    /// Where the drills stand on `today` (UTC), the last one having been held on the day `last`.
    pub fn drills(&self, last: Option<Date>, today: Date) -> DrillSchedule {
        let this_month = self.drills.in_month_of(today);
        let owed = if this_month < today {
            this_month
        } else {
            self.drills.in_month_of(moved(today.first_of_month(), -1.month()))
        };
        let answers_for = |due: Date| last.is_some_and(|last| last >= due);
        let next_due = if this_month >= today && !answers_for(this_month) {
            this_month
        } else {
            self.drills.in_month_of(moved(today.first_of_month(), 1.month()))
        };
        DrillSchedule {
            next_due,
            overdue: !answers_for(owed),
        }
    }

    /// The first daily backup to begin after `now`.
    pub fn next_backup(&self, now: Timestamp) -> Timestamp {
        let today = TimeZone::UTC.to_datetime(now).date();
        let at = |day: Date| {
            TimeZone::UTC
                .to_timestamp(day.to_datetime(self.backup_at))
                .unwrap_or(Timestamp::MAX)
        };
        let todays = at(today);
        if todays > now {
            todays
        } else {
            at(moved(today, 1.day()))
        }
    }
}

impl DrillDay {
    /// That day of `day`'s month.
    pub fn in_month_of(self, day: Date) -> Date {
        let first = day.first_of_month();
        let ahead = self.0.since(first.weekday());
        moved(first, i64::from(ahead).days())
    }
}

const WEEKDAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "Monday"),
    (Weekday::Tuesday, "Tuesday"),
    (Weekday::Wednesday, "Wednesday"),
    (Weekday::Thursday, "Thursday"),
    (Weekday::Friday, "Friday"),
    (Weekday::Saturday, "Saturday"),
    (Weekday::Sunday, "Sunday"),
];

/// As in `first Monday`.
impl fmt::Display for DrillDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = WEEKDAYS.iter().find(|(day, _)| *day == self.0);
        write!(f, "first {}", named.map_or("", |(_, name)| name))
    }
}

impl FromStr for DrillDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lowered = text.to_lowercase();
        let named = WEEKDAYS
            .iter()
            .find(|(_, name)| lowered.strip_prefix("first ") == Some(&*name.to_lowercase()));
        let (day, _) = named.ok_or("a drill is due on a day such as \"first Monday\"")?;
        Ok(Self(*day))
    }
}

impl<'de> Deserialize<'de> for DrillDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The day `span` later. Years end where no clock gets to, and there a day stays what it is.
fn moved(day: Date, span: Span) -> Date {
    day.checked_add(span).unwrap_or(day)
}
