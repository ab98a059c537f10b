//! The program as a user meets it: exit codes, JSON, errors, signals.

use std::process::{Command, Output, Stdio};

use paycraft_dr::postgres::conninfo::Side;
use rustix::process::{Pid, Signal, kill_process};

use super::kit::{SMALL_SCHEMA, World, execute, json, output, processes_about, program, run, secret_file};

/// The program with the world's store in its environment.
fn with_store(world: &World, arguments: &[&str]) -> Command {
    let mut command = program(arguments);
    command.envs(world.bucket.environment());
    command
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, says: &str) {
    let told = errors(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(says), "{says:?} is not in:\n{told}");
    if code > 2 {
        assert!(told.contains("error: ") && told.contains("hint: "), "{told}");
    }
}

#[test]
fn a_backup_is_made_listed_restored_and_verified_from_the_command_line() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let source_url = world.postgres.url(&source);
        let mut command = with_store(&world, &["backup", "--json"]);
        command.env("SUPABASE_DB_URL", &source_url);
        let made = output(command).await;
        assert_ends(&made, 0, "the source has no table public.tier_definitions");
        let document = json(&made);
        assert_eq!(document["command"], "backup");
        assert_eq!(document["ok"], true);
        assert_eq!(document["exit_code"], 0);
        let backup = &document["backup"];
        let key = backup["key"].as_str().expect("a key").to_owned();
        assert_eq!(
            backup["manifest_key"].as_str().expect("a key"),
            key.replace(".dump.gz", ".manifest.json")
        );
        assert_eq!(backup["tables"][1]["rows"], 200);
        assert_eq!(
            backup["tables"][1]["fingerprint"]
                .as_str()
                .expect("a fingerprint")
                .len(),
            32
        );
        for field in [
            "started_at",
            "finished_at",
            "raw_bytes",
            "stored_bytes",
            "sha256",
            "blocks",
        ] {
            assert!(!backup[field].is_null(), "{field}");
        }

        let listed = json(&output(with_store(&world, &["list", "--json"])).await);
        assert_eq!(listed["backups"][0]["key"], key.as_str());
        assert_eq!(listed["backups"][0]["state"], "attested");
        assert_eq!(listed["backups"][0]["rows"], 700);
        let table = output(with_store(&world, &["list"])).await;
        assert!(String::from_utf8_lossy(&table.stdout).contains(&key));

        let object = json(&output(with_store(&world, &["verify", "--object", "--json"])).await);
        assert_eq!(object["verdict"], "proven");

        let target = world.postgres.database(Side::Target).await;
        let target_url = world.postgres.url(&target);
        let mut command = with_store(&world, &["restore", "--json"]);
        command.env("TARGET_DB_URL", &target_url);
        let restored = output(command).await;
        assert_ends(&restored, 0, "verify");
        let document = json(&restored);
        assert_eq!(document["verdict"], "proven");
        assert_eq!(document["canonical_counts"]["tenants"], 200);
        let phases: Vec<_> = document["phases"]
            .as_array()
            .expect("phases")
            .iter()
            .map(|phase| &phase["name"])
            .collect();
        assert_eq!(
            phases,
            ["select", "provision", "transfer", "finish", "analyze", "verify"]
        );
        assert_eq!(
            document["skipped_entries"][0]["entry"],
            format!("DATABASE {}", source.database())
        );

        execute(&target, "DELETE FROM subscriptions WHERE id = 1").await;
        let mut command = with_store(&world, &["verify", &key, "--json"]);
        command.env("TARGET_DB_URL", &target_url);
        let verified = output(command).await;
        assert_eq!(verified.status.code(), Some(3));
        let document = json(&verified);
        assert_eq!(
            (&document["ok"], &document["verdict"]),
            (&false.into(), &"not proven".into())
        );
        assert_eq!(document["error"]["kind"], "not proven");
        let subscriptions = document["tables"]
            .as_array()
            .expect("tables")
            .iter()
            .find(|table| table["name"] == "subscriptions");
        let subscriptions = subscriptions.expect("a table");
        assert_eq!(
            (&subscriptions["rows"], &subscriptions["expected_rows"]),
            (&499.into(), &500.into())
        );
        assert_eq!(subscriptions["content"], "different");

        let password = source_url.split([':', '@']).nth(2).expect("a password");
        for said in [&made, &restored, &verified] {
            let all = format!("{}{}", String::from_utf8_lossy(&said.stdout), errors(said));
            assert!(
                !all.contains(password) && !all.contains("test-secret-access-key"),
                "a secret was printed: {all}"
            );
        }
    });
}

#[test]
fn bad_input_is_told_apart_and_says_what_to_do() {
    run(async {
        let Some(world) = World::new().await else { return };
        let nothing = |arguments: &[&str]| program(arguments);
        assert_ends(&output(nothing(&["list"])).await, 2, "R2_ENDPOINT_URL");
        assert_ends(&output(nothing(&["list", "yesterday"])).await, 2, "YYYY/MM/DD");
        assert_ends(&output(nothing(&["frobnicate"])).await, 2, "frobnicate");
        assert_ends(
            &output(with_store(&world, &["list", "--endpoint", "ftp://x"])).await,
            2,
            "https://",
        );
        assert_ends(
            &output(with_store(&world, &["backup"])).await,
            2,
            "SUPABASE_DB_URL",
        );
        assert_ends(
            &output(with_store(&world, &["restore"])).await,
            2,
            "TARGET_DB_URL",
        );
        assert_ends(
            &output(with_store(&world, &["verify", "--object"])).await,
            6,
            "holds no backup",
        );
        assert_ends(
            &output(with_store(&world, &["verify", "--object", "--bucket", "other"])).await,
            6,
            "R2_BUCKET",
        );
        let mut wrong = with_store(&world, &["list"]);
        wrong.env("R2_SECRET_ACCESS_KEY", "guess");
        assert_ends(&output(wrong).await, 6, "R2_SECRET_ACCESS_KEY");
        let mut unreachable = with_store(&world, &["list"]);
        unreachable.env("R2_ENDPOINT_URL", "http://127.0.0.1:1");
        assert_ends(&output(unreachable).await, 6, "R2_ENDPOINT_URL");

        let mut unreachable = with_store(&world, &["backup"]);
        unreachable.env("SUPABASE_DB_URL", "postgresql://me:pw@127.0.0.1:1/x");
        assert_ends(&output(unreachable).await, 5, "cannot connect to the source");
        let mut garbage = with_store(&world, &["backup"]);
        garbage.env("SUPABASE_DB_URL", "postgresql://me:hunter2@");
        let garbage = output(garbage).await;
        assert_ends(&garbage, 2, "postgresql://USER");
        assert!(!errors(&garbage).contains("hunter2"));
        let in_argv = output(with_store(
            &world,
            &["backup", "--source", "postgresql://me:hunter2@h/d"],
        ))
        .await;
        assert_ends(&in_argv, 2, "SUPABASE_DB_URL");
        let mut no_tools = with_store(&world, &["backup", "--pg-bin", "/nonexistent"]);
        no_tools.env("SUPABASE_DB_URL", "postgresql://me:pw@127.0.0.1:1/x");
        assert_ends(&output(no_tools).await, 2, "make setup");
        let mut missing_file = with_store(&world, &["backup"]);
        missing_file.env("SUPABASE_DB_URL_FILE", "/nonexistent");
        assert_ends(&output(missing_file).await, 2, "SUPABASE_DB_URL_FILE");
    });
}

#[test]
fn a_corrupt_backup_ends_with_exit_code_8() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        let key = made.key.to_string();
        let mut object = world.bucket.server.read(&key).expect("the object");
        let middle = object.len() / 2;
        object[middle] ^= 1;
        world.bucket.server.overwrite(&key, &object).expect("an object");
        assert_ends(
            &output(with_store(&world, &["verify", "--object"])).await,
            8,
            &key,
        );
        let mut restore = with_store(&world, &["restore", "--json"]);
        restore.env(
            "TARGET_DB_URL",
            world.postgres.url(&world.postgres.database(Side::Target).await),
        );
        let restored = output(restore).await;
        assert_eq!(restored.status.code(), Some(8));
        assert_eq!(json(&restored)["error"]["kind"], "corrupt");

        let mut refused = with_store(&world, &["restore"]);
        refused.env("TARGET_DB_URL", world.postgres.url(&source));
        assert_ends(
            &output(refused).await,
            4,
            "is the database this backup was made of",
        );
    });
}

#[test]
fn secrets_come_from_files_too() {
    run(async {
        let Some(world) = World::new().await else { return };
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = program(&["list", "--json"]);
        for (name, value) in world.bucket.environment() {
            let path = secret_file(directory.path(), name, &value);
            command.env(format!("{name}_FILE"), path);
        }
        let listed = output(command).await;
        assert_ends(&listed, 0, "");
        assert_eq!(json(&listed)["backups"], serde_json::json!([]));
    });
}

#[test]
fn a_signal_ends_a_backup_with_its_children_and_its_upload() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        // Half a dump, and then a child that does nothing more, with a child of its own.
        let tools = world.postgres.with_scripted_dump(
            "$REAL \"$@\" | head -c 9000; touch \"${0%/*}/halfway\"; sh -c 'sleep 600; true' \"$0\" & wait",
        );
        for signal in [Signal::INT, Signal::TERM] {
            let halfway = tools.path().join("halfway");
            let _ = std::fs::remove_file(&halfway);
            let mut command = with_store(&world, &["backup", "--pg-bin"]);
            command
                .arg(tools.path())
                .env("SUPABASE_DB_URL", world.postgres.url(&source));
            let backup = command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program starts");
            let patience = std::time::Instant::now();
            while !halfway.exists() {
                assert!(patience.elapsed().as_secs() < 60, "the dump never began");
                tokio::task::yield_now().await;
            }
            assert_eq!(world.bucket.server.open_uploads().len(), 1);
            kill_process(Pid::from_raw(backup.id().cast_signed()).expect("an id"), signal).expect("it runs");
            let ended = tokio::task::spawn_blocking(move || backup.wait_with_output())
                .await
                .expect("a thread");
            assert_ends(&ended.expect("an end"), 130, "interrupted");
            assert!(world.bucket.server.open_uploads().is_empty());
            assert_eq!(world.bucket.store.list("").await.expect("a listing"), []);
            assert_eq!(processes_about(tools.path()), Vec::<String>::new());
        }
    });
}

#[test]
fn errors_are_json_too() {
    run(async {
        let failed = output(program(&["list", "--json"])).await;
        let document = json(&failed);
        assert_eq!(
            (&document["ok"], &document["exit_code"]),
            (&false.into(), &2.into())
        );
        assert_eq!(document["error"]["kind"], "usage");
        assert!(
            document["error"]["hint"]
                .as_str()
                .expect("a hint")
                .contains("R2_ENDPOINT_URL")
        );
        assert!(document["error"]["causes"].is_array());
        let refused = output(program(&["frobnicate", "--json"])).await;
        assert_eq!(
            (refused.status.code(), &json(&refused)["error"]["kind"]),
            (Some(2), &"usage".into())
        );
    });
}

#[test]
fn a_result_that_cannot_be_written_is_an_error_and_a_reader_that_went_away_is_none() {
    for arguments in [
        &["completions", "bash"][..],
        &["scenarios", "--json"],
        &["scenarios"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let mut command = program(arguments);
        command.stdout(full.expect("a device")).stderr(Stdio::piped());
        let ended = command.output().expect("the program");
        assert_ends(&ended, 2, "cannot be written to standard output");

        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = program(arguments);
        let ended = command.stdout(writer).output().expect("the program");
        assert_eq!(ended.status.code(), Some(0), "{}", errors(&ended));
    }
}
