//! When backups and drills are due, what a log of drills counts for, and what a status makes of it.

use jiff::Timestamp;
use jiff::civil::Date;
use paycraft_dr::model::drill_log::rows;
use paycraft_dr::model::exposition::metrics;
use paycraft_dr::model::key::BackupKey;
use paycraft_dr::model::objective::RPO_OBJECTIVE;
use paycraft_dr::model::schedule::{DrillDay, DrillSchedule, Schedule};
use paycraft_dr::model::standing::{Drill, NewestBackup, Rpo, Standing, Storage};
use paycraft_dr::model::verdict::CheckOutcome;

fn day(text: &str) -> Date {
    text.parse().expect("a day")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

#[test]
fn the_first_monday_of_a_month() {
    for (of, monday) in [
        ("2026-11-30", "2026-11-02"),
        ("2026-06-01", "2026-06-01"),
        ("2026-12-31", "2026-12-07"),
        ("2027-02-14", "2027-02-01"),
        ("2024-02-29", "2024-02-05"),
        ("2028-10-01", "2028-10-02"),
    ] {
        assert_eq!(
            Schedule::default().drills.in_month_of(day(of)),
            day(monday),
            "{of}"
        );
    }
}

#[test]
fn a_month_without_its_drill_is_overdue_from_the_tuesday_on() {
    // The first Mondays: 5 October, 2 November, 7 December 2026, 4 January 2027.
    for (today, last, overdue, next_due) in [
        ("2026-11-24", None, true, "2026-12-07"),
        ("2026-11-24", Some("2026-11-02"), false, "2026-12-07"),
        ("2026-11-24", Some("2026-11-23"), false, "2026-12-07"),
        ("2026-11-24", Some("2026-11-24"), false, "2026-12-07"),
        // Held a day early: it answers for October.
        ("2026-11-24", Some("2026-11-01"), true, "2026-12-07"),
        ("2026-11-24", Some("2026-10-05"), true, "2026-12-07"),
        // The Monday itself may be used to its end.
        ("2026-11-02", Some("2026-10-05"), false, "2026-11-02"),
        ("2026-11-02", Some("2026-11-02"), false, "2026-12-07"),
        ("2026-11-02", Some("2026-10-04"), true, "2026-11-02"),
        ("2026-11-03", Some("2026-10-31"), true, "2026-12-07"),
        ("2026-11-03", Some("2026-11-02"), false, "2026-12-07"),
        // Before the month's first Monday, the last month's counts.
        ("2026-12-01", Some("2026-11-02"), false, "2026-12-07"),
        ("2026-12-01", Some("2026-11-01"), true, "2026-12-07"),
        ("2026-12-06", None, true, "2026-12-07"),
        // Over the end of a year.
        ("2027-01-03", Some("2026-12-07"), false, "2027-01-04"),
        ("2027-01-05", Some("2026-12-31"), true, "2027-02-01"),
        ("2026-12-31", Some("2026-12-08"), false, "2027-01-04"),
    ] {
        let expected = DrillSchedule {
            next_due: day(next_due),
            overdue,
        };
        assert_eq!(
            Schedule::default().drills(last.map(day), day(today)),
            expected,
            "{today} after {last:?}"
        );
    }
}

#[test]
fn a_drill_that_is_still_to_come_proves_nothing_yet() {
    let drill = Drill::after(
        [day("2026-10-06"), day("2062-11-02")],
        day("2026-11-24"),
        Schedule::default(),
    );
    assert_eq!(
        (drill.last_at, drill.overdue),
        (Some(day("2026-10-06")), Some(true))
    );
    assert_eq!(drill.check().outcome, CheckOutcome::Failed);
}

#[test]
fn another_product_has_days_and_hours_of_its_own() {
    let schedule = Schedule {
        backup_at: "23:30".parse().expect("a time"),
        drills: "first tuesday".parse().expect("a day"),
    };
    // The first Tuesdays: 3 November, 1 December.
    for (today, last, overdue) in [
        ("2026-11-03", Some("2026-10-06"), false),
        ("2026-11-04", Some("2026-11-02"), true),
        ("2026-11-04", Some("2026-11-03"), false),
    ] {
        let drill = Drill::after(last.map(day), day(today), schedule);
        assert_eq!(drill.overdue, Some(overdue), "{today} after {last:?}");
    }
    let late = Drill::after([], day("2026-11-04"), schedule).check();
    assert_eq!(
        late.detail,
        "none held; each first Tuesday of a month wants one, held on that day or later; the next is due on 2026-12-01"
    );
    let next = schedule.next_backup(at("2026-11-24T12:00:00Z"));
    assert_eq!(next, at("2026-11-24T23:30:00Z"));
    assert!("second Monday".parse::<DrillDay>().is_err() && "first".parse::<DrillDay>().is_err());
}

#[test]
fn backups_begin_at_two() {
    for (now, next) in [
        ("2026-11-24T01:59:59Z", "2026-11-24T02:00:00Z"),
        ("2026-11-24T02:00:00Z", "2026-11-25T02:00:00Z"),
        ("2026-12-31T23:00:00Z", "2027-01-01T02:00:00Z"),
    ] {
        assert_eq!(Schedule::default().next_backup(at(now)), at(next), "{now}");
    }
}

const LOG: &str = "# Drills\n\n\
    | Date | Operator | Backup restored | RTO observed | Tables verified | Outcome | Notes |\n\
    |---|---|---|---|---|---|---|\n\
    | _bootstrap_ | - | - | - | - | proven | placeholder |\n\
    | 2026-09-07 | ada | k | 3 min | 5 of 5 | **PASS** | \u{2014} |\n\
    | 2026/10/05 | bob \\| eve | k | 3 min | 5 of 5 | proven | `drill --seed 1` |\n\
    | 2026-11-02 | ada | k | not reached | 4 of 5 | not proven | a table differed |\n\
    | 2026-11-03 | ada | k | 3 min | 5 of 5 | failed: passed the limit | |\n\
    | 2026-11-04 | ada | k | too | few | cells |\n\
    | soon | ada | k | 3 min | 5 of 5 | \u{2705} success | no day |\n\n\
    | 2026-11-20 | not | of | the | table | proven | it ended above |\n";

#[test]
fn only_proven_drills_of_the_table_count() {
    let rows = rows(LOG).expect("a table");
    let told: Vec<_> = rows.iter().map(|row| (row.day(), row.is_proven())).collect();
    let expected = [
        (Some(day("2026-09-07")), true),
        (Some(day("2026-10-05")), true),
        (Some(day("2026-11-02")), false),
        (Some(day("2026-11-03")), false),
        (None, true),
    ];
    assert_eq!(told, expected);
    assert_eq!(rows[1].operator, "bob | eve");
    assert_eq!(rows[1].notes, "`drill --seed 1`");
}

#[test]
fn a_row_is_read_as_it_was_written() {
    use paycraft_dr::model::drill_log::{DrillLogRow, append, empty};
    let row = DrillLogRow {
        date: "2026-11-02".into(),
        operator: "a|b \\ c".into(),
        outcome: "proven".into(),
        ..DrillLogRow::default()
    };
    let log = append(&empty(), &row).expect("a log");
    assert_eq!(rows(&log).expect("rows"), [row]);
}

fn newest(started_at: &str) -> NewestBackup {
    NewestBackup {
        key: BackupKey::at(at(started_at)),
        started_at: at(started_at),
    }
}

#[test]
fn an_objective_is_met_to_the_second() {
    let now = at("2026-11-24T02:00:07Z");
    for (started_at, age_seconds, met) in [
        ("2026-11-23T02:00:07Z", 86_400, true),
        ("2026-11-23T02:00:06Z", 86_401, false),
        ("2026-11-24T02:00:10Z", 0, true),
    ] {
        let rpo = Rpo::at(now, Some(newest(started_at)), RPO_OBJECTIVE);
        assert_eq!(
            (rpo.age_seconds, rpo.met),
            (Some(age_seconds), met),
            "{started_at}"
        );
    }
    let none = Rpo::at(now, None, RPO_OBJECTIVE);
    assert_eq!(
        (none.age_seconds, none.met, none.objective_seconds),
        (None, false, 86_400)
    );
    assert!(Storage::of(10, 10).met && !Storage::of(11, 10).met);
}

#[test]
fn a_status_says_what_was_missed() {
    let now = at("2026-11-24T02:03:00Z");
    let late = newest("2026-11-23T02:00:07Z");
    let standing = Standing {
        source: None,
        unclear: None,
        suspicious: Vec::new(),
        newest: Some(late.key),
        rpo: Rpo::at(now, Some(late), RPO_OBJECTIVE),
        storage: Storage::of(9_876_543_210, 10_000_000_000),
    };
    let [rpo, storage] = standing.checks(now, Schedule::default());
    assert_eq!(
        rpo.detail,
        "24 h 2 min old, and 24 h 0 min at most was promised; the next daily backup begins 2026-11-25 02:00 UTC; the last one due \
         may still be running"
    );
    assert_eq!(
        (rpo.outcome, storage.outcome),
        (CheckOutcome::Failed, CheckOutcome::Passed)
    );
    assert!(
        storage.detail.starts_with("9.87 of 10.00 GB, 98.7 %"),
        "{}",
        storage.detail
    );
    let unknown = Drill::unknown(
        day("2026-11-24"),
        "no log of drills was named",
        Schedule::default(),
    )
    .check();
    assert_eq!(unknown.outcome, CheckOutcome::Skipped);
}

#[test]
fn metrics_are_prometheus_text() {
    let now = at("2026-11-24T14:00:00Z");
    let backup = newest("2026-11-24T02:00:07Z");
    let standing = Standing {
        source: None,
        unclear: None,
        suspicious: Vec::new(),
        newest: Some(backup.key),
        rpo: Rpo::at(now, Some(backup), RPO_OBJECTIVE),
        storage: Storage::of(123, 10_000_000_000),
    };
    let drill = Drill::after([day("2026-11-02")], day("2026-11-24"), Schedule::default());
    let text = metrics(now, Some(&standing), Some(&drill));
    let values: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        values,
        [
            "paycraft_dr_up 1",
            "paycraft_dr_checked_timestamp_seconds 1795528800",
            "paycraft_dr_backup_started_timestamp_seconds 1795485607",
            "paycraft_dr_rpo_age_seconds 43193",
            "paycraft_dr_rpo_objective_seconds 86400",
            "paycraft_dr_rpo_met 1",
            "paycraft_dr_storage_used_bytes 123",
            "paycraft_dr_storage_budget_bytes 10000000000",
            "paycraft_dr_storage_met 1",
            "paycraft_dr_drill_last_timestamp_seconds 1793577600",
            "paycraft_dr_drill_due_timestamp_seconds 1796601600",
            "paycraft_dr_drill_overdue 0",
        ]
    );
    for (number, block) in text.lines().collect::<Vec<_>>().chunks(3).enumerate() {
        let name = block[2].split(' ').next().expect("a name");
        assert!(
            block[0].starts_with(&format!("# HELP {name} ")),
            "{number}: {block:?}"
        );
        assert_eq!(block[1], format!("# TYPE {name} gauge"));
    }
    assert!(text.ends_with('\n'));

    // What is not known is not told.
    let nothing = metrics(
        now,
        None,
        Some(&Drill::unknown(
            day("2026-11-24"),
            "nobody knows",
            Schedule::default(),
        )),
    );
    assert!(
        nothing.contains("paycraft_dr_up 0\n") && !nothing.contains("rpo") && !nothing.contains("overdue")
    );
    assert!(!metrics(now, None, None).contains("drill"));
}
