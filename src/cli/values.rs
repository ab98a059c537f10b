//! Values of flags, read from what is typed.

use std::time::Duration;

use jiff::Timestamp;

use crate::error::{Error, Kind, Result};

/// The parser of arguments shows one line: what is wrong, and what to do.
pub(super) fn worded<T>(parsed: Result<T>) -> Result<T, String> {
    parsed.map_err(|error| match error.next_step() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}

/// Reads how long something is waited for: `90s`, `10min`, `1h`, or seconds.
pub(super) fn parse_timeout(text: &str) -> Result<Duration> {
    const LONGEST: Duration = Duration::from_hours(24);
    let digits = text
        .find(|mark: char| !mark.is_ascii_digit())
        .unwrap_or(text.len());
    let factor: Option<u64> = match text[digits..].trim() {
        "" | "s" => Some(1),
        "m" | "min" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let number: Option<u64> = text[..digits].parse().ok();
    let seconds = number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor));
    let timeout = seconds.map(Duration::from_secs);
    timeout
        .filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST)
        .ok_or_else(|| {
            Error::new(Kind::Usage, format!("{text:?} is no time to wait for"))
                .hint("write it as 90s, 10min or 1h, up to 24h")
        })
}

/// Reads an instant as RFC 3339 writes it.
pub(super) fn parse_instant(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| {
        Error::new(Kind::Usage, format!("{text:?} is no instant")).hint("write it as 2026-11-23T02:10:00Z")
    })
}
