//! `paycraft-dr status` against real stores and logs.

use std::path::Path;
use std::process::{Command, Output};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::schedule::Schedule;
use paycraft_dr::postgres::conninfo::Side;
use paycraft_dr::recovery::{choosing, status};
use serde_json::{Value, json};

use super::kit::{SMALL_SCHEMA, TestStore, Warnings, World, json, output, program, run, said};

fn status_of(bucket: &TestStore, arguments: &[&str]) -> Command {
    let mut command = program(&["status", "--json"]);
    command.args(arguments).envs(bucket.environment());
    command
}

/// A world whose newest backup began so long ago.
async fn backed_up(ago: SignedDuration) -> Option<World> {
    let world = World::new().await?;
    let source = world.postgres.source(SMALL_SCHEMA).await;
    let at = (Timestamp::now() - ago).to_string();
    world.back_up_at(&source, &at).await.expect("a backup");
    Some(world)
}

/// A log of drills with one of each day.
fn write_log(path: &Path, days: &[&str]) {
    let rows: String = days
        .iter()
        .map(|day| format!("| {day} | ada | k | 3 min | 5 of 5 | proven | |\n"))
        .collect();
    let head = "| Date | Operator | Backup restored | RTO observed | Tables verified | Outcome | Notes |";
    std::fs::write(path, format!("{head}\n|---|---|---|---|---|---|---|\n{rows}")).expect("a log");
}

#[track_caller]
fn assert_missed(ended: &Output, says: &str) -> Value {
    let document = json(ended);
    assert_eq!(ended.status.code(), Some(3), "{document}");
    assert_eq!(document["error"]["kind"], "not proven");
    assert_eq!(document["error"]["message"], says, "{document}");
    assert!(document["error"]["hint"].is_string(), "{document}");
    document
}

#[test]
fn what_is_dated_in_the_future_is_the_newest_for_nobody() {
    run(async {
        let Some(world) = backed_up(SignedDuration::from_hours(1)).await else {
            return;
        };
        let (store, now) = (&world.bucket.store, Timestamp::now());
        let newest = store.list("").await.expect("a listing")[0].key.clone();
        let mistaken = "2099/01/01/backup-20990101-020000";
        for suffix in [".dump.gz", ".manifest.json"] {
            let from = newest.replace(".dump.gz", suffix);
            let bytes = world.bucket.bytes(&from);
            let to = format!("{mistaken}{suffix}");
            world.bucket.put(&to, &bytes);
        }
        let heard = [Warnings::default(), Warnings::default()];
        let standing = status::look(store, Some(u64::MAX), now, &heard[0]).await;
        let counted = standing.expect("an answer").newest.expect("a backup");
        let selected = choosing::select(store, Selector::Latest, now, &heard[1]).await;
        assert_eq!(counted.to_string(), newest);
        assert_eq!(selected.expect("a backup").manifest.key, newest);
        for heard in heard {
            let warnings = heard.0.into_inner().expect("no panic");
            assert!(
                warnings.len() == 1 && warnings[0].contains(mistaken),
                "{warnings:?}"
            );
        }
        let mut list = program(&["list"]);
        list.envs(world.bucket.environment());
        let listed = String::from_utf8(output(list).await.stdout).expect("text");
        let row = listed
            .lines()
            .find(|line| line.starts_with(mistaken))
            .expect("a row");
        assert!(row.contains(" future "), "{listed}");

        let target = world.postgres.database(Side::Target).await;
        let mut restore = program(&["restore", "--json"]);
        restore
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", world.postgres.url(&target));
        let restored = output(restore).await;
        assert_eq!(json(&restored)["backup"], newest, "{}", json(&restored));
        assert!(said(&restored).contains(mistaken), "{}", said(&restored));
    });
}

#[test]
fn promises_that_hold_end_with_0() {
    run(async {
        let Some(world) = backed_up(SignedDuration::from_hours(5)).await else {
            return;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("log.md");
        let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
        write_log(&log, &["2026-01-05", &today.to_string()]);
        let mut command = status_of(&world.bucket, &["--log"]);
        command.arg(&log);
        let ended = output(command).await;
        let document = json(&ended);
        assert_eq!(ended.status.code(), Some(0), "{document}");
        let next_month = today.first_of_month().checked_add(1.month()).expect("a month");
        let monday = Schedule::default().drills.in_month_of(today);
        let next_due = if monday > today {
            monday
        } else {
            Schedule::default().drills.in_month_of(next_month)
        };
        assert_eq!(
            document["drill"],
            json!({ "last_at": today.to_string(), "next_due": next_due.to_string(), "overdue": false })
        );
        let rpo = &document["rpo"];
        assert_eq!(
            (&rpo["objective_seconds"], &rpo["met"]),
            (&json!(86_400), &json!(true))
        );
        let age = rpo["age_seconds"].as_u64().expect("an age");
        assert!((18_000..18_600).contains(&age), "{age}");
        let listed = world.bucket.store.list("").await.expect("a listing");
        let used: u64 = listed.iter().map(|object| object.bytes).sum();
        assert_eq!(
            document["storage"],
            json!({ "used_bytes": used, "budget_bytes": 10_000_000_000_u64, "met": true })
        );
        assert_eq!(document["newest"], listed[0].key);
    });
}

#[test]
fn whatever_is_missed_is_named() {
    run(async {
        let Some(world) = backed_up(SignedDuration::from_hours(30)).await else {
            return;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let (log, config) = (
            directory.path().join("log.md"),
            directory.path().join("paycraft-dr.toml"),
        );
        let late = output(status_of(&world.bucket, &["--no-drill"])).await;
        let document = assert_missed(&late, "missed: rpo");
        assert_eq!(
            (&document["rpo"]["met"], &document["drill"]),
            (&json!(false), &Value::Null)
        );

        write_log(&log, &["2026-01-05"]);
        std::fs::write(&config, "[status]\nstorage_budget_bytes = 1000\n").expect("a file");
        world.bucket.put("somebody/else", &[0; 1001]);
        let mut all = status_of(&world.bucket, &["--log"]);
        all.arg(&log).arg("--config").arg(&config);
        let document = assert_missed(&output(all).await, "missed: rpo, storage, drill");
        assert_eq!(document["drill"]["overdue"], true);
        assert_eq!(document["drill"]["last_at"], "2026-01-05");
        assert!(document["storage"]["used_bytes"].as_u64().expect("a size") > 1000);
    });
}

#[test]
fn a_drill_that_nobody_can_tell_about_is_not_proven() {
    run(async {
        let Some(world) = backed_up(SignedDuration::from_hours(1)).await else {
            return;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let document = assert_missed(&output(status_of(&world.bucket, &[])).await, "not checked: drill");
        assert_eq!(document["drill"]["overdue"], Value::Null);

        let prose = directory.path().join("prose.md");
        std::fs::write(&prose, "We drill now and then.\n").expect("a file");
        let mut command = status_of(&world.bucket, &["--log"]);
        command.arg(&prose);
        let document = assert_missed(&output(command).await, "not checked: drill");
        let told = document["checks"][2]["detail"].as_str().expect("a detail");
        assert!(told.contains("holds no drill table"), "{told}");

        // A log that does not exist yet holds no drill, and that is known.
        let mut command = status_of(&world.bucket, &["--log"]);
        command.arg(directory.path().join("missing.md"));
        assert_missed(&output(command).await, "missed: drill");
        assert_eq!(
            output(status_of(&world.bucket, &["--no-drill"]))
                .await
                .status
                .code(),
            Some(0)
        );
    });
}

#[test]
fn evidence_of_drills_counts_like_the_log() {
    run(async {
        let Some(world) = backed_up(SignedDuration::from_hours(1)).await else {
            return;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let keep = |name: &str, verdict: &str| {
            let document = json!({ "started_at": Timestamp::now(), "verdict": verdict, "scenario": "cycle" });
            std::fs::write(directory.path().join(name), document.to_string()).expect("a file");
        };
        let told = async || {
            let mut command = status_of(&world.bucket, &["--report"]);
            command.arg(directory.path());
            output(command).await
        };
        keep("drill-1.json", "not proven");
        std::fs::write(directory.path().join("notes.json"), "{").expect("a file");
        keep("drill-2.txt", "proven");
        assert_missed(&told().await, "missed: drill");
        keep("drill-3.json", "proven");
        let ended = told().await;
        assert_eq!(ended.status.code(), Some(0), "{}", json(&ended));
    });
}

#[test]
fn a_bucket_without_a_backup_has_missed_its_objective() {
    run(async {
        let bucket = TestStore::start().await;
        let document = assert_missed(&output(status_of(&bucket, &["--no-drill"])).await, "missed: rpo");
        assert_eq!(
            document["rpo"],
            json!({ "age_seconds": null, "objective_seconds": 86_400, "met": false })
        );
        assert_eq!(document["newest"], Value::Null);
        assert_eq!(document["storage"]["used_bytes"], 0);
    });
}

#[test]
fn a_backup_that_cannot_be_trusted_is_not_the_newest() {
    run(async {
        let Some(world) = backed_up(SignedDuration::from_hours(10)).await else {
            return;
        };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let hours = |hours| (Timestamp::now() + SignedDuration::from_hours(hours)).to_string();
        let cut = world.back_up_at(&source, &hours(-2)).await.expect("a backup");
        let sealed = world.back_up_at(&source, &hours(-3)).await.expect("a backup");
        world.back_up_at(&source, &hours(24)).await.expect("a backup");
        world.bucket.put(&cut.key.to_string(), b"cut");
        world.bucket.put(&sealed.manifest_key, b"{}");
        let document = json(&output(status_of(&world.bucket, &["--no-drill"])).await);
        let age = document["rpo"]["age_seconds"].as_u64().expect("an age");
        assert!((36_000..36_600).contains(&age), "{document}");
        let text = output({
            let mut command = program(&["status", "--no-drill"]);
            command.envs(world.bucket.environment());
            command
        })
        .await;
        let warned = String::from_utf8_lossy(&text.stderr).into_owned();
        assert_eq!(warned.matches("it is not counted").count(), 3, "{warned}");
        let told = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(told.contains("passed   rpo"), "{told}");
    });
}

#[test]
fn metrics_are_written_whatever_was_found() {
    run(async {
        let Some(world) = backed_up(SignedDuration::from_hours(30)).await else {
            return;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("paycraft-dr.prom");
        let told = async |command: &mut Command| {
            command.arg("--metrics").arg(&file);
            let code = output(std::mem::replace(command, Command::new("true")))
                .await
                .status
                .code();
            (code, std::fs::read_to_string(&file).expect("metrics"))
        };
        let (code, text) = told(&mut status_of(&world.bucket, &["--no-drill"])).await;
        assert_eq!(code, Some(3));
        assert!(
            text.contains("\npaycraft_dr_up 1\n") && text.contains("\npaycraft_dr_rpo_met 0\n"),
            "{text}"
        );

        let mut wrong = status_of(&world.bucket, &["--no-drill"]);
        wrong.env("R2_SECRET_ACCESS_KEY", "guess");
        let (code, text) = told(&mut wrong).await;
        assert_eq!(code, Some(6));
        assert!(
            text.contains("\npaycraft_dr_up 0\n") && !text.contains("rpo_met"),
            "{text}"
        );

        let mut unset = status_of(&world.bucket, &["--no-drill"]);
        unset.env_remove("R2_SECRET_ACCESS_KEY");
        std::fs::remove_file(&file).expect("a file");
        let (code, text) = told(&mut unset).await;
        assert_eq!(code, Some(2));
        assert!(text.contains("\npaycraft_dr_up 0\n"), "{text}");
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("a directory").count(),
            1,
            "no temporary file"
        );

        let mut nowhere = status_of(&world.bucket, &["--no-drill", "--metrics", "/nonexistent/x.prom"]);
        nowhere.env_remove("TMPDIR");
        let ended = output(nowhere).await;
        assert_eq!(ended.status.code(), Some(2), "{}", json(&ended));
    });
}
