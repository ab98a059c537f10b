//! `paycraft-dr doctor` in a healthy world, and in broken ones.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use paycraft_dr::drill::s3_faults::{Operation, RequestFailure};
use paycraft_dr::model::manifest::Manifest;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::recovery::backup::Made;
use serde_json::Value;

use super::kit::{SMALL_SCHEMA, World, execute, json, output, program, run, secret_file};

/// A backed-up source, a target, and the store between them.
struct Ward {
    world: World,
    source: Conninfo,
    target: Conninfo,
    made: Made,
}

impl Ward {
    async fn new() -> Option<Self> {
        let world = World::new().await?;
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let target = world.postgres.database(Side::Target).await;
        let made = world.back_up(&source).await.expect("a backup");
        Some(Self {
            world,
            source,
            target,
            made,
        })
    }

    fn doctor(&self, arguments: &[&str]) -> Command {
        let mut command = program(&["doctor", "--json"]);
        command
            .args(arguments)
            .envs(self.world.bucket.environment())
            .env("SUPABASE_DB_URL", self.world.postgres.url(&self.source))
            .env("TARGET_DB_URL", self.world.postgres.url(&self.target));
        command
    }
}

/// The findings by name.
fn findings(ended: &Output) -> BTreeMap<String, Value> {
    let document = json(ended);
    let all = document["findings"].as_array().expect("findings");
    let named = all.iter().map(|finding| {
        (
            finding["name"].as_str().expect("a name").to_owned(),
            finding.clone(),
        )
    });
    named.collect()
}

/// Makes sure that these findings failed and no other, that each says `says` and what to do, and that the exit code tells.
#[track_caller]
fn assert_failed(ended: &Output, expected: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let found = findings(ended);
    let failed: Vec<&str> = found
        .iter()
        .filter(|(_, finding)| finding["outcome"] == "failed")
        .map(|(name, _)| name.as_str())
        .collect();
    let mut names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(failed, names, "{found:#?}");
    for (name, says) in expected {
        let finding = found[*name].to_string();
        assert!(finding.contains(says), "{says:?} is not in {finding}");
        assert!(found[*name]["hint"].is_string(), "{finding}");
    }
    let code = if expected.is_empty() { 0 } else { 3 };
    assert_eq!(ended.status.code(), Some(code), "{}", json(ended));
    if code == 3 {
        let message = json(ended)["error"]["message"].to_string();
        assert!(
            expected.iter().all(|(name, _)| message.contains(name)),
            "{message}"
        );
    }
    found
}

fn outcome<'a>(found: &'a BTreeMap<String, Value>, name: &str) -> &'a str {
    found[name]["outcome"].as_str().expect("an outcome")
}

#[test]
fn a_healthy_world_passes_and_is_left_alone() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        let before = ward.world.bucket.store.list("").await.expect("a listing");
        let ended = output(ward.doctor(&[])).await;
        let found = assert_failed(&ended, &[]);
        assert!(
            found.values().all(|finding| finding["outcome"] == "passed"),
            "{found:#?}"
        );
        assert_eq!(found.len(), 27, "{:?}", found.keys());
        let written = output(ward.doctor(&["--write"])).await;
        let found = assert_failed(&written, &[]);
        assert!(
            found["store rights"]["detail"]
                .to_string()
                .contains("written and removed")
        );
        assert_eq!(ward.world.bucket.store.list("").await.expect("a listing"), before);

        let all = format!(
            "{}{}",
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr)
        );
        let url = ward.world.postgres.url(&ward.source);
        let password = url.split([':', '@']).nth(2).expect("a password");
        assert!(
            !all.contains(password) && !all.contains("test-secret-access-key"),
            "{all}"
        );
    });
}

#[test]
fn nothing_set_says_all_that_is_missing() {
    run(async {
        let ended = output(program(&["doctor", "--json"])).await;
        let found = assert_failed(
            &ended,
            &[
                ("SUPABASE_DB_URL", "SUPABASE_DB_URL_FILE"),
                ("R2_ENDPOINT_URL", "R2_ENDPOINT_URL_FILE"),
                ("R2_ACCESS_KEY_ID", "R2_ACCESS_KEY_ID_FILE"),
                ("R2_SECRET_ACCESS_KEY", "R2_SECRET_ACCESS_KEY_FILE"),
            ],
        );
        assert!(
            found["TARGET_DB_URL"]["hint"]
                .to_string()
                .contains("TARGET_DB_URL_FILE")
        );
        for name in [
            "TARGET_DB_URL",
            "store",
            "newest backup",
            "source",
            "target",
            "target guard",
            "owners and grants",
        ] {
            assert_eq!(outcome(&found, name), "skipped", "{name}");
        }
        let text = output(program(&["doctor"])).await;
        let told = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(told.contains("FAILED   R2_ENDPOINT_URL"), "{told}");
        assert!(told.contains("hint: set R2_ENDPOINT_URL"), "{told}");
    });
}

#[test]
fn secrets_that_everyone_can_read() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        let directory = tempfile::tempdir().expect("a directory");
        let open = secret_file(directory.path(), "open", "hunter2");
        std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .expect("permissions");
        let mut command = ward.doctor(&[]);
        command
            .env_remove("R2_SECRET_ACCESS_KEY")
            .env("R2_SECRET_ACCESS_KEY_FILE", &open);
        let ended = output(command).await;
        let found = assert_failed(&ended, &[("R2_SECRET_ACCESS_KEY", "chmod 600")]);
        assert_eq!(outcome(&found, "source"), "passed", "the rest is examined");
        assert_eq!(outcome(&found, "store"), "skipped");

        let mut command = ward.doctor(&[]);
        command
            .env("SUPABASE_DB_URL", "nonsense")
            .env("R2_ENDPOINT_URL", "ftp://x");
        assert_failed(
            &output(command).await,
            &[
                ("SUPABASE_DB_URL", "postgresql://"),
                ("R2_ENDPOINT_URL", "is no URL"),
            ],
        );
    });
}

#[test]
fn a_store_that_does_not_let_us_in() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        let mut command = ward.doctor(&[]);
        command.env("R2_SECRET_ACCESS_KEY", "guess");
        let ended = output(command).await;
        let found = assert_failed(
            &ended,
            &[
                ("store", "R2_SECRET_ACCESS_KEY"),
                ("store rights", "R2_SECRET_ACCESS_KEY"),
            ],
        );
        assert_eq!(outcome(&found, "newest backup"), "skipped");
        assert_eq!(outcome(&found, "target guard"), "skipped");
        assert_eq!(outcome(&found, "target"), "passed");

        ward.world.bucket.server.fail_next(
            Operation::Abort,
            RequestFailure::Refused(403, "AccessDenied", "Access Denied"),
            1,
        );
        let read_only = output(ward.doctor(&[])).await;
        assert_failed(&read_only, &[("store rights", "a restore only reads")]);
    });
}

#[test]
fn clocks_that_disagree() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        ward.world.bucket.server.set_clock(SignedDuration::from_mins(3));
        let found = assert_failed(&output(ward.doctor(&[])).await, &[]);
        assert!(
            found["store clock"]["hint"].to_string().contains("clock"),
            "{found:?}"
        );
        assert!(
            found["store clock"]["detail"].to_string().contains("behind"),
            "{found:?}"
        );
        ward.world.bucket.server.set_clock(-SignedDuration::from_mins(6));
        let found = assert_failed(&output(ward.doctor(&[])).await, &[("store clock", "ahead of")]);
        assert_eq!(outcome(&found, "store"), "passed");
        // So far apart that the store refuses everything.
        ward.world.bucket.server.set_clock(SignedDuration::from_hours(3));
        let far = output(ward.doctor(&[])).await;
        assert_failed(
            &far,
            &[
                ("store clock", "behind"),
                ("store", "clock"),
                ("store rights", "clock"),
            ],
        );
    });
}

#[test]
fn a_backup_that_is_not_whole() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        let (server, key) = (&ward.world.bucket.server, ward.made.key.to_string());
        let whole = server.read(&key).expect("an object");
        let mut flipped = whole.clone();
        flipped[100] ^= 1;
        server.overwrite(&key, &flipped).expect("an object");
        assert_failed(&output(ward.doctor(&[])).await, &[("object", "is corrupt")]);
        server
            .overwrite(&key, &whole[..whole.len() - 1])
            .expect("an object");
        let found = assert_failed(
            &output(ward.doctor(&[])).await,
            &[("newest backup", "no attested backup among 1")],
        );
        assert_eq!(outcome(&found, "object"), "skipped");
        server.remove(&key);
        server.remove(&ward.made.manifest_key);
        assert_failed(
            &output(ward.doctor(&[])).await,
            &[("newest backup", "paycraft-dr backup")],
        );
    });
}

#[test]
fn a_backup_from_a_newer_world() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        let reseal = |change: fn(&mut Manifest)| {
            let mut manifest = ward.made.manifest.clone();
            change(&mut manifest);
            let document = manifest.encode().expect("a document");
            ward.world
                .bucket
                .server
                .overwrite(&ward.made.manifest_key, &document)
                .expect("an object");
        };
        reseal(|manifest| manifest.pg_dump_version = "99.1".to_owned());
        assert_failed(
            &output(ward.doctor(&[])).await,
            &[
                ("client for backup", "pg_dump 99"),
                ("target guard", "pg_dump 99"),
            ],
        );
        reseal(|manifest| manifest.source.server_version = "99.1".to_owned());
        assert_failed(
            &output(ward.doctor(&[])).await,
            &[("target guard", "PostgreSQL 99")],
        );
        reseal(|manifest| manifest.roles.push("nobody_has_this_role".to_owned()));
        assert_failed(
            &output(ward.doctor(&[])).await,
            &[
                ("target guard", "nobody_has_this_role"),
                ("roles", "nobody_has_this_role"),
            ],
        );
    });
}

/// A role that may connect and nothing else, and the URL of a database for it.
async fn weak_role(database: &Conninfo) -> (String, String) {
    let role = format!("weak_{:016x}", rand::random::<u64>());
    execute(database, &format!("CREATE ROLE {role} LOGIN PASSWORD 'weak'")).await;
    let text = database.to_string();
    let (_, place) = text.split_once('@').expect("a place");
    let url = format!("postgresql://{role}:weak@{place}");
    (role, url)
}

#[test]
fn a_source_that_hides_rows() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        let (role, url) = weak_role(&ward.source).await;
        let examined = async || {
            let mut command = ward.doctor(&[]);
            command.env("SUPABASE_DB_URL", &url);
            output(command).await
        };
        let says = "public.tenants may not be read";
        let found = assert_failed(&examined().await, &[("source rights", says)]);
        let detail = found["source rights"]["detail"].to_string();
        assert!(detail.contains("1 large objects may not be read"), "{detail}");
        assert!(
            detail.contains("public.receipts"),
            "sequences are dumped too: {detail}"
        );
        let grant = format!(
            "GRANT pg_read_all_data TO {role}; GRANT SELECT ON LARGE OBJECT 4711 TO {role};
             ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;"
        );
        execute(&ward.source, &grant).await;
        assert_failed(
            &examined().await,
            &[("source rights", "public.tenants hides rows")],
        );
        execute(&ward.source, &format!("ALTER ROLE {role} BYPASSRLS")).await;
        assert_failed(&examined().await, &[]);
        execute(&ward.source, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}

#[test]
fn databases_that_are_not_there() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        let mut command = ward.doctor(&[]);
        // The source is told by its name, and only its server is gone.
        let gone = format!("postgresql://me:secret@127.0.0.1:1/{}", ward.source.database());
        command
            .env("SUPABASE_DB_URL", gone)
            .env("TARGET_DB_URL", "postgresql://me:secret@127.0.0.1:1/gone_too");
        let ended = output(command).await;
        let found = assert_failed(
            &ended,
            &[
                ("source", "host and port"),
                ("target", "host and port"),
                ("target guard", "host and port"),
            ],
        );
        assert_eq!(
            outcome(&found, "object"),
            "passed",
            "the store is examined all the same"
        );
        assert!(!json(&ended).to_string().contains("secret@"));
    });
}

#[test]
fn a_target_that_a_restore_would_refuse() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        execute(&ward.target, "CREATE TABLE tenants (id int)").await;
        assert_failed(
            &output(ward.doctor(&[])).await,
            &[("target guard", "is not empty")],
        );
        assert_failed(&output(ward.doctor(&["--clean"])).await, &[]);
        let mut command = ward.doctor(&["--clean"]);
        command.env("TARGET_DB_URL", ward.world.postgres.url(&ward.source));
        assert_failed(
            &output(command).await,
            &[("target guard", "is the source database")],
        );
    });
}

#[test]
fn a_target_whose_role_may_nothing() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        let (role, url) = weak_role(&ward.target).await;
        execute(&ward.target, &format!("ALTER ROLE {role} CONNECTION LIMIT 5")).await;
        let mut command = ward.doctor(&["--jobs", "16"]);
        command.env("TARGET_DB_URL", &url);
        assert_failed(
            &output(command).await,
            &[
                ("target rights", "neither schemas nor tables"),
                ("target sessions", "--jobs 16"),
                (
                    "owners and grants",
                    "nothing can be given to these owners: postgres",
                ),
            ],
        );
        execute(&ward.target, &format!("DROP ROLE {role}")).await;
    });
}

#[test]
fn tools_that_are_missing() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().display().to_string();
        let ended = output(ward.doctor(&["--pg-bin", &place])).await;
        assert_failed(&ended, &[("client", "--pg-bin")]);
        let mut command = ward.doctor(&[]);
        command.env("TMPDIR", directory.path().join("missing"));
        assert_failed(&output(command).await, &[("scratch", "TMPDIR")]);
    });
}

#[test]
fn silence_ends_in_bounded_time() {
    run(async {
        let Some(ward) = Ward::new().await else { return };
        // Takes connections and never says a word.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let place = silent.local_addr().expect("an address");
        let mut command = ward.doctor(&[]);
        command.env("R2_ENDPOINT_URL", format!("http://{place}")).env(
            "SUPABASE_DB_URL",
            format!("postgresql://me@{place}/x?sslmode=disable"),
        );
        let began = Instant::now();
        let ended = output(command).await;
        assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
        let found = assert_failed(
            &ended,
            &[
                ("store", "no answer within"),
                ("store rights", "no answer within"),
                ("source", "no answer within"),
            ],
        );
        assert_eq!(outcome(&found, "target"), "passed");
    });
}
