//! The table for people, and the document for whoever calculates with it.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Asked;
use super::measured::{Measurements, Name, Taken};
use super::sets::Set;

pub(super) fn table(measurements: &Measurements) -> String {
    let mut text = format!(
        "{:<50} {:<7} {:>8} {:>10} {:>10}\n",
        "", "rows", "median", "store CPU", "peak"
    );
    for (name, set) in measurements.taken.keys().copied() {
        let peak = measurements
            .peak(name)
            .map_or_else(String::new, |bytes| format!("{} MiB", bytes >> 20));
        let _ = writeln!(
            text,
            "{:<50} {:<7} {:>6.2} s {:>8.2} s {peak:>10}",
            name.words(),
            set.database(),
            measurements.median(name, set, |taken| taken.seconds),
            measurements.median(name, set, |taken| taken.store_cpu_seconds),
        );
    }
    text
}

pub(super) fn document(asked: &Asked, measurements: &Measurements) -> Value {
    let median = |name, set| measurements.median(name, set, |taken| taken.seconds);
    let ratio = |ours, other, set| median(ours, set) / median(other, set);
    #[expect(clippy::cast_precision_loss, reason = "a size of some GiB")]
    let size = |what: &str| {
        let sizes = measurements.bytes.get(&Set::Many);
        sizes
            .and_then(|sizes| sizes.get(what))
            .map_or(f64::NAN, |bytes| *bytes as f64)
    };
    let (many, skewed) = (Set::Many, Set::Skewed);
    let rows: Vec<Value> = measurements
        .taken
        .iter()
        .map(|((name, set), taken)| row(*name, *set, taken, median(*name, *set)))
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
            "backup_size_vs_gzip_6": size("stored") / size("by_gzip_6"),
            "backup_size_vs_shell": size("stored") / size("stored_by_shell"),
            "restore_vs_shell": ratio(Name::OurRestore, Name::ShellRestore, many),
            "restore_vs_shell_skewed": ratio(Name::OurRestore, Name::ShellRestore, skewed),
            "restore_vs_pg_restore_many": ratio(Name::OurRestore, Name::PgRestore, many),
            "restore_vs_pg_restore_skewed": ratio(Name::OurRestore, Name::PgRestore, skewed),
            "restore_vs_limit": ratio(Name::OurRestore, Name::Limit, many),
            "restore_vs_limit_skewed": ratio(Name::OurRestore, Name::Limit, skewed),
            "restore_throttled_vs_free": ratio(Name::Throttled, Name::OurRestore, skewed),
            "restore_latency_vs_free": ratio(Name::FarAway, Name::OurRestore, skewed),
            "restore_verified_vs_shell": ratio(Name::OurVerifiedRestore, Name::ShellRestore, many),
        },
        "peak_rss_bytes": {
            "backup": measurements.peak(Name::OurBackup),
            "restore": measurements.peak(Name::OurVerifiedRestore),
        },
        "rows": rows,
    })
}

fn row(name: Name, set: Set, taken: &[Taken], median: f64) -> Value {
    json!({
        "name": name.words(),
        "set": set.database(),
        "median": median,
        "seconds": taken.iter().map(|taken| taken.seconds).collect::<Vec<_>>(),
        "store_cpu_seconds": taken.iter().map(|taken| taken.store_cpu_seconds).collect::<Vec<_>>(),
        "peak_rss_bytes": taken.iter().filter_map(|taken| taken.peak_rss_bytes).max(),
        "phases": taken.last().map(|taken| &taken.phases),
    })
}
