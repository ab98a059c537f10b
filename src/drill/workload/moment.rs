//! Time in the data set. It never comes from a clock: all of it lies around one fixed half-year.

use super::copy_text::push_padded;

const MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// An instant, as the number of microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// 2025-01-01 00:00 UTC: the first partition of `audit_log` begins here.
    pub const FIRST: Self = Self(1_735_689_600 * MICROS);
    /// The half-year that the data covers, in days; the monthly partitions cover the same.
    pub(super) const SPAN_DAYS: i64 = 181;

    /// The moment of row `index` out of `rows` that came in evenly over the half-year.
    pub(super) fn of_row(index: u64, rows: u64) -> Self {
        let span = i128::from(Self::SPAN_DAYS * DAY_SECONDS * MICROS);
        let offset = span * i128::from(index) / i128::from(rows.max(1));
        // Below `span` as long as the index is below the number of rows.
        Self(Self::FIRST.0 + i64::try_from(offset).unwrap_or(0))
    }

    /// This many seconds later (earlier when negative).
    pub(super) fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0 + seconds * MICROS)
    }

    /// This many microseconds later.
    pub(super) fn plus_micros(self, micros: i64) -> Self {
        Self(self.0 + micros)
    }

    /// This many days later (earlier when negative).
    pub(super) fn plus_days(self, days: i64) -> Self {
        self.plus_seconds(days * DAY_SECONDS)
    }

    /// Whole seconds since 1970.
    pub(super) fn unix_seconds(self) -> u64 {
        self.0.div_euclid(MICROS).unsigned_abs()
    }

    /// Appends `YYYY-MM-DD`.
    pub(super) fn push_date(self, out: &mut Vec<u8>) {
        let (year, month, day) = civil(self.0.div_euclid(DAY_SECONDS * MICROS));
        push_padded(out, year, 4);
        out.push(b'-');
        push_padded(out, month, 2);
        out.push(b'-');
        push_padded(out, day, 2);
    }

    /// Appends `YYYY-MM-DD HH:MM:SS.ffffff+00`.
    pub(super) fn push_timestamp(self, out: &mut Vec<u8>) {
        self.push_date(out);
        let micros = self.0.rem_euclid(DAY_SECONDS * MICROS).unsigned_abs();
        let seconds = micros / MICROS.unsigned_abs();
        for (mark, value) in [
            (b' ', seconds / 3600),
            (b':', seconds / 60 % 60),
            (b':', seconds % 60),
        ] {
            out.push(mark);
            push_padded(out, value, 2);
        }
        out.push(b'.');
        push_padded(out, micros % MICROS.unsigned_abs(), 6);
        out.extend_from_slice(b"+00");
    }
}

/// Year, month and day of a day number since 1970-01-01, for the years of this data set: counted from March, so that the
/// leap day is the last of its year.
fn civil(days: i64) -> (u64, u64, u64) {
    // 2000-03-01 begins a 400-year cycle; nothing here is older.
    let since = (days - 11_017).max(0).unsigned_abs();
    let year = (since - since / 1460 + since / 36_524 - since / 146_096) / 365;
    let day_of_year = since - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    if month < 10 {
        (2000 + year, month + 3, day)
    } else {
        (2001 + year, month - 9, day)
    }
}
