//! Pruning a real store: what goes, what a failure on the way leaves, and what the next run makes of it.

use std::process::{Command, Output};
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use paycraft_dr::drill::s3_faults::{Operation, RequestFailure};
use paycraft_dr::error::Kind;
use paycraft_dr::model::catalog::{BackupState, read_listing};
use paycraft_dr::model::key::BackupKey;
use paycraft_dr::model::manifest::Manifest;
use paycraft_dr::model::pin::Pin;
use paycraft_dr::model::retention::Policy;
use paycraft_dr::model::selection::Among;
use paycraft_dr::model::suspicion::Suspicion;
use paycraft_dr::model::timeline::{Event, Observer};
use paycraft_dr::recovery::prune::{PruneRequest, Pruned, prune, take_stock};
use paycraft_dr::recovery::{catalog, choosing};

use super::kit::{SMALL_SCHEMA, Silent, TestStore, World, json, output, program, run};

/// The manifest of a backup that is nothing but one byte, which is enough for a store.
fn manifest(key: BackupKey) -> Manifest {
    let text = serde_json::json!({
        "manifest_version": 1, "key": key.to_string(), "started_at": key.began_at(), "finished_at": key.began_at(),
        "tool_version": "0", "pg_dump_version": "15.1", "copy_settings": {}, "head_bytes": 0,
        "source": { "database": "d", "project_ref": null, "system_identifier": null, "server_version": "15.1" },
        "raw_bytes": 1, "stored_bytes": 1, "sha256": "",
        "blocks": [{ "offset": 0, "stored_bytes": 1, "raw_bytes": 1, "sha256": "0".repeat(64) }],
        "tables": [], "large_objects": { "rows": 0, "fingerprint": "0".repeat(32) }, "entries": [], "sequences": [],
        "populated_views": [], "extensions": [], "roles": [],
    });
    serde_json::from_value(text).expect("a manifest")
}

fn put(bucket: &TestStore, key: &str, bytes: &[u8]) {
    bucket.server.overwrite(key, bytes).expect("an object");
}

fn put_backup(bucket: &TestStore, key: BackupKey) {
    put(bucket, &key.to_string(), b"x");
    let document = manifest(key).encode().expect("a document");
    put(bucket, &key.manifest_key(), &document);
}

/// One instant for all, so that a key is the same whenever it is asked for.
static NOW: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);

fn days_ago(days: i64) -> BackupKey {
    BackupKey::at(*NOW - SignedDuration::from_hours(24 * days))
}

/// Backups of so many days.
fn put_backups(bucket: &TestStore, days: impl IntoIterator<Item = i64>) {
    for days in days {
        put_backup(bucket, days_ago(days));
    }
}

async fn keys(bucket: &TestStore) -> Vec<String> {
    let listing = bucket.store.list("").await.expect("a listing");
    listing.into_iter().map(|object| object.key).collect()
}

async fn pruned(bucket: &TestStore) -> Pruned {
    let seen = take_stock(&bucket.store).await.expect("a stock");
    prune(&bucket.store, seen, request(), &Silent)
        .await
        .expect("a prune")
}

fn request() -> PruneRequest {
    PruneRequest {
        policy: Policy::default(),
        now: *NOW,
        dry_run: false,
    }
}

fn names(lines: &[paycraft_dr::recovery::prune::PrunedItem]) -> Vec<&str> {
    lines.iter().map(|line| line.key.as_str()).collect()
}

#[test]
fn what_has_had_its_time_goes_with_its_manifest() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, (0..8).chain([40, 50]));
        put(&bucket, "notes.txt", b"x");
        let before = keys(&bucket).await;
        let pruned = pruned(&bucket).await;
        assert_eq!(
            names(&pruned.removed),
            [days_ago(40).to_string(), days_ago(50).to_string()]
        );
        assert_eq!((pruned.kept.len(), pruned.foreign), (8, 1));
        let after = keys(&bucket).await;
        assert_eq!(before.len() - after.len(), 4, "two objects and two manifests");
        assert!(after.contains(&"notes.txt".to_owned()));
    });
}

fn put_pin(bucket: &TestStore, key: BackupKey, until: Option<jiff::civil::Date>) {
    let pin = Pin::new(key, "an audit", until, *NOW);
    put(bucket, &key.pin_key(), &pin.encode().expect("a document"));
}

#[test]
fn what_is_pinned_stays_until_its_last_day_has_passed() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, (0..8).chain([40, 50, 60, 70]));
        put_pin(&bucket, days_ago(70), None);
        put_pin(&bucket, days_ago(60), Some(days_ago(1).day()));
        // What cannot be read keeps its backup, too.
        put(&bucket, &days_ago(50).pin_key(), b"{");
        // One that is set after the store was looked at holds.
        let seen = take_stock(&bucket.store).await.expect("a stock");
        put_pin(&bucket, days_ago(40), None);
        let once = prune(&bucket.store, seen, request(), &Silent)
            .await
            .expect("a prune");
        assert_eq!(names(&once.removed), [days_ago(60).to_string()]);
        let left = keys(&bucket).await;
        assert!(!left.iter().any(|key| *key == days_ago(60).pin_key()), "{left:?}");
        let twice = pruned(&bucket).await;
        assert!(twice.removed.is_empty(), "{twice:?}");
        for (day, reason) in [
            (70, "pinned: an audit"),
            (50, "cannot be read"),
            (40, "pinned: an audit"),
        ] {
            let kept = twice
                .kept
                .iter()
                .find(|line| line.key == days_ago(day).to_string());
            assert!(
                kept.is_some_and(|line| line.reason.contains(reason)),
                "{day}: {kept:?}"
            );
        }
    });
}

/// Pins the oldest backup once another is gone.
struct PinAfterOne<'a>(&'a TestStore);

impl Observer for PinAfterOne<'_> {
    fn observe(&self, event: Event) {
        if matches!(event, Event::Noted(_)) {
            put_pin(self.0, days_ago(40), None);
        }
    }
}

#[test]
fn what_is_pinned_while_others_go_stays() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, (0..8).chain([40, 50]));
        let seen = take_stock(&bucket.store).await.expect("a stock");
        let pruned = prune(&bucket.store, seen, request(), &PinAfterOne(&bucket))
            .await
            .expect("a prune");
        assert_eq!(names(&pruned.removed), [days_ago(50).to_string()]);
        assert!(pruned.failure.is_none() && keys(&bucket).await.contains(&days_ago(40).manifest_key()));
    });
}

#[test]
fn a_pin_is_set_shown_and_taken_off_by_command() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, (0..8).chain([40]));
        let old = days_ago(40).to_string();
        let dr = async |arguments: &[&str]| output(with_store(&bucket, arguments)).await;
        let text = |ended: &Output| String::from_utf8_lossy(&ended.stdout).into_owned();
        let gone = dr(&["pin", &old, "--why", "an audit", "--until", "2020/01/01"]).await;
        assert_eq!(gone.status.code(), Some(2), "a day that has passed keeps nothing");
        let pinned = dr(&["pin", &old, "--why", "an audit"]).await;
        assert_eq!(pinned.status.code(), Some(0), "{}", super::kit::said(&pinned));
        assert_eq!(
            dr(&["pin", &old, "--why", "another"]).await.status.code(),
            Some(4)
        );
        assert!(text(&dr(&["list"]).await).contains("  pinned: an audit\n"));
        assert!(text(&dr(&["prune"]).await).contains("removed 0 "));
        let listed = json(&dr(&["list", "--json"]).await);
        let mut backups = listed["backups"].as_array().expect("backups").iter();
        let listed = backups
            .find(|backup| backup["key"] == old.as_str())
            .expect("the backup");
        assert_eq!(listed["pin"]["why"], "an audit");
        assert_eq!(dr(&["unpin", &old]).await.status.code(), Some(0));
        assert_eq!(dr(&["unpin", &old]).await.status.code(), Some(4));
        assert!(text(&dr(&["prune"]).await).contains("removed 1 "));
    });
}

#[test]
fn a_failure_between_manifest_and_object_leaves_what_the_next_run_removes() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, (0..8).chain([40, 50]));
        // The manifest goes and the answer is lost; asked again, the store refuses.
        bucket
            .server
            .fail_next(Operation::Delete, RequestFailure::AnswerLost, 1);
        bucket.server.fail_next(
            Operation::Delete,
            RequestFailure::Refused(403, "AccessDenied", "Access Denied"),
            1,
        );
        let first = pruned(&bucket).await;
        let error = first.failure.expect("a failure");
        assert_eq!(error.kind(), Kind::Store);
        assert!(error.to_string().contains("0 of 2 were removed"), "{error}");
        assert!(first.removed.is_empty());
        let (oldest, left) = (days_ago(50), keys(&bucket).await);
        assert!(left.contains(&oldest.to_string()) && !left.contains(&oldest.manifest_key()));
        let second = pruned(&bucket).await;
        assert!(second.failure.is_none());
        assert_eq!(
            names(&second.removed),
            [days_ago(40).to_string(), oldest.to_string()]
        );
        assert_eq!(keys(&bucket).await.len(), 16);
    });
}

#[test]
fn a_failure_later_says_what_went_before() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, (0..8).chain([40]));
        put(&bucket, &days_ago(60).to_string(), b"legacy");
        let seen = take_stock(&bucket.store).await.expect("a stock");
        let stop = RefuseAfterOne(&bucket);
        let pruned = prune(&bucket.store, seen, request(), &stop)
            .await
            .expect("a prune");
        let error = pruned.failure.expect("a failure");
        assert!(
            error.to_string().contains("1 of 2 were removed before it"),
            "{error}"
        );
        assert!(
            error
                .next_step()
                .is_some_and(|step| step.contains("prune` again"))
        );
        assert_eq!(names(&pruned.removed), [days_ago(60).to_string()]);
    });
}

/// Makes the store refuse the next deletion once something is gone.
struct RefuseAfterOne<'a>(&'a TestStore);

impl paycraft_dr::model::timeline::Observer for RefuseAfterOne<'_> {
    fn observe(&self, event: paycraft_dr::model::timeline::Event) {
        if matches!(event, paycraft_dr::model::timeline::Event::Noted(_)) {
            self.0.server.fail_next(
                Operation::Delete,
                RequestFailure::Refused(403, "AccessDenied", "Access Denied"),
                1,
            );
        }
    }
}

#[test]
fn a_floor_that_vanished_meanwhile_holds_up_nothing() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, (0..7).chain([40]));
        let seen = take_stock(&bucket.store).await.expect("a stock");
        bucket.server.remove(&days_ago(3).manifest_key());
        let pruned = prune(&bucket.store, seen, request(), &Silent)
            .await
            .expect("a prune");
        assert!(pruned.removed.is_empty(), "{pruned:?}");
        let again = self::pruned(&bucket).await;
        assert!(
            again.removed.is_empty(),
            "six attested backups are newer than the old one"
        );
        // What came to be there meanwhile is not ruled on.
        let seen = take_stock(&bucket.store).await.expect("a stock");
        put_backup(&bucket, days_ago(90));
        let pruned = prune(&bucket.store, seen, request(), &Silent)
            .await
            .expect("a prune");
        assert!(pruned.removed.is_empty(), "{pruned:?}");
    });
}

#[test]
fn manifests_that_nobody_here_can_judge_stay() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, 0..8);
        let mut newer = manifest(days_ago(50));
        newer.manifest_version = 3;
        put(&bucket, &days_ago(50).to_string(), b"x");
        put(
            &bucket,
            &days_ago(50).manifest_key(),
            &newer.encode().expect("a document"),
        );
        put_backup(&bucket, days_ago(51));
        put(&bucket, &days_ago(51).manifest_key(), b"{}");
        put_backup(&bucket, days_ago(52));
        put(&bucket, &days_ago(52).to_string(), b"longer");
        let pruned = pruned(&bucket).await;
        assert!(pruned.removed.is_empty(), "{pruned:?}");
        let orphans = pruned.kept.iter().filter(|line| line.state == "orphan");
        let reasons: Vec<&str> = orphans.map(|line| line.reason.as_str()).collect();
        assert_eq!(reasons.len(), 3, "{reasons:?}");
        for (reason, says) in reasons.iter().zip(["version 3", "no seal", "made with 1"]) {
            assert!(reason.contains(says), "{reason}");
        }
    });
}

/// A prune of somebody else's, which goes on as soon as this one is warned.
struct GoesMeanwhile<'a>(&'a TestStore, Vec<String>);

impl Observer for GoesMeanwhile<'_> {
    fn observe(&self, event: Event) {
        if matches!(event, Event::Warned(_)) {
            for key in &self.1 {
                self.0.server.remove(key);
            }
        }
    }
}

#[test]
fn one_manifest_that_cannot_be_read_or_vanishes_does_not_hide_the_rest() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, 1..=20);
        let mut newer = manifest(days_ago(0));
        newer.manifest_version = 3;
        put(&bucket, &days_ago(0).to_string(), b"x");
        let document = newer.encode().expect("a document");
        put(&bucket, &days_ago(0).manifest_key(), &document);
        // The first line is told before the last lookups begin.
        let (half, whole) = (days_ago(18), days_ago(19));
        let going = vec![half.manifest_key(), whole.manifest_key(), whole.to_string()];
        let listed = catalog::list(&bucket.store, None, *NOW, &GoesMeanwhile(&bucket, going)).await;
        let listed = listed.expect("a catalog");
        let state = |key| listed.iter().find(|line| line.key == key).map(|line| line.state);
        assert_eq!(state(days_ago(0)), Some(BackupState::Orphan));
        assert_eq!(state(half), Some(BackupState::Unattested));
        assert_eq!(state(whole), None);
        let attested = listed.iter().filter(|line| line.state == BackupState::Attested);
        assert_eq!(attested.count(), 18);

        // What was listed before is looked at after it went.
        let found = read_listing(&bucket.store.list("").await.expect("a listing"));
        bucket.server.remove(&days_ago(1).manifest_key());
        let entries = catalog::survey(&bucket.store, found, &Among::ANY, None, &Silent).await;
        let newest = choosing::newest(&entries.expect("an answer"), &Among::ANY, *NOW, &Silent);
        let (newest, _) = newest.expect("one source").good.expect("a backup");
        assert_eq!(newest, days_ago(2));
        let told = pruned(&bucket).await;
        let told = told.kept.iter().find(|line| line.key == days_ago(0).to_string());
        assert_eq!(told.expect("it stays").state, BackupState::Orphan.name());
    });
}

fn with_store(bucket: &TestStore, arguments: &[&str]) -> Command {
    let mut command = program(arguments);
    command.envs(bucket.environment());
    command
}

async fn prune_from_the_shell(bucket: &TestStore, arguments: &[&str]) -> Output {
    output(with_store(bucket, &[&["prune", "--json"], arguments].concat())).await
}

#[test]
fn the_command_tells_and_does_what_it_told() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let at = (*NOW - SignedDuration::from_hours(24 * 45)).to_string();
        let made = world.back_up_at(&source, &at).await.expect("a backup");
        let bucket = &world.bucket;
        put_backups(bucket, 0..7);
        for key in (0..7).map(days_ago) {
            let of_the_same_source = Manifest {
                source: made.manifest.source.clone(),
                suspicion: Some(Suspicion::default()),
                ..manifest(key)
            };
            let document = of_the_same_source.encode().expect("a manifest");
            bucket.put(&key.manifest_key(), &document);
        }
        let before = keys(bucket).await;

        let dry = json(&prune_from_the_shell(bucket, &["--dry-run"]).await);
        assert_eq!(
            (&dry["dry_run"], &dry["exit_code"]),
            (&true.into(), &0.into()),
            "{dry}"
        );
        assert_eq!(dry["removed"][0]["key"], made.key.to_string());
        assert_eq!(keys(bucket).await, before, "a dry run removes nothing");

        let kept = json(&prune_from_the_shell(bucket, &["--keep", "8"]).await);
        assert_eq!(kept["removed"], serde_json::json!([]));
        let kept = json(&prune_from_the_shell(bucket, &["--days", "60"]).await);
        assert_eq!(kept["removed"], serde_json::json!([]));

        let wet = json(&prune_from_the_shell(bucket, &[]).await);
        assert_eq!((&wet["removed"], &wet["kept"]), (&dry["removed"], &dry["kept"]));
        assert_eq!(wet["dry_run"], false);
        assert_eq!(keys(bucket).await.len(), before.len() - 3);

        let table = output(with_store(bucket, &["prune"])).await;
        let text = String::from_utf8_lossy(&table.stdout).into_owned();
        assert!(text.contains("removed 0 (0 B), kept 7"), "{text}");
        for nothing in ["0", "-1", "x"] {
            let refused = prune_from_the_shell(bucket, &["--keep", nothing]).await;
            assert_eq!(refused.status.code(), Some(2), "--keep {nothing}");
        }
    });
}

#[test]
fn a_store_that_refuses_ends_with_its_own_exit_code() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, (0..8).chain([40, 50]));
        bucket
            .server
            .fail_next(Operation::Delete, RequestFailure::AnswerLost, 1);
        bucket.server.fail_next(
            Operation::Delete,
            RequestFailure::Refused(403, "AccessDenied", "Access Denied"),
            1,
        );
        let ended = prune_from_the_shell(&bucket, &[]).await;
        let document = json(&ended);
        assert_eq!(ended.status.code(), Some(6), "{document}");
        assert_eq!(document["error"]["kind"], "store");
        assert_eq!(document["removed"], serde_json::json!([]));
        assert!(
            document["error"]["hint"]
                .as_str()
                .expect("a hint")
                .contains("prune"),
            "{document}"
        );
    });
}

#[test]
fn the_configuration_sets_the_policy() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, [1, 2, 3, 4]);
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("paycraft-dr.toml");
        let prune = |text: &str| {
            std::fs::write(&config, text).expect("a file");
            let mut command = with_store(&bucket, &["prune", "--dry-run", "--json"]);
            command.arg("--config").arg(&config);
            output(command)
        };
        let document = json(&prune("[retention]\ndays = 2\nkeep = 2\n").await);
        assert_eq!(
            document["removed"].as_array().map(Vec::len),
            Some(2),
            "{document}"
        );
        assert_eq!(prune("[retention]\nkeep = 0\n").await.status.code(), Some(2));
    });
}

#[test]
fn unfinished_uploads_are_left_alone_while_they_are_young() {
    run(async {
        let bucket = TestStore::start().await;
        put_backups(&bucket, 0..1);
        let upload = bucket
            .store
            .begin_upload(&days_ago(0).to_string())
            .await
            .expect("an upload");
        let foreign = bucket
            .store
            .begin_upload("somebody/else")
            .await
            .expect("an upload");
        let kept = pruned(&bucket).await;
        assert_eq!(kept.kept[1].state, "unfinished upload");
        assert_eq!((bucket.server.open_uploads().len(), kept.foreign), (2, 1));
        // Three days later, as far as ages are told.
        let later = PruneRequest {
            now: *NOW + SignedDuration::from_hours(72),
            ..request()
        };
        let seen = take_stock(&bucket.store).await.expect("a stock");
        let swept = prune(&bucket.store, seen, later, &Silent).await.expect("a prune");
        assert_eq!(swept.removed[0].state, "unfinished upload", "{swept:?}");
        assert_eq!(bucket.server.open_uploads(), ["somebody/else"]);
        for upload in [upload, foreign] {
            let _ = upload.abort().await;
        }
    });
}
