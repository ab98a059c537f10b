//! What a database computes: generated columns, materialized views and indexes are compared, and asked, and differences have reasons.

use paycraft_dr::model::key::Selector;
use paycraft_dr::model::verdict::CheckOutcome;
use paycraft_dr::postgres::conninfo::Side;

use super::kit::{World, assert_proven, check, execute, failed, json, output, program, query, run, said};

const COMPUTED: &str = r#"
    CREATE SCHEMA "Odd one";
    CREATE TABLE "Odd one"."T" (id int PRIMARY KEY, "Net" numeric, gross numeric GENERATED ALWAYS AS ("Net" * 2) STORED, body json);
    INSERT INTO "Odd one"."T" (id, "Net", body) SELECT n, n, '{"a": 1}' FROM generate_series(1, 50) AS n;
    CREATE MATERIALIZED VIEW "Odd one"."V" AS SELECT id AS "Key", gross, body FROM "Odd one"."T";
    CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
    CREATE TABLE parts (id int, twice int GENERATED ALWAYS AS (id * 2) STORED) PARTITION BY RANGE (id);
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
    INSERT INTO parts SELECT generate_series(1, 9);
    CREATE FUNCTION low(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(t)';
    CREATE TABLE words (id int, "Word" text, gone_at timestamptz);
    INSERT INTO words SELECT n, 'Word' || n, CASE WHEN n % 3 = 0 THEN '2026-01-01Z'::timestamptz END FROM generate_series(1, 3000) AS n;
    CREATE INDEX "By word" ON words (public.low("Word"));
    CREATE INDEX live ON words (id) WHERE gone_at IS NULL;
    CREATE INDEX hashed ON words USING hash (public.low("Word")) WHERE id > 100;
    CREATE INDEX not_by_equality ON words USING gist (point(id, id));
"#;

#[test]
fn what_is_computed_comes_back_and_is_compared() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(COMPUTED).await;
        let made = world.back_up(&source).await.expect("a backup");
        let derived = made.manifest.derived.expect("what was computed");
        let names: Vec<&str> = derived.iter().map(|derived| derived.name.as_str()).collect();
        assert_eq!(names, ["T", "V", "parts_low"]);
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        assert_eq!(check(&restored.verification, "derived").detail, "3 equal");
        let answers = check(&restored.verification, "index answers");
        assert_eq!(answers.detail, "3 that compute something find a sample of rows");
    });
}

#[test]
fn computed_content_that_was_changed_is_found_with_its_reason() {
    run(async {
        let Some(world) = World::new().await else { return };
        let (_, target) = &world.proven(COMPUTED).await;

        execute(target, r#"ALTER TABLE "Odd one"."T" DISABLE TRIGGER ALL"#).await;
        // The view is filled from rows that are put back afterwards.
        execute(
            target,
            r#"UPDATE "Odd one"."T" SET "Net" = 7 WHERE id = 1; REFRESH MATERIALIZED VIEW "Odd one"."V";
               UPDATE "Odd one"."T" SET "Net" = 1 WHERE id = 1"#,
        )
        .await;
        let verification = world.verify(target).await;
        assert_eq!(failed(&verification), ["derived"]);
        assert_eq!(
            check(&verification, "derived").detail,
            "materialized view Odd one.V: not as in the source; not what the definition gives in this database"
        );
    });
}

#[test]
fn an_index_that_misses_rows_is_found() {
    run(async {
        let Some(world) = World::new().await else { return };
        let (_, target) = &world.proven(COMPUTED).await;
        // The index is built while its function answers otherwise.
        execute(
            target,
            "CREATE OR REPLACE FUNCTION low(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(t)'; REINDEX TABLE words;
             CREATE OR REPLACE FUNCTION low(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(t)'",
        )
        .await;
        let verification = world.verify(target).await;
        assert_eq!(failed(&verification), ["index answers"]);
        let detail = &check(&verification, "index answers").detail;
        assert!(
            detail.contains("public.By word does not find 100 rows"),
            "{detail}"
        );
        assert!(
            detail.contains("public.hashed does not find 100 rows"),
            "{detail}"
        );
        assert!(!detail.contains("live"), "{detail}");
    });
}

#[test]
fn amcheck_is_asked_where_it_is() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source(&format!(
                "CREATE SCHEMA checks; CREATE EXTENSION amcheck SCHEMA checks; {COMPUTED}"
            ))
            .await;
        world.back_up(&source).await.expect("a backup");
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        let answers = check(&restored.verification, "index answers");
        assert_eq!(answers.outcome, CheckOutcome::Passed);
        assert!(
            answers
                .detail
                .contains("3 hold every row of their tables, by amcheck"),
            "{}",
            answers.detail
        );
        execute(
            &restored.target,
            "SET allow_system_table_mods = on; CREATE INDEX quiet ON words (id);
             UPDATE pg_index SET indisready = false WHERE indexrelid = 'quiet'::regclass; INSERT INTO words VALUES (0);
             UPDATE pg_index SET indisready = true WHERE indexrelid = 'quiet'::regclass",
        )
        .await;
        let verification = world.verify(&restored.target).await;
        let detail = &check(&verification, "index answers").detail;
        assert!(detail.contains("public.quiet: heap tuple"), "{detail}");
    });
}

#[test]
fn what_the_backups_role_may_not_read_or_has_no_connection_for_is_not_called_proven() {
    run(async {
        let Some(world) = World::new().await else { return };
        let role = format!("reads_{:016x}", rand::random::<u64>());
        let source = world.postgres.source(COMPUTED).await;
        // pg_dump asks for no right to a materialized view, and needs two connections with the snapshot's.
        execute(
            &source,
            &format!(
                r#"CREATE ROLE {role} LOGIN PASSWORD 'reads' CONNECTION LIMIT 2; GRANT USAGE ON SCHEMA "Odd one" TO {role};
                   GRANT SELECT ON "Odd one"."T", parts, parts_low, words TO {role}"#
            ),
        )
        .await;
        let (_, place) = world
            .postgres
            .url(&source)
            .split_once('@')
            .map(|(user, place)| (user.to_owned(), place.to_owned()))
            .expect("a place");
        let mut backup = program(&["backup", "--json"]);
        backup
            .envs(world.bucket.environment())
            .env("SUPABASE_DB_URL", format!("postgresql://{role}:reads@{place}"));
        let ended = output(backup).await;
        assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
        let target = world.postgres.database(Side::Target).await;
        let mut restore = program(&["restore", "--json"]);
        restore
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", world.postgres.url(&target));
        let ended = output(restore).await;
        assert_eq!(ended.status.code(), Some(3), "{}", said(&ended));
        let document = json(&ended);
        let checks = document["checks"].as_array().expect("checks");
        let open: Vec<&str> = checks
            .iter()
            .filter(|check| check["outcome"] != "passed")
            .filter_map(|check| check["name"].as_str())
            .collect();
        assert_eq!(open, ["derived"], "{document:#}");
        let told = said(&ended);
        assert!(told.contains("Odd one.V: not compared"), "{told}");
        let accepting = world.verify(&target).await;
        assert_proven(&accepting);
        execute(&source, &format!("DROP OWNED BY {role}")).await;
        execute(&target, &format!("DROP OWNED BY {role}")).await;
        execute(&source, &format!("DROP ROLE {role}")).await;
    });
}

/// In the archive's order the table comes before the one that its function reads.
const LOOKED_UP: &str = r#"
    CREATE TABLE z_rates (id int PRIMARY KEY, rate int);
    INSERT INTO z_rates SELECT n, n * 10 FROM generate_series(1, 9) AS n;
    CREATE FUNCTION rate_of(n int) RETURNS int IMMUTABLE LANGUAGE sql AS $body$ SELECT max(rate) + n FROM public.z_rates $body$;
    CREATE TABLE "A bill" (id int PRIMARY KEY, "Made" int GENERATED ALWAYS AS (public.rate_of(id)) STORED, fixed int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO "A bill" (id) SELECT generate_series(1, 20);
    CREATE INDEX ON "A bill" ("Made");
    CREATE TABLE "A second" (id int GENERATED ALWAYS AS IDENTITY, made int GENERATED ALWAYS AS (public.rate_of(id)) STORED);
    INSERT INTO "A second" DEFAULT VALUES;
"#;

#[test]
fn generated_columns_are_computed_of_all_rows_whatever_comes_first() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(LOOKED_UP).await;
        world.back_up(&source).await.expect("a backup");
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        let values = r#"SELECT string_agg("Made"::text, ' ' ORDER BY id) || (SELECT made FROM "A second") FROM "A bill""#;
        assert_eq!(
            query(&restored.target, values).await,
            query(&source, values).await
        );
        assert_proven(&restored.verification);
        assert_eq!(check(&restored.verification, "derived").told, [""; 0]);
    });
}
