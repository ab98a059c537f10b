//! One table through many backups.

use std::collections::BTreeSet;

use paycraft_dr::model::key::BackupKey;
use paycraft_dr::recovery::backup::Made;
use paycraft_dr::recovery::manifest_index;
use serde_json::{Value, json};

use super::bytes_read;
use crate::kit::{World, execute, json as document, output, program, run, said};

const USERS: &str = "
    CREATE TABLE users (id int PRIMARY KEY, name text, note text);
    INSERT INTO users SELECT n, 'user ' || n, 'note ' || n FROM generate_series(1, 50) AS n;
    CREATE TABLE noise (n int);
";

/// Stores a backup once more, as if it had been made on a day of November.
fn again(world: &World, made: &Made, day: u32) -> BackupKey {
    let at = format!("2026-11-{day:02}T02:00:07Z").parse().expect("an instant");
    let key = BackupKey::at(at);
    let mut manifest = made.manifest.clone();
    manifest.key = key.to_string();
    (manifest.started_at, manifest.finished_at) = (at, at);
    let packed = manifest_index::encode(&mut manifest, key.index_key()).expect("a manifest");
    let object = world.bucket.bytes(&made.key.to_string());
    world.bucket.put(&key.to_string(), &object);
    world.bucket.put(&key.manifest_key(), &packed.document);
    key
}

async fn history(world: &World, arguments: &[&str]) -> Value {
    let mut command = program(&[&["history", "--json"], arguments].concat());
    command.envs(world.bucket.environment());
    let ran = output(command).await;
    assert!(ran.status.success(), "{}", said(&ran));
    document(&ran)
}

#[test]
fn a_row_is_followed_through_thirty_days_with_three_fetches() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(USERS).await;
        let first = world
            .back_up_at(&source, "2026-11-01T02:00:07Z")
            .await
            .expect("a backup");
        for day in 2..=10 {
            again(&world, &first, day);
        }
        // The rest of the database changes, and the table does not.
        execute(
            &source,
            "UPDATE users SET note = 'other' WHERE id = 7; INSERT INTO noise VALUES (1)",
        )
        .await;
        let second = world
            .back_up_at(&source, "2026-11-11T02:00:07Z")
            .await
            .expect("a backup");
        execute(&source, "INSERT INTO noise VALUES (2)").await;
        let third = world
            .back_up_at(&source, "2026-11-12T02:00:07Z")
            .await
            .expect("a backup");
        assert_ne!(second.manifest.sha256, third.manifest.sha256);
        for day in 13..=16 {
            again(&world, &third, day);
        }
        execute(&source, "DELETE FROM users WHERE id = 7").await;
        let fourth = world
            .back_up_at(&source, "2026-11-17T02:00:07Z")
            .await
            .expect("a backup");
        for day in 18..=30 {
            again(&world, &fourth, day);
        }

        let mut command = program(&["history", "users", "--where", "id=7", "--json"]);
        command.envs(world.bucket.environment());
        let (ran, read) = bytes_read(command).await;
        let followed = document(&ran);
        assert_eq!(
            (&followed["schema"], &followed["table"], &followed["fetches"]),
            (&json!("public"), &json!("users"), &json!(3))
        );
        let objects: BTreeSet<&str> = read
            .iter()
            .map(|(key, _)| key.as_str())
            .filter(|key| key.ends_with(".dump.gz"))
            .collect();
        let expected = [&first, &second, &fourth].map(|made| made.key.to_string());
        assert_eq!(
            objects,
            expected.iter().map(String::as_str).collect(),
            "each content once"
        );

        let days = followed["days"].as_array().expect("days");
        assert_eq!(days.len(), 30);
        let changed: Vec<usize> = (0..30).filter(|day| days[*day]["changed"] == true).collect();
        assert_eq!(changed, [10, 16]);
        assert_eq!(days[0]["changed"], Value::Null);
        assert!(days.iter().all(|day| day["definition_changed"] != true));
        let row = |note: &str| json!({"id": "7", "name": "user 7", "note": note});
        assert_eq!(
            (&days[9]["row"], &days[10]["row"], &days[15]["row"]),
            (&row("note 7"), &row("other"), &row("other"))
        );
        assert_eq!((&days[16]["row"], &days[16]["rows"]), (&Value::Null, &json!(49)));
        let altered = json!([{"change": "altered", "before": row("note 7"), "after": row("other"), "columns": ["note"]}]);
        assert_eq!(days[10]["changes"], altered);
        assert_eq!(
            days[16]["changes"],
            json!([{"change": "vanished", "before": row("other")}])
        );
        assert_eq!(
            (0..30).filter(|day| days[*day]["changes"] != json!([])).count(),
            2
        );

        // Without a condition no object is read at all, and a person reads the same.
        let mut command = program(&["history", "users"]);
        command.envs(world.bucket.environment());
        let (ran, read) = bytes_read(command).await;
        assert!(read.iter().all(|(key, _)| !key.ends_with(".dump.gz")), "{read:?}");
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert_eq!(told.matches("changed").count(), 2, "{told}");
        assert!(
            told.contains("changed, -1 rows") && told.contains("changed, as many rows"),
            "{told}"
        );
        let mut command = program(&["history", "users", "--where", "id=7"]);
        command.envs(world.bucket.environment());
        let told = said(&output(command).await);
        for line in [
            "row       id='7', name='user 7', note='note 7'",
            "changed   note: 'note 7' -> 'other'",
            "vanished  id='7', name='user 7', note='other'",
            "id = 7, compared as numbers",
        ] {
            assert!(told.contains(line), "{line} is not in {told}");
        }
    });
}

#[test]
fn definitions_and_tables_that_come_and_go_are_told() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(USERS).await;
        let steps = [
            "CREATE TABLE later (id int)",
            "ALTER TABLE users ADD COLUMN email text; UPDATE users SET email = 'a@b' WHERE id = 1",
            "ALTER TABLE users ADD CONSTRAINT named CHECK (name <> ''); DROP TABLE later",
        ];
        world
            .back_up_at(&source, "2026-11-01T02:00:07Z")
            .await
            .expect("a backup");
        for (day, step) in (2..).zip(steps) {
            execute(&source, step).await;
            world
                .back_up_at(&source, &format!("2026-11-{day:02}T02:00:07Z"))
                .await
                .expect("a backup");
        }
        let users = history(&world, &["users", "--where", "email=a@b"]).await;
        let days = users["days"].as_array().expect("days");
        let of = |name: &str| days.iter().map(|day| day[name].clone()).collect::<Vec<Value>>();
        assert_eq!(
            of("changed"),
            [json!(null), json!(false), json!(true), json!(false)]
        );
        assert_eq!(
            of("definition_changed"),
            [json!(null), json!(false), json!(true), json!(true)]
        );
        assert_eq!(
            (&days[0]["row"], &days[2]["row"]["id"]),
            (&Value::Null, &json!("1"))
        );
        assert_eq!(days[2]["changes"][0]["change"], "appeared");

        let later = history(&world, &["later"]).await;
        let rows: Vec<&Value> = later["days"]
            .as_array()
            .expect("days")
            .iter()
            .map(|day| &day["rows"])
            .collect();
        assert_eq!(rows, [&json!(null), &json!(0), &json!(0), &json!(null)]);
        let mut command = program(&["history", "later"]);
        command.envs(world.bucket.environment());
        let told = said(&output(command).await);
        assert!(told.contains("appeared") && told.contains("gone"), "{told}");
    });
}

#[test]
fn a_partitioned_table_is_followed_with_all_its_partitions() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source(
                "CREATE TABLE events (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
                 CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
                 INSERT INTO events SELECT n, 'event ' || n FROM generate_series(1, 99) AS n",
            )
            .await;
        world
            .back_up_at(&source, "2026-11-01T02:00:07Z")
            .await
            .expect("a backup");
        execute(
            &source,
            "CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (100) TO (200); INSERT INTO events VALUES (100, 'new')",
        )
        .await;
        world
            .back_up_at(&source, "2026-11-02T02:00:07Z")
            .await
            .expect("a backup");
        let events = history(&world, &["events", "--where", "id>=99"]).await;
        let days = events["days"].as_array().expect("days");
        assert_eq!((&days[0]["rows"], &days[1]["rows"]), (&json!(99), &json!(100)));
        assert_eq!(days[1]["matching"].as_array().map(Vec::len), Some(2));
        assert_eq!(
            days[1]["changes"],
            json!([{"change": "appeared", "after": {"id": "100", "body": "new"}}])
        );
    });
}

#[test]
fn a_backup_whose_block_is_damaged_or_too_many_rows_end_it() {
    run(async {
        let Some(world) = World::new().await else { return };
        let many = "CREATE TABLE many AS SELECT n AS id FROM generate_series(1, 5000) AS n";
        let source = world.postgres.source(many).await;
        let made = world
            .back_up_at(&source, "2026-11-01T02:00:07Z")
            .await
            .expect("a backup");
        let run = async |condition: &str| {
            let mut command = program(&["history", "many", "--where", condition, "--json"]);
            command.envs(world.bucket.environment());
            output(command).await
        };
        super::assert_refused(
            &run("id>0").await,
            2,
            &["more than 1000 rows of public.many are meant", "extract"],
        );
        let mut object = world.bucket.bytes(&made.key.to_string());
        let middle = object.len() / 2;
        object[middle] ^= 1;
        world.bucket.put(&made.key.to_string(), &object);
        super::assert_refused(&run("id=1").await, 8, &["bytes differ"]);
    });
}
