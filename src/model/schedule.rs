//! When backups and drills are due: daily at 02:00, and on the first Monday of each month, all in UTC.
//!
//! A drill answers for a month when it is held on that month's first Monday or later, before the next one's. The whole Monday may
//! be used, so a month's drill is overdue from the Tuesday on.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

/// The hour of the day (UTC) at which the daily backup begins.
const BACKUP_HOUR: i8 = 2;

/// Where the drills stand on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrillSchedule {
    /// The first Monday that the next drill is for: today or later, and not answered for yet.
    pub next_due: Date,
    /// Whether the last first Monday before today has no drill to answer for it.
    pub overdue: bool,
}

/// Where the drills stand on `today` (UTC), the last one having been held on the day `last`.
pub fn drills(last: Option<Date>, today: Date) -> DrillSchedule {
    let this_month = first_monday(today);
    let owed = if this_month < today {
        this_month
    } else {
        first_monday(moved(today.first_of_month(), -1.month()))
    };
    let answers_for = |monday: Date| last.is_some_and(|last| last >= monday);
    let next_due = if this_month >= today && !answers_for(this_month) {
        this_month
    } else {
        first_monday(moved(today.first_of_month(), 1.month()))
    };
    DrillSchedule {
        next_due,
        overdue: !answers_for(owed),
    }
}

/// The first Monday of `day`'s month.
pub fn first_monday(day: Date) -> Date {
    let first = day.first_of_month();
    let ahead = Weekday::Monday.since(first.weekday());
    moved(first, i64::from(ahead).days())
}

/// The first daily backup to begin after `now`.
pub fn next_backup(now: Timestamp) -> Timestamp {
    let today = TimeZone::UTC.to_datetime(now).date();
    let at = |day: Date| {
        TimeZone::UTC
            .to_timestamp(day.at(BACKUP_HOUR, 0, 0, 0))
            .unwrap_or(Timestamp::MAX)
    };
    let todays = at(today);
    if todays > now {
        todays
    } else {
        at(moved(today, 1.day()))
    }
}

/// The day `span` later. Years end where no clock gets to, and there a day stays what it is.
fn moved(day: Date, span: Span) -> Date {
    day.checked_add(span).unwrap_or(day)
}
