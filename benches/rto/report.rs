//! The table for people, and the document for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Asked;
use super::measured::{Case, Measurements, Name, Taken, peak};
use super::place::Line;
use super::sets::Set;

pub(super) fn table(measurements: &Measurements) -> String {
    let mut text = format!(
        "{:<50} {:<7} {:<8} {:>8} {:>10} {:>10}\n",
        "", "rows", "store", "median", "store CPU", "peak"
    );
    for (case, taken) in &measurements.taken {
        let peak = peak(taken).map_or_else(String::new, |bytes| format!("{} MiB", bytes >> 20));
        let _ = writeln!(
            text,
            "{:<50} {:<7} {:<8} {:>6.2} s {:>8.2} s {peak:>10}",
            case.name.words(),
            case.set.database(),
            case.line.words(),
            measurements.median(*case, |taken| taken.seconds),
            measurements.median(*case, |taken| taken.store_cpu_seconds),
        );
    }
    text
}

pub(super) fn document(asked: &Asked, measurements: &Measurements) -> Value {
    let median = |case| measurements.median(case, |taken| taken.seconds);
    let over = |line, set, ours, other| {
        let case = |name| Case { name, set, line };
        median(case(ours)) / median(case(other))
    };
    let ratio = |ours, other, set| over(Line::Free, set, ours, other);
    let slowed = |name, line| {
        let case = |line| Case {
            name,
            set: Set::Skewed,
            line,
        };
        median(case(line)) / median(case(Line::Free))
    };
    #[expect(clippy::cast_precision_loss, reason = "a size of some GiB")]
    let size = |set, what: &str| {
        let bytes = measurements.bytes.get(&set).and_then(|sizes| sizes.get(what));
        bytes.map_or(f64::NAN, |bytes| *bytes as f64)
    };
    let stored = |set, other| size(set, "stored") / size(set, other);
    let (many, skewed) = (Set::Many, Set::Skewed);
    let rows: Vec<Value> = measurements
        .taken
        .iter()
        .map(|(case, taken)| row(*case, taken, median(*case)))
        .collect();
    json!({
        "size_bytes": asked.size_bytes,
        "rounds": asked.rounds,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "bytes": {
            "many": measurements.bytes.get(&many),
            "skewed": measurements.bytes.get(&skewed),
        },
        "ratios": {
            "backup_vs_shell": ratio(Name::OurBackup, Name::ShellBackup, many),
            "backup_vs_dump_null": ratio(Name::OurBackup, Name::DumpToNowhere, many),
            "backup_vs_shell_skewed": ratio(Name::OurBackup, Name::ShellBackup, skewed),
            "backup_vs_shell_throttled": over(Line::Throttled, skewed, Name::OurBackup, Name::ShellBackup),
            "backup_vs_shell_latency": over(Line::FarAway, skewed, Name::OurBackup, Name::ShellBackup),
            "backup_throttled_vs_free": slowed(Name::OurBackup, Line::Throttled),
            "backup_latency_vs_free": slowed(Name::OurBackup, Line::FarAway),
            "backup_size_vs_gzip_6": stored(many, "by_gzip_6"),
            "backup_size_vs_gzip_6_skewed": stored(skewed, "by_gzip_6"),
            "backup_size_vs_shell": stored(many, "stored_by_shell"),
            "restore_vs_shell": ratio(Name::OurRestore, Name::ShellRestore, many),
            "restore_vs_shell_skewed": ratio(Name::OurRestore, Name::ShellRestore, skewed),
            "restore_vs_shell_throttled": over(Line::Throttled, skewed, Name::OurRestore, Name::ShellRestore),
            "restore_vs_shell_latency": over(Line::FarAway, skewed, Name::OurRestore, Name::ShellRestore),
            "restore_vs_pg_restore_many": ratio(Name::OurRestore, Name::PgRestore, many),
            "restore_vs_pg_restore_skewed": ratio(Name::OurRestore, Name::PgRestore, skewed),
            "restore_vs_limit": ratio(Name::OurRestore, Name::Limit, many),
            "restore_vs_limit_skewed": ratio(Name::OurRestore, Name::Limit, skewed),
            "restore_analyzed_vs_not": ratio(Name::OurAnalyzedRestore, Name::OurRestore, many),
            "restore_analyzed_vs_not_skewed": ratio(Name::OurAnalyzedRestore, Name::OurRestore, skewed),
            "restore_throttled_vs_free": slowed(Name::OurRestore, Line::Throttled),
            "restore_latency_vs_free": slowed(Name::OurRestore, Line::FarAway),
            "restore_verified_vs_shell": ratio(Name::OurVerifiedRestore, Name::ShellRestore, many),
        },
        "peak_rss_bytes": {
            "backup": measurements.peak_of(Name::OurBackup),
            "restore": measurements.peak_of(Name::OurVerifiedRestore),
        },
        "rows": rows,
    })
}

fn row(case: Case, taken: &[Taken], median: f64) -> Value {
    json!({
        "name": case.name.words(),
        "set": case.set.database(),
        "line": case.line.words(),
        "median": median,
        "seconds": taken.iter().map(|taken| taken.seconds).collect::<Vec<_>>(),
        "store_cpu_seconds": taken.iter().map(|taken| taken.store_cpu_seconds).collect::<Vec<_>>(),
        "peak_rss_bytes": peak(taken),
        "phases": taken.last().map(|taken| &taken.phases),
    })
}
