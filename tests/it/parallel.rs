//! Restores and verifications over several connections.

use std::time::Duration;

use jiff::civil::date;
use paycraft_dr::drill::s3_faults::{Operation, RequestFailure};
use paycraft_dr::error::{Error, Kind};
use paycraft_dr::model::depth::Depth;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::product::CountedTables;
use paycraft_dr::model::selection::Among;
use paycraft_dr::model::verdict::CheckOutcome;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::tools::Leniency;
use paycraft_dr::recovery::restore::{self, Restored};
use paycraft_dr::recovery::{catalog, verify};

use super::kit::{Silent, World, assert_proven, execute, failed, now, query, run, terms};

/// Rows of very different lengths, more than one connection is handed at once, and everything that waits for something else: keys
/// of keys, an index over a partitioned table, a view that is filled last.
const ENTANGLED: &str = "
    CREATE TABLE long (id int PRIMARY KEY, t text);
    INSERT INTO long SELECT n, repeat(chr(97 + n % 26), CASE WHEN n % 10 = 0 THEN 700000 ELSE n % 50 END) FROM generate_series(1, 60) AS n;
    CREATE TABLE wide (id int, other int, t text);
    INSERT INTO wide SELECT n, n % 60 + 1, repeat(md5(n::text), 8) FROM generate_series(1, 8000) AS n;
    ALTER TABLE wide ADD CONSTRAINT wide_key PRIMARY KEY (id), ADD CONSTRAINT wide_long FOREIGN KEY (other) REFERENCES long,
        ADD CONSTRAINT wide_wide FOREIGN KEY (id) REFERENCES wide DEFERRABLE, ADD CONSTRAINT wide_unique UNIQUE (id, other);
    ALTER TABLE wide ADD CONSTRAINT wide_later FOREIGN KEY (other) REFERENCES long (id) NOT VALID;
    CREATE INDEX wide_lower ON wide (lower(t));
    CREATE INDEX wide_some ON wide (other) WHERE id > 100;
    ALTER TABLE wide CLUSTER ON wide_key;
    COMMENT ON INDEX wide_some IS 'some';
    CREATE TABLE parted (d date, n int REFERENCES long, PRIMARY KEY (d, n)) PARTITION BY RANGE (d);
    CREATE TABLE parted_2026 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
    INSERT INTO parted SELECT date '2026-12-01' + n, n FROM generate_series(1, 60) AS n;
    CREATE INDEX parted_n ON parted (n);
    CREATE TABLE refers (d date, n int, FOREIGN KEY (d, n) REFERENCES parted);
    INSERT INTO refers SELECT d, n FROM parted;
    CREATE TABLE ranges (r int4range, EXCLUDE USING gist (r WITH &&));
    INSERT INTO ranges SELECT int4range(n, n + 1) FROM generate_series(1, 100) AS n;
    CREATE MATERIALIZED VIEW totals AS SELECT other, count(*) FROM wide GROUP BY other;
    CREATE UNIQUE INDEX totals_other ON totals (other);
    CREATE VIEW by_key AS SELECT id, t, count(*) FROM wide GROUP BY id;
";

async fn restore_with(world: &World, target: Conninfo, jobs: usize, depth: Depth) -> Result<Restored, Error> {
    let stops = Leniency {
        stops_at_first_error: true,
        ..Leniency::default()
    };
    restore_leniently(world, target, jobs, depth, stops).await
}

async fn restore_leniently(
    world: &World,
    target: Conninfo,
    jobs: usize,
    depth: Depth,
    leniency: Leniency,
) -> Result<Restored, Error> {
    let request = restore::RestoreRequest {
        store: &world.bucket.store,
        among: &Among::ANY,
        counted: &CountedTables::PAYCRAFT,
        selector: Selector::Latest,
        tools: &world.postgres.tools,
        terms: terms(),
        profile: None,
        jobs,
        depth,
        accepts_lost_rows: false,
        leniency,
        missing_sql: None,
        accepts_unknown_rights: false,
        accepted: &[],
        accepts_missing_settings: false,
        analyzes: true,
        now: now(),
    };
    restore::restore(request, async |_| Ok(target), &Silent).await
}

/// A target into which a backup of the source was restored over so many connections, and proven.
async fn proven_target(world: &World, source: &Conninfo, jobs: usize) -> Conninfo {
    world.back_up(source).await.expect("a backup");
    let target = world.postgres.database(Side::Target).await;
    let restored = restore_with(world, target.clone(), jobs, Depth::Content)
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
    assert_proven(&restored.verification);
    target
}

/// Waits until only the one who asks is connected; the server takes a moment to notice that a client is gone.
async fn becomes_quiet(target: &Conninfo) {
    let others = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let quiet = async {
        while query(target, others).await != "0" {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), quiet).await;
    waited.expect("somebody stays connected");
}

#[test]
fn any_number_of_connections_restores_the_same() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(ENTANGLED).await;
        world.back_up(&source).await.expect("a backup");
        for jobs in [1, 2, 7] {
            let target = world.postgres.database(Side::Target).await;
            let restored = restore_with(&world, target.clone(), jobs, Depth::Content)
                .await
                .unwrap_or_else(|error| panic!("{jobs} connections: {error}: {:?}", error.causes()));
            assert!(
                restored.verification.verdict.is_proven(),
                "{jobs} connections: {:?}",
                restored.verification.checks
            );
            becomes_quiet(&target).await;
        }
    });
}

#[test]
fn an_index_that_cannot_be_built_fails_the_restore_and_leaves_no_connection() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source(
                "CREATE TABLE t (id int);
                 INSERT INTO t SELECT generate_series(1, 1000);
                 CREATE FUNCTION picky(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
                 BEGIN
                     IF current_setting('application_name') LIKE 'paycraft-dr%' AND $1 = 777 THEN RAISE 'not here'; END IF;
                     RETURN $1;
                 END $$;",
            )
            .await;
        execute(
            &source,
            "SET application_name = 'psql'; CREATE INDEX picked ON t (picky(id))",
        )
        .await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let error = restore_with(&world, target.clone(), 3, Depth::Content)
            .await
            .expect_err("an index that cannot be built");
        assert_eq!(error.kind(), Kind::Target, "{error}");
        assert!(error.to_string().contains("picked"), "{error}");
        assert!(
            error.causes().iter().any(|cause| cause.contains("not here")),
            "{:?}",
            error.causes()
        );
        becomes_quiet(&target).await;

        // Unless told so, a restore goes on without it.
        let target = world.postgres.database(Side::Target).await;
        let restored =
            restore_leniently(&world, target.clone(), 3, Depth::Content, Leniency::default()).await;
        let restored = restored.expect("all else");
        assert!(!restored.verification.verdict.is_proven());
        let missing: Vec<&str> = restored
            .missing
            .iter()
            .map(|missing| missing.entry.as_str())
            .collect();
        assert_eq!(missing, ["INDEX public.picked"]);
        assert_eq!(restored.missing[0].reason, "not here");
        becomes_quiet(&target).await;
    });
}

#[test]
fn autovacuum_keeps_away_until_all_is_built() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source(
                "DO $$ BEGIN FOR n IN 1..120 LOOP
                     EXECUTE format('CREATE TABLE %I AS SELECT generate_series(1, 2) AS id', 'Table ' || n);
                 END LOOP; END $$;
                 CREATE TABLE mine (id int) WITH (autovacuum_enabled = true, fillfactor = 70);
                 CREATE TABLE full_of_options (id int) WITH (fillfactor = 70);
                 INSERT INTO mine VALUES (1);
                 INSERT INTO full_of_options VALUES (1);
                 CREATE FUNCTION who_may_come() RETURNS text LANGUAGE sql STABLE AS $$
                     SELECT string_agg(relname, ', ') FROM pg_catalog.pg_class
                     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                     AND NOT coalesce('autovacuum_enabled=false' = ANY (reloptions), false) $$;
                 CREATE FUNCTION looks_around(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
                 BEGIN
                     IF current_setting('application_name') LIKE 'paycraft-dr%' AND public.who_may_come() <> 'mine' THEN
                         RAISE 'autovacuum may come to %', public.who_may_come();
                     END IF;
                     RETURN id;
                 END $$;
                 SET application_name = 'psql';
                 CREATE INDEX watchful ON mine (looks_around(id));",
            )
            .await;
        let target = proven_target(&world, &source, 2).await;
        let kept =
            "SELECT string_agg(relname || ' ' || reloptions::text, '; ' ORDER BY relname) FROM pg_class
                    WHERE reloptions IS NOT NULL AND relnamespace = 'public'::regnamespace";
        assert_eq!(
            query(&target, kept).await,
            "full_of_options {fillfactor=70}; mine {autovacuum_enabled=true,fillfactor=70}"
        );
    });
}

#[test]
fn views_are_filled_beside_the_checks_of_keys_each_after_what_it_reads() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source(
                "CREATE TABLE t AS SELECT generate_series(1, 1000) AS id;
                 CREATE FUNCTION ours(id int) RETURNS int LANGUAGE plpgsql AS $$
                 BEGIN
                     IF current_setting('application_name') = 'pg_restore' THEN RAISE 'not over our connections'; END IF;
                     RETURN id;
                 END $$;
                 CREATE MATERIALIZED VIEW y AS SELECT ours(id) AS id FROM t;
                 CREATE UNIQUE INDEX y_id ON y (id);
                 CREATE MATERIALIZED VIEW a AS SELECT count(*) FROM y;
                 CREATE MATERIALIZED VIEW empty AS SELECT count(*) FROM y WITH NO DATA;",
            )
            .await;
        let target = proven_target(&world, &source, 3).await;
        assert_eq!(query(&target, "SELECT count::text FROM a").await, "1000");
    });
}

/// `pg_dump` writes a view grouped by a key twice: first one of the same columns that gives nothing, and the view when the key is
/// there.
#[test]
fn a_view_over_one_that_is_made_last_is_filled_after_it() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source(
                "CREATE TABLE t (id int PRIMARY KEY, name text);
                 INSERT INTO t SELECT n, 'name ' || n FROM generate_series(1, 1000) AS n;
                 CREATE VIEW by_key AS SELECT id, name, count(*) FROM t GROUP BY id;
                 CREATE MATERIALIZED VIEW filled AS SELECT sum(id) FROM by_key;",
            )
            .await;
        let target = proven_target(&world, &source, 2).await;
        assert_eq!(query(&target, "SELECT sum::text FROM filled").await, "500500");
    });
}

#[test]
fn a_foreign_key_that_rows_break_fails_the_restore_and_quotes_none_of_them() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source(
                "CREATE TABLE parent (id text PRIMARY KEY);
                 CREATE TABLE child (parent text CONSTRAINT has_parent REFERENCES parent);
                 SET session_replication_role = replica;
                 INSERT INTO child VALUES ('a-secret-of-ours');",
            )
            .await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let error = restore_with(&world, target, 2, Depth::Content)
            .await
            .expect_err("a row without its parent");
        assert_eq!(error.kind(), Kind::Target, "{error}");
        assert!(error.to_string().contains("has_parent"), "{error}");
        let told = format!("{error} {:?}", error.causes());
        assert!(!told.contains("a-secret-of-ours"), "{told}");
    });
}

#[test]
fn a_table_of_many_pages_is_compared_in_stretches() {
    run(async {
        let Some(world) = World::new().await else { return };
        // A page each, so that few rows make a large table.
        let source = world
            .postgres
            .source(
                "CREATE TABLE sparse (id int, t text) WITH (fillfactor = 10);
                 INSERT INTO sparse SELECT n, repeat('x', 700) FROM generate_series(1, 20000) AS n;",
            )
            .await;
        let target = proven_target(&world, &source, 2).await;
        let bytes = query(&target, "SELECT pg_table_size('sparse')::text").await;
        assert!(
            bytes.parse::<u64>().expect("a number") > 128 << 20,
            "{bytes} bytes are one stretch"
        );
        for (change, back) in [
            (
                "UPDATE sparse SET t = t || 'y' WHERE id = 19999",
                "UPDATE sparse SET t = repeat('x', 700)",
            ),
            (
                "DELETE FROM sparse WHERE id = 1",
                "INSERT INTO sparse VALUES (1, repeat('x', 700))",
            ),
        ] {
            execute(&target, change).await;
            assert!(
                failed(&world.verify(&target).await).contains(&"content"),
                "{change}"
            );
            execute(&target, back).await;
            assert_eq!(failed(&world.verify(&target).await), [""; 0], "{back}");
        }
    });
}

/// A store gives each connection a share of the line: who asks for one range after the other has one share.
#[test]
fn ranges_of_an_object_are_fetched_side_by_side() {
    run(async {
        let Some(world) = World::new().await else { return };
        let many = "CREATE TABLE t AS SELECT md5(n::text) || md5((-n)::text) AS t FROM generate_series(1, 400000) AS n";
        let source = world.postgres.source(many).await;
        let made = world
            .back_up_at(&source, "2026-11-23T02:00:07Z")
            .await
            .expect("a backup");
        let store = &world.bucket.store;
        let manifest = catalog::read_manifest(store, made.key).await.expect("a manifest");
        assert!(
            manifest.stored_bytes > 10 << 20,
            "{} bytes",
            manifest.stored_bytes
        );
        // None of these is answered: all of them are asked for at the same time, or the last never is.
        let server = &world.bucket.server;
        server.fail_next(Operation::Get, RequestFailure::Silence, 8);
        let all_are_asked_for = async {
            while server.failures_left() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = verify::object(store, &manifest, &Silent) => panic!("without an answer: {ended:?}"),
            waited = tokio::time::timeout(Duration::from_secs(10), all_are_asked_for) => {
                waited.unwrap_or_else(|_| panic!("{} are not asked for", server.failures_left()));
            }
        }
    });
}

#[test]
fn counts_alone_prove_nothing() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)")
            .await;
        let made = world
            .back_up_at(&source, "2026-11-23T02:00:07Z")
            .await
            .expect("a backup");
        assert_eq!(made.key.day(), date(2026, 11, 23));
        let target = world.postgres.database(Side::Target).await;
        let restored = restore_with(&world, target, 2, Depth::Counts)
            .await
            .expect("a restore");
        let verification = restored.verification;
        assert!(!verification.verdict.is_proven());
        assert_eq!(verification.tables[0].rows, Some(2));
        let skipped: Vec<&str> = verification
            .checks
            .iter()
            .filter(|check| check.outcome == CheckOutcome::Skipped)
            .map(|check| check.name)
            .collect();
        assert_eq!(skipped, ["content", "large objects"]);
        assert_eq!(failed(&verification), skipped, "all else was asked and answered");
    });
}
