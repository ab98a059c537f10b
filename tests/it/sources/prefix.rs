//! A key prefix for each source, counts that always hold, and the instant before which a backup began.

use jiff::{SignedDuration, Timestamp};
use paycraft_dr::error::Kind;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::prefix::parse_prefix;
use paycraft_dr::postgres::conninfo::Side;

use crate::kit::{SMALL_SCHEMA, World, assert_proven, failed, json, output, program, run};

#[test]
fn a_prefix_is_names_parted_by_slashes() {
    for (text, prefix) in [("", ""), ("a", "a/"), ("a/b-1_2.x=y/", "a/b-1_2.x=y/")] {
        assert_eq!(parse_prefix(text).expect("a prefix"), prefix);
    }
    let long = "a".repeat(300);
    for odd in [
        "/",
        "/a",
        "a//b",
        "a/../b",
        ".",
        "a b",
        "ä",
        "a\n",
        "a?",
        long.as_str(),
    ] {
        assert_eq!(parse_prefix(odd).expect_err(odd).kind(), Kind::Usage, "{odd:?}");
    }
}

#[test]
fn every_command_works_below_the_prefix_and_sees_nothing_else() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let target = world.postgres.database(Side::Target).await;
        let outside = world.back_up(&source).await.expect("a backup").key.to_string();
        let call = async |arguments: &[&str]| {
            let mut command = program(arguments);
            command
                .arg("--json")
                .envs(world.bucket.environment())
                .env("R2_PREFIX", "product/production")
                .env("SUPABASE_DB_URL", world.postgres.url(&source))
                .env("TARGET_DB_URL", world.postgres.url(&target));
            json(&output(command).await)
        };
        let made = call(&["backup"]).await;
        assert_eq!(made["exit_code"], 0, "{made}");
        let key = made["backup"]["key"].as_str().expect("a key");
        assert!(key.starts_with("20"), "keys are told without the prefix: {key}");
        let keys = world.bucket.store.list("").await.expect("a listing");
        let below = format!("product/production/{key}");
        assert!(keys.iter().any(|object| object.key == below), "{keys:?}");

        let listed = call(&["list"]).await;
        assert_eq!(
            listed["backups"].as_array().expect("backups").len(),
            1,
            "{listed}"
        );
        for arguments in [&["verify", "--object"][..], &["restore"], &["prune"]] {
            let ended = call(arguments).await;
            assert_eq!(ended["exit_code"], 0, "{arguments:?}: {ended}");
        }
        assert_eq!(
            call(&["verify", "--object", outside.as_str()]).await["exit_code"],
            6
        );
        let doctor = call(&["doctor", "--write"]).await;
        let findings = doctor["findings"].as_array().expect("findings");
        for name in ["store rights", "newest backup", "object"] {
            let finding = findings.iter().find(|finding| finding["name"] == name);
            assert_eq!(finding.expect(name)["outcome"], "passed", "{doctor}");
        }
        // Storage is billed for the bucket as a whole.
        let all: u64 = keys.iter().map(|object| object.bytes).sum();
        let status = call(&["status", "--no-drill"]).await;
        assert_eq!(status["storage"]["used_bytes"], all, "{status}");
        let kept = world.bucket.store.list("").await.expect("a listing");
        assert_eq!(kept, keys, "nothing else was written or removed");
        let odd = call(&["list", "--prefix", "/a"]).await;
        assert_eq!(odd["exit_code"], 2, "{odd}");
    });
}

#[test]
fn there_are_always_three_tiers() {
    run(async {
        let Some(world) = World::new().await else { return };
        let tiers = |names: &str| {
            format!(
                "CREATE TABLE tier_definitions (name text); INSERT INTO tier_definitions SELECT unnest('{{{names}}}'::text[])"
            )
        };
        for (names, wrong) in [("free,pro,enterprise", Vec::new()), ("free,pro", vec!["counts"])] {
            let source = world.postgres.source(&tiers(names)).await;
            let made = world.back_up(&source).await.expect("a backup");
            let restored = world.restore(Selector::Key(made.key)).await.expect("a restore");
            assert_eq!(
                failed(&restored.verification),
                wrong,
                "{:?}",
                restored.verification.checks
            );
            if wrong.is_empty() {
                assert_proven(&restored.verification);
            }
            world.bucket.server.remove(&made.manifest_key);
            world.bucket.server.remove(&made.key.to_string());
            world.bucket.server.remove(&made.key.globals_key());
        }
    });
}

#[test]
fn a_restore_goes_back_before_an_instant() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let hours_ago = |hours| Timestamp::now() - SignedDuration::from_hours(hours);
        let mut keys = Vec::new();
        for hours in [3, 1] {
            let at = hours_ago(hours).to_string();
            keys.push(
                world
                    .back_up_at(&source, &at)
                    .await
                    .expect("a backup")
                    .key
                    .to_string(),
            );
        }
        let restore = async |arguments: &[&str]| {
            let target = world.postgres.database(Side::Target).await;
            let mut command = program(&["restore", "--json"]);
            command
                .args(arguments)
                .envs(world.bucket.environment())
                .env("TARGET_DB_URL", world.postgres.url(&target));
            json(&output(command).await)
        };
        let two = hours_ago(2).to_string();
        let restored = restore(&["--before", &two]).await;
        assert_eq!(
            (&restored["exit_code"], &restored["backup"]),
            (&0.into(), &keys[0].clone().into())
        );
        let later = restore(&[&keys[1], "--before", &two]).await;
        assert_eq!(later["exit_code"], 4, "{later}");
        let accepted = restore(&[&keys[1], "--before", &two, "--accept-later"]).await;
        assert_eq!(accepted["exit_code"], 0, "{accepted}");
        let none = restore(&["--before", &hours_ago(4).to_string()]).await;
        assert_eq!(none["exit_code"], 4, "{none}");
        for wrong in ["yesterday", "2999-01-01T00:00:00Z"] {
            assert_eq!(restore(&["--before", wrong]).await["exit_code"], 2, "{wrong}");
        }
    });
}
