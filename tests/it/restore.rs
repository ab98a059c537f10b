//! Restores into a real server, what the guard refuses, and what verification finds.

use bytes::Bytes;
use futures_util::SinkExt;
use jiff::civil::date;
use paycraft_dr::error::Kind;
use paycraft_dr::model::catalog::BackupState;
use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::queries;
use paycraft_dr::postgres::session::Session;
use paycraft_dr::recovery::{catalog, verify};

use super::kit::{
    SMALL_SCHEMA, Silent, World, assert_proven, execute, failed, json, output, program, query, run,
};

/// Rows that a careless reader of COPY text would change.
const AWKWARD: &str = r#"
    CREATE SCHEMA "Odd (schema)";
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TABLE "Odd (schema)"."odd ""table""" ("a (b" text, "c,d" bytea, e jsonb, f text[], g timestamptz, h float8, i mood,
        j int GENERATED ALWAYS AS (length("a (b")) STORED, k int GENERATED ALWAYS AS IDENTITY);
    INSERT INTO "Odd (schema)"."odd ""table""" ("a (b", "c,d", e, f, g, h, i) VALUES
        (E'tab\tnewline\nreturn\rback\\slash', '\x00ff5c2e0a', '{"k": "v\n\\."}', ARRAY['a,b', NULL, '"q"'], now(), 0.1, 'sad'),
        ('\.', '', 'null', '{}', '2026-03-29 01:30:00+02', 'NaN', 'happy'),
        ('\N', NULL, NULL, NULL, 'infinity', '-Infinity', NULL),
        ('', '\x5c2e', '[]', ARRAY[''], '0044-03-15 BC', 1e300, 'sad'),
        ('grüße, 世界 🌍', NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE TABLE nothing ();
    INSERT INTO nothing SELECT FROM generate_series(1, 3);
    CREATE TABLE one_column (t text);
    INSERT INTO one_column VALUES (''), (NULL), ('\.'), ('.'), (E'\\');
    CREATE TABLE large (t text);
    INSERT INTO large VALUES (repeat('0123456789', 1000000));
    CREATE TABLE empty (t text);
    CREATE TABLE parted (d date, t text) PARTITION BY RANGE (d);
    CREATE TABLE parted_2026 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
    INSERT INTO parted VALUES ('2026-05-05', 'in'), ('1999-01-01', 'out');
    CREATE TABLE parent (a int);
    CREATE TABLE child (b int) INHERITS (parent);
    INSERT INTO parent VALUES (1);
    INSERT INTO child VALUES (2, 3);
"#;

#[test]
fn what_was_backed_up_comes_back_the_same() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        let counts = restored.counts;
        assert_eq!(counts["tenants"], Some(200));
        assert_eq!(counts["subscriptions"], Some(500));
        assert_eq!(counts["tier_definitions"], None);
        let target = &restored.target;
        assert_eq!(
            query(
                target,
                "SELECT md5(string_agg(name || note, ',' ORDER BY id)) FROM tenants"
            )
            .await,
            query(
                &source,
                "SELECT md5(string_agg(name || note, ',' ORDER BY id)) FROM tenants"
            )
            .await
        );
        assert_eq!(
            query(target, "SELECT md5(lo_get(4711))").await,
            query(&source, "SELECT md5(lo_get(4711))").await
        );
        assert_eq!(query(target, "SELECT nextval('receipts')::text").await, "42");
        assert_eq!(query(target, "SELECT count(*)::text FROM totals").await, "200");
    });
}

#[test]
fn awkward_rows_come_back_the_same() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(AWKWARD).await;
        let made = world.back_up(&source).await.expect("a backup");
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        let odd =
            r#"SELECT md5(string_agg(o::text, '|' ORDER BY k)) FROM "Odd (schema)"."odd ""table""" AS o"#;
        assert_eq!(query(&restored.target, odd).await, query(&source, odd).await);
        let rows = |name: &str| {
            made.manifest
                .tables
                .iter()
                .find(|table| table.name == name)
                .map(|table| table.content.rows)
        };
        assert_eq!(rows("nothing"), Some(3));
        assert_eq!(
            rows("parted"),
            None,
            "the rows of a partitioned table are its partitions'"
        );
        assert_eq!(rows("parted_rest"), Some(1));
        assert_eq!(rows("parent"), Some(1));
        assert_eq!(rows("empty"), Some(0));
    });
}

#[test]
fn another_time_zone_and_bytea_format_on_either_side_change_nothing() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(AWKWARD).await;
        let configure = |database: &Conninfo, zone: &str| {
            let name = database.database();
            format!("ALTER DATABASE {name} SET timezone = '{zone}'; ALTER DATABASE {name} SET datestyle = 'German';
                     ALTER DATABASE {name} SET bytea_output = 'escape'; ALTER DATABASE {name} SET extra_float_digits = -3")
        };
        execute(&source, &configure(&source, "Asia/Kathmandu")).await;
        world.back_up(&source).await.expect("a backup");
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        let target = &restored.target;
        execute(
            target,
            &format!(
                "ALTER DATABASE {} SET timezone = 'America/Lima'",
                target.database()
            ),
        )
        .await;
        // The rows are the same; that the setting is another is told.
        let again = world.verify(target).await;
        assert_eq!(failed(&again), ["settings"], "{:?}", again.checks);
    });
}

#[test]
fn the_backup_that_is_asked_for_is_restored() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source("CREATE TABLE tenants (id int); INSERT INTO tenants VALUES (1)")
            .await;
        let sunday = world
            .back_up_at(&source, "2026-11-22T23:59:59Z")
            .await
            .expect("a backup");
        execute(&source, "INSERT INTO tenants VALUES (2)").await;
        let monday = world
            .back_up_at(&source, "2026-11-23T02:00:00Z")
            .await
            .expect("a backup");
        world.bucket.put("2026/11/24/notes.txt", b"foreign");
        for (selector, key) in [
            (Selector::Latest, monday.key),
            (Selector::Day(date(2026, 11, 22)), sunday.key),
            (Selector::Key(sunday.key), sunday.key),
        ] {
            let restored = world.restore(selector).await.expect("a restore");
            assert_eq!(restored.manifest.key, key.to_string());
            assert!(restored.verification.verdict.is_proven());
        }
        let error = world
            .restore(Selector::Day(date(2026, 11, 24)))
            .await
            .expect_err("no backup that day");
        assert_eq!(error.kind(), Kind::Store);
        assert!(
            error
                .next_step()
                .expect("a hint")
                .contains(&monday.key.to_string())
        );
    });
}

#[test]
fn the_catalog_tells_whole_backups_from_leftovers() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source("CREATE TABLE tenants (id int); INSERT INTO tenants VALUES (1)")
            .await;
        let orphan = world
            .back_up_at(&source, "2026-11-20T02:00:00Z")
            .await
            .expect("a backup");
        let whole = world
            .back_up_at(&source, "2026-11-21T02:00:00Z")
            .await
            .expect("a backup");
        let object_lost = world
            .back_up_at(&source, "2026-11-22T02:00:00Z")
            .await
            .expect("a backup");
        world.bucket.server.remove(&orphan.manifest_key);
        world.bucket.server.remove(&object_lost.key.to_string());
        world
            .bucket
            .put("2026/11/19/backup-20261119-020000.dump.gz", b"the shell's");
        let now = "2026-11-23T02:00:00Z".parse().expect("an instant");
        let listed = catalog::list(&world.bucket.store, None, now, &Silent)
            .await
            .expect("a catalog");
        let states: Vec<_> = listed
            .iter()
            .map(|backup| (backup.state, backup.rows, backup.age_seconds / 86_400))
            .collect();
        assert_eq!(
            states,
            [
                (BackupState::Orphan, None, 1),
                (BackupState::Attested, Some(1), 2),
                (BackupState::Orphan, None, 3),
                (BackupState::Unattested, None, 4)
            ]
        );
        let one_day = catalog::list(&world.bucket.store, Some(whole.key.day()), now, &Silent)
            .await
            .expect("a catalog");
        assert_eq!(one_day.len(), 1);
    });
}

#[test]
fn the_guard_refuses_and_changes_nothing() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let settle = "SELECT pg_stat_force_next_flush()::text";
        let written = "SELECT (sum(n_tup_ins + n_tup_upd + n_tup_del))::text FROM pg_stat_user_tables";
        query(&source, settle).await;
        let before = query(&source, written).await;
        let itself = source.with_database(Side::Target, source.database());
        let error = world
            .restore_into(Selector::Latest, itself)
            .await
            .expect_err("its own source");
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert_eq!(query(&source, written).await, before);

        let full = world.postgres.database(Side::Target).await;
        execute(
            &full,
            "CREATE TABLE somebodys (id int); INSERT INTO somebodys VALUES (1)",
        )
        .await;
        let error = world
            .restore_into(Selector::Latest, full.clone())
            .await
            .expect_err("not empty");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.message().contains("public.somebodys"), "{error}");
        assert_eq!(query(&full, "SELECT count(*)::text FROM somebodys").await, "1");
        assert_eq!(
            query(
                &full,
                "SELECT count(*)::text FROM pg_class WHERE relname = 'tenants'"
            )
            .await,
            "0"
        );

        let frozen = world.postgres.database(Side::Target).await;
        let name = frozen.database();
        execute(
            &frozen,
            &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
        )
        .await;
        let error = world
            .restore_into(Selector::Latest, frozen)
            .await
            .expect_err("read-only");
        assert_eq!(error.kind(), Kind::Refused);
    });
}

#[test]
fn an_error_says_where_and_quotes_no_row() {
    run(async {
        let Some(world) = World::new().await else { return };
        let target = world.postgres.database(Side::Target).await;
        execute(&target, "CREATE TABLE t (a int NOT NULL, b text)").await;
        let session = Session::connect(&target).await.expect("a connection");
        let sink = queries::loading::copy_in(&session, "COPY t FROM stdin")
            .await
            .expect("a sink");
        let mut sink = Box::pin(sink);
        sink.send(Bytes::from_static(b"\\N\thunter2\n"))
            .await
            .expect("room");
        let cause = sink.as_mut().finish().await.expect_err("a null");
        let error = session.failed("cannot load the rows of t", cause);
        let told = error.causes().join(" ");
        assert!(
            told.contains("null value") && told.contains("COPY t, line 1"),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
        assert!(error.next_step().expect("a hint").contains("target"));
    });
}

#[test]
fn a_missing_role_is_named_before_anything_is_changed() {
    run(async {
        let Some(world) = World::new().await else { return };
        let role = format!("role_{:016x}", rand::random::<u64>());
        let schema = format!(
            "CREATE ROLE {role}; CREATE TABLE t (id int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
             CREATE POLICY mine ON t TO {role} USING (true)"
        );
        let source = world.postgres.source(&schema).await;
        world.back_up(&source).await.expect("a backup");
        execute(&source, &format!("DROP POLICY mine ON t; DROP ROLE {role}")).await;
        let error = world
            .restore(Selector::Latest)
            .await
            .expect_err("the role is gone");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.next_step().expect("a hint").contains(&role));
    });
}

#[test]
fn the_runbooks_tables_are_compared_with_production() {
    run(async {
        let Some(world) = World::new().await else { return };
        let schema = "CREATE TABLE tenants (id int); CREATE TABLE tenant_providers (id int);
            CREATE TABLE tenant_products (id int); CREATE TABLE tier_definitions (id int); CREATE TABLE subscriptions (id int);
            INSERT INTO tenants VALUES (1); INSERT INTO tier_definitions VALUES (1), (2), (3);
            INSERT INTO subscriptions VALUES (1), (2)";
        let source = world.postgres.source(schema).await;
        world.back_up(&source).await.expect("a backup");
        let against = async || {
            let mut command = program(&["verify", "--object", "--against", "--json"]);
            command
                .envs(world.bucket.environment())
                .env("SUPABASE_DB_URL", world.postgres.url(&source));
            json(&output(command).await)
        };
        assert_eq!(against().await["exit_code"], 0);
        execute(&source, "INSERT INTO subscriptions VALUES (3)").await;
        assert_eq!(
            against().await["exit_code"],
            0,
            "one more is within the tolerance"
        );
        for (change, told) in [
            (
                "INSERT INTO subscriptions VALUES (4)",
                "subscriptions has 2 rows and 4 there",
            ),
            (
                "DELETE FROM subscriptions WHERE id > 2; INSERT INTO tenants VALUES (2)",
                "tenants has 1 rows and 2 there",
            ),
            (
                "DELETE FROM tenants WHERE id = 2; DROP TABLE tenant_products",
                "tenant_products is missing there",
            ),
        ] {
            execute(&source, change).await;
            let document = against().await;
            assert_eq!(document["exit_code"], 3, "{change}");
            assert!(
                document["checks"].to_string().contains(told),
                "{change}: {}",
                document["checks"]
            );
        }
    });
}

#[test]
fn whatever_was_changed_behind_our_back_is_found() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        for (change, fails) in [
            (
                "UPDATE tenants SET note = note || '.' WHERE id = 7",
                vec!["content"],
            ),
            ("DELETE FROM subscriptions WHERE id = 7", vec!["rows", "content"]),
            (
                "INSERT INTO subscriptions VALUES (501, 1, NULL)",
                vec!["rows", "content"],
            ),
            (
                "UPDATE subscriptions SET body = body || '{\"n\": 8}' WHERE id = 7",
                vec!["content"],
            ),
            ("CREATE TABLE extra (id int)", vec!["schema"]),
            ("DROP INDEX subscriptions_tenant_idx", vec!["schema"]),
            ("ALTER TABLE tenants ALTER note SET NOT NULL", vec!["schema"]),
            (
                "DROP TABLE tenants CASCADE",
                vec!["rows", "content", "schema", "sequences"],
            ),
            ("SELECT setval('receipts', 5)", vec!["sequences"]),
            (
                "REFRESH MATERIALIZED VIEW totals WITH NO DATA",
                vec!["materialized views"],
            ),
            ("SELECT lo_put(4711, 3, 'x')", vec!["large objects"]),
            ("SELECT lo_unlink(4711)", vec!["large objects"]),
            (
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'subscriptions_tenant_idx'::regclass",
                vec!["schema", "indexes"],
            ),
            (
                "UPDATE pg_constraint SET convalidated = false WHERE conname = 'subscriptions_tenant_fkey'",
                vec!["schema", "constraints"],
            ),
        ] {
            let target = world.restore(Selector::Latest).await.expect("a restore").target;
            execute(&target, change).await;
            let verification = world.verify(&target).await;
            assert!(!verification.verdict.is_proven(), "{change}");
            assert_eq!(
                failed(&verification),
                fails,
                "{change}: {:?}",
                verification.checks
            );
        }
    });
}

#[test]
fn a_foreign_key_that_stays_unchecked_is_found_where_definitions_are_worded_otherwise() {
    run(async {
        let Some(world) = World::new().await else { return };
        // What the source itself never checked is no fault of the target's, nor what a partition has of it.
        let unchecked = format!(
            "{SMALL_SCHEMA} ALTER TABLE tenants ADD CONSTRAINT short CHECK (length(note) < 9) NOT VALID;
             COMMENT ON TABLE tenants IS 'imports may be NOT VALID';
             CREATE TABLE parted (id int) PARTITION BY RANGE (id);
             CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10);
             ALTER TABLE parted ADD CONSTRAINT low CHECK (id < 5) NOT VALID"
        );
        let source = world.postgres.source(&unchecked).await;
        let mut manifest = world.back_up(&source).await.expect("a backup").manifest;
        manifest.pg_dump_version = "99.1".to_owned();
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        let (target, tools) = (restored.target, &world.postgres.tools);
        execute(
            &target,
            "ALTER TABLE subscriptions DROP CONSTRAINT subscriptions_tenant_fkey,
                ADD CONSTRAINT subscriptions_tenant_fkey FOREIGN KEY (tenant) REFERENCES tenants NOT VALID",
        )
        .await;
        let scope = verify::scope(&world.bucket.store, &manifest, &target, tools, None, false).await;
        let compared = verify::target(&manifest, &target, &scope.expect("a scope"), tools, 2, &Silent).await;
        let compared = compared.expect("a verification");
        assert_eq!(failed(&compared), ["constraints"], "{:?}", compared.checks);
    });
}
