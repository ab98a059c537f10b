//! A status as Prometheus reads it: the text exposition format, version 0.0.4.
//!
//! What is not known is left out, as a number that means *unknown* would be believed.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::standing::{Drill, Standing};

/// The metrics of a status told at `now`: `standing` where the store answered, `drill` where it was asked about.
pub fn metrics(now: Timestamp, standing: Option<&Standing>, drill: Option<&Drill>) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: Option<u64>| {
        if let Some(value) = value {
            let _ = writeln!(
                text,
                "# HELP paycraft_dr_{name} {help}\n# TYPE paycraft_dr_{name} gauge\npaycraft_dr_{name} {value}"
            );
        }
    };
    let is = |truth: bool| Some(u64::from(truth));
    gauge("up", "Whether the store answered.", is(standing.is_some()));
    gauge("checked_timestamp_seconds", "When this was written.", unix(now));
    if let Some(Standing {
        newest,
        rpo,
        storage,
        suspicious,
        ..
    }) = standing
    {
        let began = newest.and_then(|key| unix(key.began_at()));
        gauge(
            "backup_started_timestamp_seconds",
            "When the newest attested backup began.",
            began,
        );
        gauge(
            "rpo_age_seconds",
            "Age of the newest attested backup.",
            rpo.age_seconds,
        );
        gauge(
            "rpo_objective_seconds",
            "The age that was promised at most.",
            Some(rpo.objective_seconds),
        );
        gauge("rpo_met", "Whether the promise holds.", is(rpo.met));
        gauge(
            "backups_under_suspicion",
            "Backups that are newer than that and under suspicion.",
            u64::try_from(suspicious.len()).ok().filter(|count| *count > 0),
        );
        gauge(
            "storage_used_bytes",
            "Size of every object in the bucket.",
            Some(storage.used_bytes),
        );
        gauge(
            "storage_budget_bytes",
            "The size that is allowed.",
            Some(storage.budget_bytes),
        );
        gauge(
            "storage_met",
            "Whether the bucket is no larger than that.",
            is(storage.met),
        );
    }
    if let Some(drill) = drill {
        gauge(
            "drill_last_timestamp_seconds",
            "The day of the last proven drill.",
            drill.last_at.and_then(midnight),
        );
        gauge(
            "drill_due_timestamp_seconds",
            "The day the next drill is due.",
            midnight(drill.next_due),
        );
        gauge(
            "drill_overdue",
            "Whether a month's drill was missed.",
            drill.overdue.and_then(is),
        );
    }
    text
}

fn unix(instant: Timestamp) -> Option<u64> {
    u64::try_from(instant.as_second()).ok()
}

fn midnight(day: Date) -> Option<u64> {
    let instant = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
    unix(instant)
}
