//! What children see of our environment.

use std::collections::BTreeMap;
use std::path::Path;

use crate::kit::{SMALL_SCHEMA, World, json, output, program, run};
use paycraft_dr::postgres::conninfo::Side;

/// Writes down its environment, also where it is only asked for its version.
const TELLING: &str = "env > \"$0.$$.env\"; exec $REAL \"$@\"";

/// What each call of a scripted program in `place` found in its environment.
fn told(place: &Path) -> Vec<BTreeMap<String, String>> {
    let files = std::fs::read_dir(place).expect("a directory").flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().ends_with(".env"));
    let texts = files.map(|file| std::fs::read_to_string(file.path()).expect("text"));
    let pairs = |text: String| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    texts.map(pairs).collect()
}

#[test]
fn programs_of_postgresql_see_no_secret_but_their_own_password() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let target = world.postgres.database(Side::Target).await;
        for (verb, child) in [("backup", "pg_dump"), ("restore", "pg_restore")] {
            let tools = world.postgres.with_scripted(child, TELLING);
            let mut command = program(&[verb, "--json", "--pg-bin"]);
            let secrets = [
                ("PAYCRAFT_WEBHOOK_SECRET", "webhook-secret-4711"),
                ("ANYTHING_ELSE", "anything-4711"),
                ("PGSERVICEFILE", "/nowhere/4711"),
                ("SUPABASE_DB_URL", &world.postgres.url(&source)),
                ("TARGET_DB_URL", &world.postgres.url(&target)),
            ];
            command
                .arg(tools.path())
                .envs(world.bucket.environment())
                .envs(secrets)
                .env("LC_ALL", "C.UTF-8")
                .env("SSL_CERT_DIR", "/etc/ssl/certs")
                .env("TZ", "Asia/Kolkata");
            let ended = output(command).await;
            assert_eq!(ended.status.code(), Some(0), "{}", json(&ended));
            let calls = told(tools.path());
            assert!(!calls.is_empty());
            for environment in calls {
                for (name, value) in &environment {
                    let is_secret = |secret: &str| secret.len() > 5 && value.contains(secret);
                    let known = world.bucket.environment();
                    let mut known = known.iter().map(|(_, value)| value.as_str());
                    assert!(
                        !known.any(is_secret) && !secrets.iter().any(|(_, secret)| is_secret(secret)),
                        "{child} sees {name}={value}"
                    );
                }
                for (name, value) in [("SSL_CERT_DIR", "/etc/ssl/certs"), ("TZ", "Asia/Kolkata")] {
                    assert_eq!(environment.get(name).map(String::as_str), Some(value), "{child}");
                }
                assert_eq!(environment.get("LC_ALL"), None);
            }
        }
    });
}
