//! Backups of a real server into a real store, and dumps that fail.

use std::path::Path;

use paycraft_dr::error::{Error, Kind};
use paycraft_dr::model::shrinking::ShrinkLimits;
use paycraft_dr::model::timeline::{Event, Observer};
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::tools::Tools;
use paycraft_dr::recovery::backup::{self, Made};
use paycraft_dr::recovery::verify;

use super::kit::{SMALL_SCHEMA, World, assert_proven, clock_that_waits, run};

#[test]
fn the_manifest_tells_what_the_source_held() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        let manifest = &made.manifest;
        let rows: Vec<_> = manifest
            .tables
            .iter()
            .map(|table| (table.name.as_str(), table.content.rows))
            .collect();
        assert_eq!(rows, [("subscriptions", 500), ("tenants", 200)]);
        assert_eq!(
            manifest.public_table("tenants").expect("a table").columns,
            "(id, name, note)"
        );
        assert_eq!(manifest.large_objects.rows, 1);
        assert_eq!(manifest.populated_views, ["public.totals"]);
        let receipts = manifest
            .sequences
            .iter()
            .find(|sequence| sequence.name == "receipts")
            .expect("a sequence");
        assert_eq!((receipts.last_value, receipts.is_called), (41, true));
        assert_eq!(manifest.source.database, source.database());
        assert!(manifest.source.system_identifier.is_some());
        assert_eq!(manifest.copy_settings["TimeZone"], "UTC");

        let stored = world
            .bucket
            .server
            .read(&made.key.to_string())
            .expect("the object");
        assert_eq!(stored.len() as u64, manifest.stored_bytes);
        let verification = world.verify_object().await.expect("an intact object");
        assert_proven(&verification);
    });
}

#[test]
fn the_same_content_has_the_same_fingerprint_in_another_order() {
    run(async {
        let Some(world) = World::new().await else { return };
        let make = "CREATE TABLE t (a int, b text); INSERT INTO t SELECT n, 'x' || n FROM generate_series(1, 50) n ORDER BY";
        let up = world.postgres.source(&format!("{make} n")).await;
        let down = world.postgres.source(&format!("{make} -n")).await;
        let up = world
            .back_up_at(&up, "2026-11-22T02:00:00Z")
            .await
            .expect("a backup");
        let down = world
            .back_up_at(&down, "2026-11-23T02:00:00Z")
            .await
            .expect("a backup");
        assert_eq!(up.manifest.tables, down.manifest.tables);
    });
}

#[test]
fn a_database_with_nothing_in_it_can_be_backed_up() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.database(Side::Source).await;
        let made = world.back_up(&source).await.expect("a backup");
        assert!(made.manifest.tables.is_empty());
        assert!(
            world
                .verify_object()
                .await
                .expect("an intact object")
                .verdict
                .is_proven()
        );
    });
}

#[test]
fn two_backups_of_one_second_have_a_second_each() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let clock = clock_that_waits("2026-11-23T02:00:07Z".parse().expect("an instant"));
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source: &source,
            tools: &world.postgres.tools,
            store: &world.bucket.store,
            clock: &clock,
            attempts: 1,
            looks_for_trouble: true,
        };
        let (one, other) = tokio::join!(
            backup::backup(request, &super::kit::Silent),
            backup::backup(request, &super::kit::Silent)
        );
        let (one, other) = (one.expect("a backup"), other.expect("another"));
        assert_ne!(one.key, other.key);
        assert!(world.bucket.server.open_uploads().is_empty());
        for made in [one, other] {
            let (store, manifest) = (&world.bucket.store, &made.manifest);
            let verification = verify::object(store, manifest, &super::kit::Silent).await;
            assert_proven(&verification.expect("an intact object"));
        }
    });
}

/// Rows that break a key, a check, and a unique index, in a database that otherwise holds what it should.
const TROUBLED: &str = r#"
    CREATE TABLE "Odd parent" (a int, b int, PRIMARY KEY (a, b));
    CREATE TABLE child (id int PRIMARY KEY, "A" int, b int, CONSTRAINT "to parent" FOREIGN KEY ("A", b) REFERENCES "Odd parent" (a, b));
    INSERT INTO "Odd parent" SELECT n, n FROM generate_series(1, 10) AS n;
    INSERT INTO child SELECT n, n, n FROM generate_series(1, 10) AS n;
    INSERT INTO child VALUES (11, 77, NULL);
    CREATE FUNCTION small(n int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT n < 100';
    CREATE TABLE measured (n int CONSTRAINT small CHECK (public.small(n)));
    INSERT INTO measured VALUES (50);
    -- Views that read each other are made again as they are.
    CREATE VIEW one AS SELECT 1 AS x;
    CREATE VIEW other AS SELECT x FROM one;
    CREATE OR REPLACE VIEW one AS SELECT x FROM other;
    CREATE VIEW "Itself" AS SELECT 1 AS x;
    CREATE RECURSIVE VIEW numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 5;
"#;
const TROUBLE: &str = r#"
    SET session_replication_role = replica;
    DELETE FROM "Odd parent" WHERE a = 5;
    CREATE OR REPLACE FUNCTION small(n int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT n < 10';
    CREATE OR REPLACE VIEW "Itself" AS SELECT x FROM "Itself";
    INSERT INTO pg_extension SELECT 99999, 'unheard_of', 10, 2200, false, '1', NULL, NULL;
"#;

#[test]
fn what_no_restore_could_make_again_is_told_where_it_is_asked() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(TROUBLED).await;
        let back_up = async |looks_for_trouble| {
            let request = backup::BackupRequest {
                limits: &ShrinkLimits::USUAL,
                source: &source,
                tools: &world.postgres.tools,
                store: &world.bucket.store,
                clock: &clock_that_waits("2026-11-23T02:00:07Z".parse().expect("an instant")),
                attempts: 1,
                looks_for_trouble,
            };
            let made = backup::backup(request, &super::kit::Silent).await;
            made.expect("a backup").manifest.troubles
        };
        let well = back_up(true).await.expect("an answer");
        assert!(well.is_empty(), "{well:?}");
        super::kit::execute(&source, TROUBLE).await;
        let troubles = back_up(true).await.expect("an answer");
        let about: Vec<&str> = troubles
            .found
            .iter()
            .map(|trouble| trouble.split_once(": ").expect("what and why").0)
            .collect();
        assert_eq!(
            about,
            [
                "extension unheard_of",
                "view public.Itself",
                "check public.measured small",
                "foreign key public.child to parent"
            ]
        );
        assert_eq!(back_up(false).await, None);
    });
}

#[test]
fn what_the_role_may_not_call_is_no_trouble_of_the_source() {
    run(async {
        let Some(world) = World::new().await else { return };
        let role = format!("reads_{:016x}", rand::random::<u64>());
        let schema = format!(
            "CREATE FUNCTION own(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'; REVOKE EXECUTE ON FUNCTION own(int) FROM PUBLIC;
             CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE INDEX ON t (own(a));
             CREATE ROLE {role} LOGIN PASSWORD 'reads'; GRANT SELECT ON t TO {role}"
        );
        let source = world.postgres.source(&schema).await;
        let url = world.postgres.url(&source);
        let (_, place) = url.split_once('@').expect("a place");
        let reads = Conninfo::parse(Side::Source, &format!("postgresql://{role}:reads@{place}"));
        let made = world
            .back_up(&reads.expect("a connection string"))
            .await
            .expect("a backup");
        let troubles = made.manifest.troubles.expect("an answer");
        assert_eq!((troubles.found, troubles.unasked), (Vec::new(), 1));
        super::kit::execute(&source, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}

async fn back_up_with(world: &World, pg_dump: &str, observer: &dyn Observer) -> Result<Made, Error> {
    let source = world.postgres.source(SMALL_SCHEMA).await;
    let directory = world.postgres.with_scripted_dump(pg_dump);
    let tools = Tools::find(Some(directory.path()), None)
        .await
        .expect("the tools");
    let request = backup::BackupRequest {
        limits: &ShrinkLimits::USUAL,
        source: &source,
        tools: &tools,
        store: &world.bucket.store,
        clock: &|| "2026-11-23T02:00:07Z".parse().expect("an instant"),
        attempts: backup::ATTEMPTS,
        looks_for_trouble: true,
    };
    backup::backup(request, observer).await
}

#[test]
fn a_dump_that_fails_leaves_no_backup() {
    run(async {
        let Some(world) = World::new().await else { return };
        for (pg_dump, says) in [
            (
                "echo 'pg_dump: error: no such thing' >&2; exit 1",
                "no such thing",
            ),
            (
                "$REAL \"$@\" | head -c 9000; echo 'pg_dump: error: lost' >&2; exit 1",
                "lost",
            ),
            ("$REAL \"$@\" | head -c 9000; kill -9 $$", "signal: 9"),
            ("$REAL \"$@\" | head -c 9000", "whole archive"),
            ("$REAL \"$@\"; echo behind the end", "whole archive"),
            ("$REAL \"$@\"; exit 3", "exit status: 3"),
            ("true", "whole archive"),
            ("echo 'not an archive at all'", "whole archive"),
        ] {
            let error = back_up_with(&world, pg_dump, &super::kit::Silent)
                .await
                .expect_err(pg_dump);
            assert_eq!(error.kind(), Kind::Source, "{pg_dump}: {error}");
            let told = format!("{error} {}", error.causes().join(" "));
            assert!(told.contains(says), "{pg_dump}: {told}");
            assert!(error.next_step().is_some(), "{pg_dump}");
            assert_eq!(
                world.bucket.store.list("").await.expect("a listing"),
                [],
                "{pg_dump}"
            );
            assert!(world.bucket.server.open_uploads().is_empty(), "{pg_dump}");
        }
    });
}

#[test]
fn an_upload_that_fails_is_aborted() {
    /// Takes the key while the backup is on its way.
    struct Intruder<'a>(&'a World);

    impl Observer for Intruder<'_> {
        fn observe(&self, event: Event) {
            if matches!(event, Event::Bytes(_)) {
                let key = "2026/11/23/backup-20261123-020007.dump.gz";
                self.0
                    .bucket
                    .server
                    .overwrite(key, b"somebody else's")
                    .expect("an object");
            }
        }
    }

    run(async {
        let Some(world) = World::new().await else { return };
        let error = back_up_with(&world, "exec $REAL \"$@\"", &Intruder(&world))
            .await
            .expect_err("the key is taken");
        assert_eq!(error.kind(), Kind::Store, "{error}");
        assert!(world.bucket.server.open_uploads().is_empty());
        let listed = world.bucket.store.list("").await.expect("a listing");
        assert_eq!(listed.len(), 1, "no manifest was published: {listed:?}");
    });
}

#[test]
fn the_password_travels_in_the_environment_alone() {
    run(async {
        let Some(world) = World::new().await else { return };
        let notes = tempfile::tempdir().expect("a directory");
        let note = |name: &str| notes.path().join(name);
        let script = format!(
            "printf '%s\\n' \"$@\" > {}; printf %s \"$PGPASSWORD\" > {}; exec $REAL \"$@\"",
            note("arguments").display(),
            note("password").display()
        );
        let made = back_up_with(&world, &script, &super::kit::Silent)
            .await
            .expect("a backup");
        let read = |path: &Path| std::fs::read_to_string(path).expect("a note");
        let password = read(&note("password"));
        assert_eq!(password.len(), 32, "the script saw the password");
        let arguments = read(&note("arguments"));
        let (snapshot, arguments): (Vec<_>, Vec<_>) = arguments
            .lines()
            .partition(|argument| argument.starts_with("--snapshot="));
        assert_eq!(snapshot.len(), 1);
        assert_eq!(
            arguments,
            [
                "--format=custom",
                "--compress=0",
                "--lock-wait-timeout=300000",
                "--encoding=UTF8"
            ]
        );
        let manifest = world
            .bucket
            .server
            .read(&made.manifest_key)
            .expect("the manifest");
        assert!(!String::from_utf8(manifest).expect("text").contains(&password));
    });
}

#[test]
fn a_source_that_cannot_be_reached_is_the_sources_fault() {
    run(async {
        let Some(world) = World::new().await else { return };
        let nowhere = world
            .postgres
            .database(Side::Source)
            .await
            .with_database(Side::Source, "no_such_database");
        let error = world.back_up(&nowhere).await.expect_err("no such database");
        assert_eq!(error.kind(), Kind::Source);
        let wrong_password = nowhere
            .with_database(Side::Source, "postgres")
            .with_password("guess");
        let error = world.back_up(&wrong_password).await.expect_err("wrong password");
        assert_eq!(error.kind(), Kind::Source);
        assert!(!format!("{error} {:?}", error.causes()).contains("guess"));
        assert_eq!(world.bucket.store.list("").await.expect("a listing"), []);
    });
}
