//! Where nothing shows what a target is: refused while something would be lost, until its database's name is typed.

use std::process::Command;

use paycraft_dr::model::manifest::Manifest;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::recovery::marker;

use crate::kit::{SMALL_SCHEMA, World, execute, json, output, program, query, run, said};

const NOWHERE: &str = "postgresql://me:secret@127.0.0.1:1/gone";

fn command(world: &World, arguments: &[&str], target: &Conninfo, source: Option<&str>) -> Command {
    let mut command = program(arguments);
    command
        .envs(world.bucket.environment())
        .env("TARGET_DB_URL", world.postgres.url(target));
    if let Some(source) = source {
        command.env("SUPABASE_DB_URL", source);
    }
    command
}

#[test]
fn a_silent_source_leaves_a_full_target_to_the_operators_word() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        // The source that the backup is of, at a place where nothing answers.
        let nowhere = NOWHERE.replace("gone", source.database());
        let restore = |more: &[&str]| {
            let arguments: Vec<&str> = ["restore", "--json"]
                .into_iter()
                .chain(more.iter().copied())
                .collect();
            command(&world, &arguments, &target, Some(nowhere.as_str()))
        };
        let guard = async |more: &[&str]| {
            let arguments: Vec<&str> = ["doctor", "--json"]
                .into_iter()
                .chain(more.iter().copied())
                .collect();
            let ended = output(command(&world, &arguments, &target, Some(nowhere.as_str()))).await;
            let document = json(&ended);
            let found = document["findings"].as_array().expect("findings").clone();
            found
                .into_iter()
                .find(|found| found["name"] == "target guard")
                .expect("the guard's finding")
        };
        // Nothing is lost in an empty target, and doctor says what comes later.
        let found = guard(&["--clean"]).await;
        assert_eq!(found["outcome"], "passed", "{found}");
        let later = format!("--target-is-not-production {}", target.database());
        assert!(
            found["detail"].as_str().expect("a detail").contains(&later),
            "{found}"
        );
        let restored = output(restore(&[])).await;
        assert_eq!(restored.status.code(), Some(0), "{}", said(&restored));

        execute(&target, "DELETE FROM subscriptions").await;
        let refused = output(restore(&["--clean"])).await;
        assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
        let error = &json(&refused)["error"];
        assert!(
            error["message"]
                .as_str()
                .expect("a message")
                .contains("may be production"),
            "{error}"
        );
        assert!(
            error["causes"][0]
                .as_str()
                .expect("a cause")
                .contains("configured source is unknown"),
            "{error}"
        );
        assert!(
            error["hint"]
                .as_str()
                .expect("a hint")
                .contains("--target-is-not-production NAME"),
            "{error}"
        );
        // doctor asks the same function.
        let found = guard(&["--clean"]).await;
        assert_eq!(found["outcome"], "failed");
        assert!(
            found["detail"]
                .as_str()
                .expect("a detail")
                .contains("may be production"),
            "{found}"
        );

        for wrong in ["postgres", "", "NAME"] {
            let refused = output(restore(&["--clean", "--target-is-not-production", wrong])).await;
            assert_eq!(refused.status.code(), Some(4), "{wrong:?}: {}", said(&refused));
        }
        assert_eq!(
            query(&target, "SELECT count(*)::text FROM subscriptions").await,
            "0"
        );
        let both = output(restore(&[
            "--clean",
            "--target-is-not-production",
            target.database(),
            "--confirm-prod-restore=YES",
        ]));
        assert_eq!(both.await.status.code(), Some(2));
        let written = output(restore(&[
            "--clean",
            "--target-is-not-production",
            target.database(),
        ]))
        .await;
        assert_eq!(written.status.code(), Some(0), "{}", said(&written));
        assert_eq!(
            query(&target, "SELECT count(*)::text FROM subscriptions").await,
            "500"
        );
    });
}

#[test]
fn no_word_opens_what_is_known_to_be_production() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        execute(&source, "DELETE FROM subscriptions").await;
        let arguments = [
            "restore",
            "--clean",
            "--target-is-not-production",
            source.database(),
        ];
        let by_identity = output(command(&world, &arguments, &source, None)).await;
        let alias = world.postgres.url(&source).replace("127.0.0.1", "localhost");
        let by_challenge = output(command(&world, &arguments, &source, Some(&alias))).await;
        for refused in [by_identity, by_challenge] {
            assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
            assert!(
                said(&refused).contains("--confirm-prod-restore=YES"),
                "{}",
                said(&refused)
            );
        }
        assert_eq!(
            query(&source, "SELECT count(*)::text FROM subscriptions").await,
            "0"
        );
    });
}

#[test]
fn a_name_that_is_productions_is_refused_before_the_store_is_contacted() {
    run(async {
        let Some(world) = World::new().await else { return };
        let named = "postgresql://postgres:hunter2@db.mlwfgytjxlqyfxcgpysm.supabase.co:5432/postgres";
        let own = world.postgres.url(&world.postgres.database(Side::Source).await);
        for (verb, target, source) in [
            ("restore", named, None),
            ("recover", named, None),
            ("restore", own.as_str(), Some(own.as_str())),
            ("recover", own.as_str(), Some(own.as_str())),
        ] {
            let mut command = program(&[verb, "--json"]);
            command
                .envs(world.bucket.environment())
                .env("R2_ENDPOINT_URL", "http://127.0.0.1:1")
                .env("TARGET_DB_URL", target);
            command.envs(source.map(|source| ("SUPABASE_DB_URL", source)));
            let refused = output(command).await;
            assert_eq!(refused.status.code(), Some(4), "{verb}: {}", said(&refused));
            assert!(!said(&refused).contains("hunter2"));
        }
    });
}

#[test]
fn a_marker_is_left_once_recorded_and_not_restored() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let before = world
            .back_up_at(&source, "2026-11-22T02:00:07Z")
            .await
            .expect("a backup");
        assert_eq!(before.manifest.source.identity.marker, None);
        let mut command_line = program(&["backup", "--json", "--leave-marker"]);
        command_line
            .envs(world.bucket.environment())
            .env("SUPABASE_DB_URL", world.postgres.url(&source));
        let made = output(command_line).await;
        assert_eq!(made.status.code(), Some(0), "{}", said(&made));
        let document = json(&made);
        let name = |field: &str| document["backup"][field].as_str().expect("a name").to_owned();
        let manifest = Manifest::decode(&name("key"), &world.bucket.bytes(&name("manifest_key")));
        let recorded = manifest
            .expect("a manifest")
            .source
            .identity
            .marker
            .expect("a marker");
        assert!(
            !marker::leave(&source).await.expect("a source"),
            "it is left once"
        );
        let target = world.postgres.database(Side::Target).await;
        let restored = output(command(&world, &["restore"], &target, None)).await;
        assert_eq!(restored.status.code(), Some(0), "{}", said(&restored));
        let marker = "SELECT coalesce(current_setting('paycraft_dr.marker', true), 'none')";
        assert_eq!(query(&target, marker).await, "none");
        // Copied by hand, it closes the target and opens nothing.
        let name = target.database();
        execute(
            &target,
            &format!("ALTER DATABASE {name} SET paycraft_dr.marker = '{recorded}'"),
        )
        .await;
        let refused = output(command(&world, &["restore", "--clean"], &target, None)).await;
        assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
        assert!(
            said(&refused).contains("carries its marker"),
            "{}",
            said(&refused)
        );
    });
}
