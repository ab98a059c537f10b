//! A backup holds what the source held: sources whose tables and definitions change while they are dumped.

use std::sync::Mutex;

use paycraft_dr::error::{Error, Kind};
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::shrinking::ShrinkLimits;
use paycraft_dr::model::timeline::{Event, Observer};
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::patience::ServerTimeouts;
use paycraft_dr::postgres::session::Session;
use paycraft_dr::postgres::tools::Tools;
use paycraft_dr::recovery::backup::{self, Made};

use super::kit::{Silent, World, assert_proven, execute, query, run};

mod soak;

/// Tables with rows, and one of most things that pg_dump reads by functions that see the newest state.
const SCHEMA: &str = "
    CREATE TABLE ledger (id int PRIMARY KEY, note text);
    INSERT INTO ledger SELECT n, 'note ' || n FROM generate_series(1, 3000) AS n;
    CREATE TABLE calm (id int PRIMARY KEY, ledger int, mood text);
    INSERT INTO calm SELECT n, n, 'sad' FROM generate_series(1, 100) AS n;
    CREATE INDEX calm_mood ON calm (mood);
    CREATE FUNCTION tally() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.ledger';
    CREATE VIEW shown AS SELECT id FROM ledger;
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE TABLE moods (mood mood);
    INSERT INTO moods VALUES ('sad');
    ALTER TABLE calm ADD CONSTRAINT known FOREIGN KEY (ledger) REFERENCES ledger NOT VALID;
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM ledger;
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER quiet BEFORE INSERT ON calm FOR EACH ROW EXECUTE FUNCTION nothing();
";

/// Remembers what was noted.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn observe(&self, event: Event) {
        if let Event::Noted(note) = event {
            self.0.lock().expect("no panic").push(note);
        }
    }
}

/// A rewrite of all rows that no snapshot from before it sees.
const REWRITE: &str = "ALTER TABLE ledger ADD COLUMN seen timestamptz DEFAULT clock_timestamp()";

/// Backs up by a pg_dump that lets `psql` run `sql` before it does anything: after the snapshot, before the locks. Only its first
/// run does so, or each.
async fn back_up_beside(
    world: &World,
    source: &Conninfo,
    sql: &str,
    every_time: bool,
    attempts: u32,
) -> Result<Made, Error> {
    let place = tempfile::tempdir().expect("a directory");
    let once = place.path().join("ran");
    let script = format!(
        "if [ ! -e {once} ]; then {keep} env -u PGOPTIONS $(dirname $REAL)/psql -qX -v ON_ERROR_STOP=1 -c '{sql}' >&2 || exit 9; fi; exec $REAL \"$@\"",
        once = once.display(),
        keep = if every_time {
            String::new()
        } else {
            format!("touch {};", once.display())
        },
        sql = sql.replace('\'', "'\\''"),
    );
    let programs = world.postgres.with_scripted_dump(&script);
    let tools = Tools::find(Some(programs.path()), None).await.expect("programs");
    let request = backup::BackupRequest {
        looks_for_trouble: true,
        limits: &ShrinkLimits::USUAL,
        source,
        tools: &tools,
        store: &world.bucket.store,
        clock: &super::kit::clock_that_waits("2026-11-23T02:00:07Z".parse().expect("an instant")),
        attempts,
    };
    backup::backup(request, &Silent).await
}

async fn assert_holds(world: &World, made: &Made, ledger: u64) {
    let held = made
        .manifest
        .public_table("ledger")
        .expect("the table")
        .content
        .rows;
    assert_eq!(held, ledger);
    let restored = world.restore(Selector::Key(made.key)).await.expect("a restore");
    assert_proven(&restored.verification);
}

#[test]
fn a_rewrite_that_is_committed_while_its_lock_is_waited_for_costs_no_row() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SCHEMA).await;
        let migrates = Session::connect(&source).await.expect("a connection");
        let rewrite = format!("BEGIN; {REWRITE}; DELETE FROM ledger WHERE id = 3000");
        migrates
            .client()
            .batch_execute(&rewrite)
            .await
            .expect("a rewrite");
        let commits = async {
            let waits = "SELECT (count(*) > 0)::text FROM pg_locks WHERE NOT granted AND relation = 'ledger'::regclass";
            while query(&source, waits).await != "true" {}
            migrates.client().batch_execute("COMMIT").await.expect("a commit");
        };
        let (made, ()) = tokio::join!(world.back_up(&source), commits);
        assert_holds(&world, &made.expect("a backup"), 2999).await;
    });
}

#[test]
fn a_change_between_snapshot_and_locks_costs_an_attempt_and_never_a_row() {
    run(async {
        let Some(world) = World::new().await else { return };
        for (sql, rows) in [
            (REWRITE, 3000),
            ("TRUNCATE ledger CASCADE", 0),
            (
                "CREATE TABLE new AS TABLE ledger; ALTER TABLE ledger RENAME TO old; ALTER TABLE new RENAME TO ledger",
                3000,
            ),
            ("DROP TABLE calm", 3000),
            ("DROP INDEX calm_mood", 3000),
            ("ALTER INDEX calm_mood RENAME TO calm_by_mood", 3000),
            (
                "CREATE OR REPLACE FUNCTION tally() RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
                3000,
            ),
            ("DROP FUNCTION tally", 3000),
            ("DROP VIEW shown", 3000),
            (
                "CREATE OR REPLACE VIEW shown AS SELECT id FROM ledger WHERE id > 1",
                3000,
            ),
            ("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", 3000),
            ("ALTER TABLE calm VALIDATE CONSTRAINT known", 3000),
            ("DROP TRIGGER quiet ON calm", 3000),
        ] {
            let source = world.postgres.source(SCHEMA).await;
            let error = back_up_beside(&world, &source, sql, true, 1).await;
            let error = error.expect_err(sql);
            assert_eq!(error.kind(), Kind::Source, "{sql}: {error}");
            assert!(error.next_step().expect("a hint").contains("--attempts"), "{sql}");
            assert!(
                world.bucket.store.list("").await.expect("a listing").is_empty(),
                "{sql}"
            );
            assert!(world.bucket.server.open_uploads().is_empty(), "{sql}");

            if rows == 3000 && ![REWRITE, "DROP VIEW shown"].contains(&sql) {
                continue;
            }
            let source = world.postgres.source(SCHEMA).await;
            let made = back_up_beside(&world, &source, sql, false, 2).await;
            let made = made.unwrap_or_else(|error| panic!("{sql}: {error}: {:?}", error.causes()));
            let held = made.manifest.public_table("ledger").expect("the table");
            assert_eq!(held.content.rows, rows, "{sql}");
            if rows == 0 || sql == REWRITE {
                assert_holds(&world, &made, rows).await;
            }
            for object in world.bucket.store.list("").await.expect("a listing") {
                world.bucket.store.delete(&object.key).await.expect("a deletion");
            }
        }
    });
}

#[test]
fn what_changes_no_dump_costs_no_attempt() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SCHEMA).await;
        let made = back_up_beside(
            &world,
            &source,
            "CREATE TABLE another (id int PRIMARY KEY); DROP TABLE another; CREATE TABLE more (id int);
             CREATE TEMP TABLE own (id serial PRIMARY KEY); ANALYZE; REINDEX TABLE calm;
             REFRESH MATERIALIZED VIEW totals; GRANT SELECT ON ledger TO PUBLIC; INSERT INTO ledger VALUES (3001);
             CREATE INDEX ON ledger (note); CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            true,
            1,
        );
        let made = made
            .await
            .unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
        assert!(
            made.manifest.public_table("more").is_none(),
            "it came after the snapshot"
        );
        assert_holds(&world, &made, 3000).await;
    });
}

#[test]
fn a_lock_that_is_not_let_go_is_told_with_its_holder() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SCHEMA).await;
        let migrates = Session::connect(&source).await.expect("a connection");
        let lock = "SET application_name = 'a migration'; BEGIN; LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE";
        migrates.client().batch_execute(lock).await.expect("a lock");
        let hasty = source.with_patience(ServerTimeouts {
            lock: std::time::Duration::from_millis(200),
            ..ServerTimeouts::default()
        });
        let heard = Heard::default();
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source: &hasty,
            tools: &world.postgres.tools,
            store: &world.bucket.store,
            clock: &|| "2026-11-23T02:00:07Z".parse().expect("an instant"),
            attempts: 1,
            looks_for_trouble: true,
        };
        let error = backup::backup(request, &heard).await.expect_err("a lock");
        let told = heard.0.into_inner().expect("no panic").join("\n");
        assert!(
            told.contains("waiting for a lock on public.ledger")
                && told.contains("(a migration) holds a lock"),
            "{told}"
        );
        assert_eq!(error.kind(), Kind::Source, "{error}");
        let hint = error.next_step().expect("a hint");
        assert!(
            hint.contains("(a migration) holds a lock on ledger since 20"),
            "{hint}"
        );
        execute(&source, "SELECT").await;
    });
}

#[test]
fn a_definition_that_says_nothing_is_not_published() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SCHEMA).await;
        let index = "CREATE INDEX calm_mood ON public.calm USING btree (mood);";
        let nothing = format!("{:>width$}", ";", width = index.len());
        let script = format!("$REAL \"$@\" | LC_ALL=C sed 's/{index}/{nothing}/'");
        let programs = world.postgres.with_scripted_dump(&script);
        let tools = Tools::find(Some(programs.path()), None).await.expect("programs");
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source: &source,
            tools: &tools,
            store: &world.bucket.store,
            clock: &super::kit::clock_that_waits("2026-11-23T02:00:07Z".parse().expect("an instant")),
            attempts: 2,
            looks_for_trouble: true,
        };
        let error = backup::backup(request, &Silent)
            .await
            .expect_err("a hollow definition");
        assert_eq!(error.kind(), Kind::Source, "{error}");
        assert!(
            error.causes().join(" ").contains("INDEX public.calm_mood"),
            "{:?}",
            error.causes()
        );
        assert!(world.bucket.store.list("").await.expect("a listing").is_empty());
        assert!(world.bucket.server.open_uploads().is_empty());
    });
}

#[test]
fn a_backup_tells_what_it_left_out() {
    run(async {
        let Some(world) = World::new().await else { return };
        let foreign = "CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER far FOREIGN DATA WRAPPER elsewhere;
            CREATE FOREIGN TABLE prices (id int) SERVER far; CREATE UNLOGGED TABLE cache (id int); INSERT INTO cache VALUES (1)";
        let source = world.postgres.source(foreign).await;
        let made = world.back_up(&source).await.expect("a backup");
        let told: Vec<_> = made
            .manifest
            .left_out
            .iter()
            .map(|left| (left.what.as_str(), left.name.as_str()))
            .collect();
        assert_eq!(told, [("rows of a foreign table", "public.prices")]);
        assert_eq!(
            made.manifest.public_table("cache").expect("a table").content.rows,
            1
        );
    });
}

/// A new, empty database of that encoding.
async fn database_in(world: &World, encoding: &str, side: Side) -> Conninfo {
    let beside = world.postgres.database(side).await;
    let name = format!("{}_{}", beside.database(), encoding.to_lowercase());
    let create = format!(
        "CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    );
    execute(&beside, &create).await;
    beside.with_database(side, &name)
}

#[test]
fn text_of_any_encoding_is_backed_up_and_proven() {
    const WORDS: &str = r#"CREATE TABLE "Größe" ("für" int PRIMARY KEY, v text); INSERT INTO "Größe" VALUES (1, 'ä');
        COMMENT ON TABLE "Größe" IS 'für Größe'; CREATE INDEX "Bücher" ON "Größe" (v);
        CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'ä' $$"#;
    const SIGNS: &str = "CREATE TABLE t (v text); INSERT INTO t VALUES ('日本'); COMMENT ON TABLE t IS '語'";
    // No text in any encoding: bytes.
    const BYTES: &str = r"CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, convert_from('\xfc', 'SQL_ASCII'));
        DO $$ BEGIN
          EXECUTE format('COMMENT ON TABLE t IS %L', convert_from('\x66fc72', 'SQL_ASCII'));
          EXECUTE format('CREATE TYPE e AS ENUM (%L)', convert_from('\xfc', 'SQL_ASCII'));
        END $$";
    run(async {
        let Some(world) = World::new().await else { return };
        for (hour, encoding, sql, targets) in [
            (0, "LATIN1", WORDS, ["LATIN1", "UTF8"]),
            (1, "EUC_JP", SIGNS, ["EUC_JP", "UTF8"]),
            (2, "SQL_ASCII", BYTES, ["SQL_ASCII", "SQL_ASCII"]),
            (3, "UTF8", WORDS, ["UTF8", "LATIN1"]),
        ] {
            let source = database_in(&world, encoding, Side::Source).await;
            execute(&source, sql).await;
            if encoding == "UTF8" {
                // It would spoil a dump that leaves its encoding to the server.
                let setting = format!(
                    "ALTER DATABASE {} SET client_encoding = 'LATIN1'",
                    source.database()
                );
                execute(&source, &setting).await;
            }
            let made = world
                .back_up_at(&source, &format!("2026-11-23T0{hour}:00:07Z"))
                .await;
            let made = made.unwrap_or_else(|error| panic!("{encoding}: {error}: {:?}", error.causes()));
            for target in targets {
                let target = database_in(&world, target, Side::Target).await;
                let restored = world.restore_into(Selector::Key(made.key), target).await;
                let restored =
                    restored.unwrap_or_else(|error| panic!("{encoding}: {error}: {:?}", error.causes()));
                assert_proven(&restored.verification);
            }
        }
    });
}
