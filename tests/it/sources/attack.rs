//! Two databases in one bucket, and a source that became empty, with real backups and the program itself.

use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use paycraft_dr::postgres::conninfo::{Conninfo, Side};

use crate::kit::{SMALL_SCHEMA, World, execute, json, output, program, run, said};

/// The program with the store and `source` configured.
fn with(world: &World, source: &Conninfo, arguments: &[&str]) -> Command {
    let mut command = program(arguments);
    command
        .envs(world.bucket.environment())
        .env("SUPABASE_DB_URL", world.postgres.url(source));
    command
}

async fn ended(command: Command) -> (i32, String) {
    let ended = output(command).await;
    (ended.status.code().unwrap_or(-1), said(&ended))
}

fn days_ago(days: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(24 * days)).to_string()
}

#[test]
fn of_two_databases_in_one_bucket_each_has_its_own_newest() {
    run(async {
        let Some(world) = World::new().await else { return };
        let own = world.postgres.source(SMALL_SCHEMA).await;
        let other = world
            .postgres
            .source("CREATE TABLE posts (id int); INSERT INTO posts VALUES (1)")
            .await;
        let mine = world
            .back_up_at(&own, &days_ago(2))
            .await
            .expect("a backup")
            .key
            .to_string();
        let theirs = world
            .back_up_at(&other, &days_ago(1))
            .await
            .expect("a backup")
            .key
            .to_string();
        let target = world.postgres.database(Side::Target).await;
        let restore = |source: Option<&Conninfo>, further: &[&str]| {
            let mut command = program(&["restore", "--json"]);
            command
                .args(further)
                .envs(world.bucket.environment())
                .envs(source.map(|source| ("SUPABASE_DB_URL", world.postgres.url(source))))
                .env("TARGET_DB_URL", world.postgres.url(&target));
            command
        };
        let ambiguous = json(&output(restore(None, &[])).await);
        assert_eq!(ambiguous["exit_code"], 4, "{ambiguous}");
        for name in [own.database(), other.database()] {
            assert!(
                ambiguous["error"]["message"]
                    .as_str()
                    .expect("a message")
                    .contains(name)
            );
        }
        let stranger = json(&output(restore(Some(&own), &[&theirs])).await);
        assert_eq!(stranger["exit_code"], 4, "{stranger}");
        let restored = json(&output(restore(Some(&own), &[])).await);
        assert_eq!(restored["backup"], mine, "{restored}");
        assert_eq!(
            (&restored["exit_code"], restored["source"].as_str()),
            (&0.into(), Some(own.database()))
        );
        let verify = ["verify", "--object", "--from-source", other.database(), "--json"];
        let named = json(&output(with(&world, &own, &verify)).await);
        assert_eq!(
            (&named["backup"], &named["exit_code"]),
            (&theirs.into(), &0.into()),
            "{named}"
        );

        // RPO of its own; what the other one did since does not count.
        let status = json(&output(with(&world, &own, &["status", "--no-drill", "--json"])).await);
        assert_eq!(
            (&status["newest"], &status["exit_code"]),
            (&mine.clone().into(), &3.into()),
            "{status}"
        );
        assert_eq!(status["source"], own.database());
        let listed = json(&output(with(&world, &own, &["list", "--json"])).await);
        assert_eq!(listed["backups"][0]["source"], other.database());
        let (_, text) = ended(with(&world, &own, &["list"])).await;
        assert!(
            text.contains(own.database()) && text.contains(other.database()),
            "{text}"
        );
    });
}

#[test]
fn a_source_that_became_empty_takes_no_good_backup() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let mut good = Vec::new();
        for day in (32..=34).rev() {
            good.push(
                world
                    .back_up_at(&source, &days_ago(day))
                    .await
                    .expect("a backup")
                    .key
                    .to_string(),
            );
        }
        execute(
            &source,
            "DROP TABLE subscriptions CASCADE; DROP TABLE tenants CASCADE",
        )
        .await;
        world.back_up_at(&source, &days_ago(1)).await.expect("a backup");
        let made = output(with(&world, &source, &["backup", "--json"])).await;
        let document = json(&made);
        assert_eq!(document["exit_code"], 0, "{document}");
        assert_eq!(
            document["backup"]["suspicion"]["compared_with"], good[2],
            "{document}"
        );
        let key = document["backup"]["key"].as_str().expect("a key").to_owned();
        assert!(said(&made).contains("2 tables are gone"), "{}", said(&made));

        let (code, text) = ended(with(&world, &source, &["status", "--no-drill"])).await;
        assert!(
            code == 3 && text.contains("under suspicion") && text.contains("confirm"),
            "{text}"
        );
        let (code, text) = ended(with(&world, &source, &["doctor"])).await;
        assert!(
            code == 3 && text.contains(&format!("FAILED   suspicion            {key}")),
            "{text}"
        );
        let prune = ["prune", "--keep", "1"];
        let (code, text) = ended(with(&world, &source, &prune)).await;
        assert_eq!(code, 0, "{text}");
        assert!(
            text.contains("removed 0") && text.contains("confirm that first"),
            "{text}"
        );

        // The newest is refused, and both are named.
        let mut restore = with(&world, &source, &["restore"]);
        let target = world.postgres.database(Side::Target).await;
        restore.env("TARGET_DB_URL", world.postgres.url(&target));
        let (code, text) = ended(restore).await;
        assert!(
            code == 4 && text.contains(&key) && text.contains(&good[2]),
            "{text}"
        );

        let (code, text) = ended(with(&world, &source, &["confirm", &key])).await;
        assert_eq!(code, 2, "{text}");
        let (code, text) = ended(with(&world, &source, &["confirm", &good[0], "--why", "x"])).await;
        assert!(code == 4 && text.contains("under no suspicion"), "{text}");
        let confirm = ["confirm", &key, "--why", "the product was closed"];
        let (code, text) = ended(with(&world, &source, &confirm)).await;
        assert!(code == 0 && text.contains("the product was closed"), "{text}");
        let (code, text) = ended(with(&world, &source, &confirm)).await;
        assert!(code == 4 && text.contains("confirmed already"), "{text}");
        let (code, text) = ended(with(&world, &source, &["status", "--no-drill"])).await;
        assert_eq!(code, 0, "{text}");
        let (_, text) = ended(with(&world, &source, &prune)).await;
        assert!(text.contains("removed 3"), "{text}");
        // The next one is like the confirmed one.
        let (code, text) = ended(with(&world, &source, &["backup", "--json"])).await;
        assert!(code == 0 && text.contains("\"reasons\":[]"), "{text}");
    });
}
