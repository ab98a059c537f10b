//! Objects that the shell workflow made: compressed inside, gzip outside, no manifest.

use std::process::Command;

use paycraft_dr::archive::gzip::{self, GzipStream};
use paycraft_dr::drill::s3_faults::{FaultRule, Operation, Relay, RequestFailure};
use paycraft_dr::error::Kind;
use paycraft_dr::model::catalog::BackupState;
use paycraft_dr::model::key::{BackupKey, Selector};
use paycraft_dr::model::manifest::Framing;
use paycraft_dr::model::product::CountedTables;
use paycraft_dr::postgres::conninfo::Conninfo;
use paycraft_dr::recovery::platform::RestoreScope;
use paycraft_dr::recovery::{attest, catalog, choosing, verify};
use proptest::prelude::*;

use super::kit::{
    SMALL_SCHEMA, Silent, Warnings, World, assert_proven, execute, json, now, output, program, run,
};

const DAY: &str = "2026-11-22T02:00:04Z";

fn key() -> BackupKey {
    BackupKey::at(DAY.parse().expect("an instant"))
}

/// How the shell workflow dumps; the second is what writes offsets into the table of contents.
const PIPED: &str = r#""$1" -Fc "$2" | gzip -c"#;
const THROUGH_A_FILE: &str = r#"f=$(mktemp) && "$1" -Fc -f "$f" "$2" && gzip -c "$f"; rm -f "$f""#;

/// What a shell command stores of `source`.
async fn dump_by_shell(world: &World, source: &Conninfo, shell: &str) -> Vec<u8> {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", shell, "sh"])
        .arg(world.postgres.installation.program("pg_dump"))
        .arg(world.postgres.url(source));
    let dumped = output(command).await;
    assert!(dumped.status.success() && dumped.stdout.len() > 100, "{dumped:?}");
    dumped.stdout
}

fn put(world: &World, key: BackupKey, object: &[u8]) {
    let put = world.bucket.server.overwrite(&key.to_string(), object);
    put.expect("an object");
}

#[test]
fn a_legacy_object_restores_and_is_verified_by_content() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        execute(
            &source,
            "GRANT SELECT ON tenants TO PUBLIC; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        )
        .await;
        let bare = r#""$1" -Fc --no-owner --no-acl --compress=0 "$2" | gzip -c"#;
        for shell in [PIPED, THROUGH_A_FILE, bare] {
            put(&world, key(), &dump_by_shell(&world, &source, shell).await);
            let restored = world.restore(Selector::Latest).await.expect("a restore");
            assert!(!restored.is_attested);
            let verification = &restored.verification;
            assert_proven(verification);
            assert_eq!(
                verification.counts_of(&CountedTables::PAYCRAFT)["subscriptions"],
                Some(500)
            );
            let listed = catalog::list(&world.bucket.store, None, DAY.parse().expect("now"), &Silent).await;
            assert_eq!(listed.expect("a catalog")[0].state, BackupState::Unattested);
        }
    });
}

#[test]
fn attesting_an_object_makes_every_later_change_show() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let object = dump_by_shell(&world, &source, PIPED).await;
        put(&world, key(), &object);
        let store = &world.bucket.store;
        let made = attest::attest(store, key(), &Silent).await.expect("a manifest");
        assert_eq!(made.manifest.framing, Framing::Stream);
        assert_eq!(made.manifest.rows(), 700);

        let listed = catalog::list(store, None, DAY.parse().expect("now"), &Silent).await;
        let listed = listed.expect("a catalog");
        assert_eq!(
            (listed[0].state, listed[0].rows),
            (BackupState::Attested, Some(700))
        );
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert!(restored.is_attested);
        assert_proven(&restored.verification);
        assert_proven(&world.verify_object().await.expect("a verification"));

        let again = attest::attest(store, key(), &Silent)
            .await
            .expect_err("once is enough");
        assert_eq!(again.kind(), Kind::Refused);

        let mut flipped = object.clone();
        flipped[object.len() / 2] ^= 1;
        put(&world, key(), &flipped);
        let error = world.verify_object().await.expect_err("another object");
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    });
}

#[test]
fn the_roles_that_policies_name_are_read_from_the_archive() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let [plain, odd] = [format!("reader_{unique}"), format!("Odd TO \"role\" {unique}")];
        let quoted = odd.replace('"', "\"\"");
        let schema = format!(
            "CREATE ROLE {plain}; CREATE ROLE \"{quoted}\"; CREATE TABLE t (id int, \"TO\" text);
             CREATE POLICY \"grant TO all\" ON t AS RESTRICTIVE FOR SELECT TO {plain}, \"{quoted}\" USING (\"TO\" = ' TO x USING ');
             CREATE POLICY everyone ON t FOR INSERT WITH CHECK (true)"
        );
        let source = world.postgres.source(&schema).await;
        put(&world, key(), &dump_by_shell(&world, &source, PIPED).await);
        let described = attest::describe(&world.bucket.store, key(), &Silent).await;
        let mut roles = described.expect("a description").roles;
        roles.sort();
        let mut expected = [odd, plain];
        expected.sort();
        assert_eq!(roles, expected);
        execute(
            &source,
            &format!(
                "DROP TABLE t; DROP ROLE {}; DROP ROLE \"{quoted}\"",
                &expected
                    .iter()
                    .find(|role| role.starts_with('r'))
                    .expect("a role")
            ),
        )
        .await;
    });
}

#[test]
fn a_broken_legacy_object_is_refused_before_anything_is_written() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let object = dump_by_shell(&world, &source, PIPED).await;
        let mut raw = Vec::new();
        let mut stream = GzipStream::new();
        stream.feed(&object, &mut raw).expect("gzip");
        stream.finish(&mut raw).expect("gzip");
        let plain_sql = gzip::deflate(b"CREATE TABLE t (id int);\n", 6);
        let mut flipped = object.clone();
        flipped[object.len() / 2] ^= 0x10;
        let broken: [(&str, Vec<u8>); 7] = [
            ("empty", Vec::new()),
            ("a failed dump through gzip", gzip::deflate(b"", 6)),
            ("cut", object[..object.len() - 9].to_vec()),
            (
                "a dump cut short, then gzipped",
                gzip::deflate(&raw[..raw.len() * 3 / 4], 6),
            ),
            ("flipped", flipped),
            ("plain SQL", plain_sql),
            ("no gzip", b"PGDMP and nothing more".to_vec()),
        ];
        for (what, object) in broken {
            put(&world, key(), &object);
            let target = world
                .postgres
                .database(paycraft_dr::postgres::conninfo::Side::Target)
                .await;
            let error = world.restore_into(Selector::Latest, target.clone()).await;
            let error = error.expect_err(what);
            assert_eq!(error.kind(), Kind::Corrupt, "{what}: {error}");
            assert!(error.next_step().is_some(), "{what}");
            let holds = super::kit::query(
                &target,
                "SELECT count(*)::text FROM pg_class WHERE relname = 'tenants'",
            )
            .await;
            assert_eq!(holds, "0", "{what}");
            let error = attest::attest(&world.bucket.store, key(), &Silent)
                .await
                .expect_err(what);
            assert_eq!(error.kind(), Kind::Corrupt, "{what}: {error}");
            assert!(
                world.bucket.server.read(&key().manifest_key()).is_none(),
                "{what}"
            );
        }
    });
}

#[test]
fn an_attested_backup_is_preferred_and_what_is_under_way_is_never_used() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source("CREATE TABLE tenants (id int); INSERT INTO tenants VALUES (1)")
            .await;
        put(&world, key(), &dump_by_shell(&world, &source, PIPED).await);
        let later = BackupKey::at("2026-11-23T02:00:00Z".parse().expect("an instant"));

        // A leftover of ours is newer than the shell's object, and is passed over.
        let leftover = world
            .back_up_at(&source, "2026-11-23T02:00:00Z")
            .await
            .expect("a backup");
        world.bucket.server.remove(&leftover.manifest_key);
        let selected = choosing::select(&world.bucket.store, Selector::Latest, now(), &Silent).await;
        assert_eq!(selected.expect("the shell's").manifest.key, key().to_string());
        let named = choosing::select(&world.bucket.store, Selector::Key(later), now(), &Silent).await;
        assert_eq!(named.expect_err("a leftover").kind(), Kind::Refused);
        world.bucket.server.remove(&later.to_string());

        let attested = world
            .back_up_at(&source, "2026-11-21T02:00:00Z")
            .await
            .expect("a backup");
        let warnings = Warnings::default();
        let selected = choosing::select(&world.bucket.store, Selector::Latest, now(), &warnings).await;
        assert_eq!(selected.expect("attested").manifest.key, attested.key.to_string());
        assert!(warnings.0.lock().expect("no panic")[0].contains(&key().to_string()));
        let selected = choosing::select(&world.bucket.store, Selector::Key(key()), now(), &Silent).await;
        assert!(!selected.expect("the shell's").is_attested);
    });
}

#[test]
fn reading_an_unattested_object_proves_that_it_is_whole_and_no_more() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let object = dump_by_shell(&world, &source, PIPED).await;
        put(&world, key(), &object);
        let relay = Relay::start(world.bucket.server.address())
            .await
            .expect("a relay");
        // It changes no answer, and counts.
        let reads = relay.plan().add(FaultRule {
            operation: Some(Operation::Get),
            key_suffix: None,
            skip: 0,
            times: None,
            failure: RequestFailure::Twice,
        });
        let mut command = program(&["verify", "--object", "--json"]);
        command
            .envs(world.bucket.environment())
            .env("R2_ENDPOINT_URL", format!("http://{}", relay.address()));
        let verified = output(command).await;
        let document = json(&verified);
        assert_eq!(document["exit_code"], 3, "{document}");
        assert_eq!(document["verdict"], "not proven");
        assert_eq!(document["attested"], false);
        let checks: Vec<(&str, &str)> = document["checks"]
            .as_array()
            .expect("checks")
            .iter()
            .map(|check| (check["name"].as_str(), check["outcome"].as_str()))
            .map(|(name, outcome)| (name.expect("a name"), outcome.expect("an outcome")))
            .collect();
        assert_eq!(
            checks,
            [
                ("gzip", "passed"),
                ("archive", "passed"),
                ("rows", "skipped"),
                ("content", "skipped"),
                ("large objects", "skipped"),
                ("schema", "skipped")
            ]
        );
        assert_eq!(document["tables"][0]["content"], "not compared");
        assert_eq!(
            relay.plan().fired(reads),
            1,
            "all of it is one span, and is read once"
        );

        put(&world, key(), &object[..object.len() - 9]);
        let mut command = program(&["verify", "--object", "--json"]);
        command.envs(world.bucket.environment());
        assert_eq!(json(&output(command).await)["exit_code"], 8);
    });
}

#[test]
fn the_program_attests_without_any_database() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        put(&world, key(), &dump_by_shell(&world, &source, PIPED).await);
        let mut command = program(&["attest", &key().to_string(), "--json"]);
        command.envs(world.bucket.environment());
        let attested = output(command).await;
        let document = json(&attested);
        assert_eq!(document["exit_code"], 0, "{document}");
        assert_eq!(document["backup"]["manifest_key"], key().manifest_key());
        execute(&source, "DELETE FROM subscriptions WHERE id = 7").await;
        let selected = choosing::select(&world.bucket.store, Selector::Latest, now(), &Silent).await;
        let manifest = selected.expect("attested").manifest;
        let (tools, scope) = (&world.postgres.tools, RestoreScope::everything());
        let compared = verify::target(&manifest, &source, &scope, tools, 1, &Silent).await;
        assert!(!compared.expect("a verification").verdict.is_proven());
    });
}

#[test]
fn a_legacy_object_of_another_time_zone_is_compared_in_that() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source("CREATE TABLE t (at timestamptz); INSERT INTO t VALUES ('2026-01-02 03:04:05+00')")
            .await;
        let zone = format!(
            "ALTER DATABASE {} SET TimeZone = 'Asia/Kathmandu'",
            source.database()
        );
        execute(&source, &zone).await;
        put(&world, key(), &dump_by_shell(&world, &source, PIPED).await);
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);

        // Where the archive does not tell, the rows do.
        execute(
            &source,
            &format!("ALTER DATABASE {} RESET TimeZone", source.database()),
        )
        .await;
        let elsewhere = format!("PGTZ=Asia/Kathmandu {PIPED}");
        put(&world, key(), &dump_by_shell(&world, &source, &elsewhere).await);
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        let changed = "UPDATE t SET at = at + interval '1 second'";
        execute(&restored.target, changed).await;
        assert!(!world.verify(&restored.target).await.verdict.is_proven());
    });
}

proptest! {
    #[test]
    fn a_gzip_stream_comes_out_whole_however_it_is_cut(
        members in prop::collection::vec(prop::collection::vec(0..4_u8, 0..5000), 1..4),
        piece in 1..3000_usize,
        lost in 1..40_usize,
    ) {
        let stored: Vec<u8> = members.iter().flat_map(|member| gzip::deflate(member, 6)).collect();
        let inflate = |stored: &[u8]| {
            let mut stream = GzipStream::new();
            let mut raw = Vec::new();
            for bytes in stored.chunks(piece) {
                stream.feed(bytes, &mut raw)?;
            }
            stream.finish(&mut raw).map(|()| raw)
        };
        prop_assert_eq!(inflate(&stored), Ok(members.concat()));
        let last = gzip::deflate(&members[members.len() - 1], 6).len();
        if lost < last {
            prop_assert!(inflate(&stored[..stored.len() - lost]).is_err());
        }
    }
}
