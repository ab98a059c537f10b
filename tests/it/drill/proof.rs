//! A backup that is restored at once, and one of the store's older backups.

use serde_json::Value;

use super::super::kit::{SMALL_SCHEMA, World, drill_place, execute, json, output, program, run, said};
use super::{assert_nothing_left, evidence};

const KEYED: &str = "
    CREATE TABLE parent (id int PRIMARY KEY);
    CREATE TABLE child (id int PRIMARY KEY, parent int CONSTRAINT to_parent REFERENCES parent (id));
    INSERT INTO parent SELECT generate_series(1, 9);
    INSERT INTO child SELECT n, n FROM generate_series(1, 9) AS n;
";

#[test]
fn a_backup_is_proven_at_once_or_told_to_be_unrestorable() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(KEYED).await;
        let place = drill_place();
        std::fs::create_dir_all(place.path().join("tmp")).expect("a directory");
        let prove = async || {
            let mut backup = program(&["backup", "--prove=local", "--json"]);
            backup
                .envs(world.bucket.environment())
                .env("SUPABASE_DB_URL", world.postgres.url(&source))
                .env("TMPDIR", place.path().join("tmp"))
                .current_dir(place.path());
            output(backup).await
        };
        let ended = prove().await;
        let document = json(&ended);
        assert_eq!(document["exit_code"], 0, "{}", said(&ended));
        assert_eq!(document["proof"]["verdict"], "proven");
        assert_eq!(document["proof"]["happened"], "recovers");
        assert_eq!(document["proof"]["backup"]["key"], document["backup"]["key"]);
        assert_nothing_left(place.path(), "a proof");

        execute(
            &source,
            "SET session_replication_role = replica; DELETE FROM parent WHERE id = 5",
        )
        .await;
        let ended = prove().await;
        let document = json(&ended);
        assert_eq!(document["exit_code"], 3, "{}", said(&ended));
        assert_eq!(document["proof"]["verdict"], "not proven", "{document:#}");
        assert_eq!(document["proof"]["happened"], "exit 3");
        let checks = document["proof"]["checks"].as_array().expect("checks");
        let named = |check: &Value| {
            check["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("to_parent"))
        };
        assert!(checks.iter().any(named), "{checks:#?}");
        let key = document["backup"]["key"].as_str().expect("a key");
        let error = document["error"]["message"].as_str().expect("a message");
        assert!(error.starts_with(&format!("{key} was made and stays")), "{error}");
        assert_nothing_left(place.path(), "a proof that failed");
        let listed = world.bucket.store.list("").await.expect("a listing");
        assert!(listed.iter().any(|object| object.key == key), "{listed:?}");
    });
}

#[test]
fn nothing_is_backed_up_where_no_private_server_can_be_had() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let mut backup = program(&["backup", "--prove=containers", "--json"]);
        backup
            .envs(world.bucket.environment())
            .env("SUPABASE_DB_URL", world.postgres.url(&source))
            .env("DOCKER_HOST", "tcp://127.0.0.1:1");
        let ended = output(backup).await;
        assert_ne!(ended.status.code(), Some(0), "{}", said(&ended));
        assert!(world.bucket.store.list("").await.expect("a listing").is_empty());
    });
}

#[test]
fn a_drill_from_the_store_takes_the_backup_that_is_named() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let at = |seconds| {
            let earlier = jiff::SignedDuration::from_secs(seconds);
            (jiff::Timestamp::now() - earlier).to_string()
        };
        let older = world.back_up_at(&source, &at(120)).await.expect("a backup");
        world.back_up_at(&source, &at(60)).await.expect("a newer one");
        let place = drill_place();
        std::fs::create_dir_all(place.path().join("tmp")).expect("a directory");
        let key = older.key.to_string();
        let mut drill = program(&["drill", "--from-store", "--backup", &key, "--substrate", "local"]);
        drill
            .args(["--json", "--report"])
            .arg(place.path().join("drills"))
            .envs(world.bucket.environment())
            .env("TMPDIR", place.path().join("tmp"));
        let ended = output(drill).await;
        assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
        let document = json(&ended);
        assert_eq!(document["backup"]["key"], key);
        assert_eq!(
            document["repeat"],
            format!("paycraft-dr drill --from-store --backup {key} --substrate local")
        );
        assert_eq!(evidence(place.path())["happened"], "recovers");
        assert_nothing_left(place.path(), "a drill of an older backup");
    });
}
