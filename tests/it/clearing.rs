//! `restore --clean` over everything that this program restored itself, from any state, and over nothing else.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Instant;

use paycraft_dr::cli::config::Config;
use paycraft_dr::error::Kind;
use paycraft_dr::model::acceptance::{Acceptance, accept};
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::verdict::{Check, CheckOutcome, Verdict};
use paycraft_dr::postgres::conninfo::Conninfo;
use paycraft_dr::postgres::queries::clearing::{self, UserObject};
use paycraft_dr::postgres::queries::dropping;
use paycraft_dr::postgres::session::Session;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::kit::{Silent, World, assert_proven, clean, execute, json, output, program, query, run, say};

/// Every kind of object that is independent, and those that need each other.
const KINDS: &str = concat!(
    include_str!("../../fixtures/cases/base_type.sql"),
    include_str!("../../fixtures/cases/agg_star.sql"),
    "CREATE TYPE floatrange AS RANGE (subtype = float8);
     CREATE TABLE parted (id int PRIMARY KEY, r floatrange) PARTITION BY RANGE (id);
     CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10);
     CREATE INDEX named_index ON parted (r);
     CREATE VIEW seen AS SELECT id FROM parted; CREATE MATERIALIZED VIEW kept AS SELECT id FROM parted; CREATE SEQUENCE counted;
     CREATE TYPE shell;
     CREATE FUNCTION handle() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'; CREATE LANGUAGE mine HANDLER handle;
     CREATE FUNCTION from_int(internal) RETURNS internal LANGUAGE internal IMMUTABLE STRICT AS 'prsd_lextype';
     CREATE TRANSFORM FOR int LANGUAGE mine (FROM SQL WITH FUNCTION from_int(internal), TO SQL WITH FUNCTION int4recv(internal));
     CREATE OPERATOR FAMILY int_rev USING btree;
     CREATE OPERATOR CLASS int_rev_ops FOR TYPE int4 USING btree FAMILY int_rev AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=,
         OPERATOR 5 <, FUNCTION 1 btint4cmp(int, int);
     CREATE TEXT SEARCH PARSER prs (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
     CREATE TEXT SEARCH TEMPLATE tpl (LEXIZE = dsimple_lexize, INIT = dsimple_init);
     CREATE TEXT SEARCH DICTIONARY dic (TEMPLATE = tpl); CREATE TEXT SEARCH CONFIGURATION cfg (PARSER = prs);
     CREATE EXTENSION citext SCHEMA app;
     INSERT INTO parted VALUES (1, '[1,2)');
     CREATE SUBSCRIPTION sub CONNECTION 'host=127.0.0.1 port=1 dbname=nowhere' PUBLICATION p1
         WITH (connect = false, slot_name = 'sl');
     SELECT lo_from_bytea(4000 + g, 'x') FROM generate_series(1, 50) AS g;"
);
/// The kinds in it, as pg_dump words them.
const ALL_KINDS: [&str; 31] = [
    "ACCESS METHOD",
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "CONVERSION",
    "DOMAIN",
    "EVENT TRIGGER",
    "EXTENSION",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "FUNCTION",
    "MATERIALIZED VIEW",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "PROCEDURAL LANGUAGE",
    "PROCEDURE",
    "PUBLICATION",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "SHELL TYPE",
    "SUBSCRIPTION",
    "TABLE",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "TRANSFORM",
    "TYPE",
    "VIEW",
];
/// A subscription keeps its database from being dropped.
const NO_SUBSCRIPTION: &str = "ALTER SUBSCRIPTION sub SET (slot_name = NONE); DROP SUBSCRIPTION sub";
/// How often a restore is killed where nothing else is said.
const KILLS: u64 = 3;

async fn restored(world: &World, target: &Conninfo, when: &str) {
    let restored = world
        .restore_on(Selector::Latest, target.clone(), clean(), &Silent)
        .await;
    let restored = restored.unwrap_or_else(|error| panic!("{when}: {error}: {:?}", error.causes()));
    assert_proven(&restored.verification);
}

#[test]
fn a_clean_restore_that_is_killed_at_any_moment_is_done_by_the_next() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(KINDS).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.restore(Selector::Latest).await.expect("a restore").target;
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let seed: u64 = number("PAYCRAFT_KILL_SEED").unwrap_or_else(rand::random);
        say(&format!("PAYCRAFT_KILL_SEED={seed}"));
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let began = Instant::now();
        restored(&world, &target, "over the first").await;
        let takes = began.elapsed();
        for round in 1..=number("PAYCRAFT_KILLS").unwrap_or(KILLS) {
            let mut child = program(&["restore", "--clean"])
                .envs(world.bucket.environment())
                .env("TARGET_DB_URL", world.postgres.url(&target))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a program");
            let moment = takes.mul_f64(chance.random_range(0.0..1.0));
            tokio::time::sleep(moment).await;
            child.kill().expect("a signal");
            child.wait().expect("an end");
            let when = format!("seed {seed}, round {round}: killed after {moment:?} of {takes:?}");
            restored(&world, &target, &when).await;
        }
        execute(&target, NO_SUBSCRIPTION).await;
        execute(&source, NO_SUBSCRIPTION).await;
    });
}

#[test]
fn what_one_of_several_transactions_left_is_replaced() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(KINDS).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.restore(Selector::Latest).await.expect("a restore").target;
        let session = Session::connect(&target).await.expect("a connection");
        let held = clearing::user_objects(&session).await.expect("objects");
        let kinds: BTreeSet<&str> = held.objects.iter().map(|object| &*object.kind).collect();
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ALL_KINDS);
        let seed: u64 = rand::random();
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        for share in [0.1, 0.5, 0.9] {
            let session = Session::connect(&target).await.expect("a connection");
            let held = clearing::user_objects(&session).await.expect("objects");
            let dropped: Vec<&UserObject> = held
                .objects
                .iter()
                .filter(|_| chance.random_bool(share))
                .collect();
            let large: Vec<u32> = held.large_objects.into_iter().take(20).collect();
            dropping::drop_objects(&session, &dropped, &large, &[], || ())
                .await
                .expect("what any transaction may drop");
            restored(&world, &target, &format!("seed {seed}, without {dropped:?}")).await;
        }
        execute(&target, NO_SUBSCRIPTION).await;
        execute(&source, NO_SUBSCRIPTION).await;
    });
}

#[test]
fn types_and_schemas_that_an_early_failure_left_are_replaced() {
    run(async {
        let Some(world) = World::new().await else { return };
        let schema = "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('sad', 'ok');
            CREATE TABLE app.t (m app.mood); INSERT INTO app.t VALUES ('ok')";
        let source = world.postgres.source(schema).await;
        world.back_up(&source).await.expect("a backup");
        let left = "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('other')";
        let target = world.postgres.source(left).await;
        restored(&world, &target, "over what is left").await;
    });
}

/// Something that no backup here contains, and what a refusal calls it.
const STRANGERS: [(&str, &str); 12] = [
    ("CREATE TABLE named_index2 (a int)", "public.named_index2"),
    ("CREATE TYPE stranger AS ENUM ('a')", "type public.stranger"),
    ("CREATE DOMAIN stranger AS int", "domain public.stranger"),
    (
        "CREATE TYPE stranger AS RANGE (subtype = int)",
        "type public.stranger",
    ),
    ("CREATE EXTENSION hstore SCHEMA app", "extension hstore"),
    ("CREATE SCHEMA stranger", "schema stranger"),
    ("CREATE PUBLICATION stranger", "publication stranger"),
    (
        "CREATE FUNCTION app.first(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "app.first(integer)",
    ),
    (
        "CREATE OPERATOR <% (LEFTARG = int, RIGHTARG = int, FUNCTION = int4lt)",
        "operator public.<%",
    ),
    (
        "CREATE TEXT SEARCH DICTIONARY stranger (TEMPLATE = simple)",
        "text search dictionary public.stranger",
    ),
    (
        "CREATE CAST (text AS money2) WITH INOUT",
        "CAST (text AS public.money2)",
    ),
    (
        "CREATE ACCESS METHOD stranger TYPE INDEX HANDLER bthandler",
        "access method stranger",
    ),
];

#[test]
fn what_is_not_the_backups_is_refused_by_name_whatever_its_kind() {
    run(async {
        let Some(world) = World::new().await else { return };
        // A stranger's table that has the name of an index of the backup.
        let named = "CREATE TABLE named (a int); CREATE INDEX named_index2 ON named (a)";
        let source = world.postgres.source(&format!("{KINDS}; {named}")).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.restore(Selector::Latest).await.expect("a restore").target;
        execute(&target, "DROP INDEX named_index2").await;
        for (sql, told) in STRANGERS {
            // The event trigger of the backup would see what is undone.
            execute(&target, &format!("ALTER EVENT TRIGGER et2 DISABLE; {sql}")).await;
            let error = world
                .restore_on(Selector::Latest, target.clone(), clean(), &Silent)
                .await
                .expect_err(sql);
            assert_eq!(error.kind(), Kind::Refused, "{sql}: {error}");
            assert!(error.message().contains(told), "{sql}: {error}");
            assert_eq!(query(&target, "SELECT (p).b::text FROM app.t").await, "ok");
            let words: Vec<&str> = sql.split([' ', '(']).collect();
            let undo = match words[1] {
                "OPERATOR" => "DROP OPERATOR <% (int, int)".to_owned(),
                "CAST" => "DROP CAST (text AS money2)".to_owned(),
                "FUNCTION" => "DROP FUNCTION app.first(int)".to_owned(),
                "TEXT" => "DROP TEXT SEARCH DICTIONARY stranger".to_owned(),
                "ACCESS" => "DROP ACCESS METHOD stranger".to_owned(),
                kind => format!("DROP {kind} {}", words[2]),
            };
            execute(&target, &undo).await;
        }
        restored(&world, &target, "without strangers").await;
        execute(&target, NO_SUBSCRIPTION).await;
        execute(&source, NO_SUBSCRIPTION).await;
    });
}

#[test]
fn an_extension_that_needs_what_is_replaced_stops_the_restore_before_it_begins() {
    run(async {
        let Some(world) = World::new().await else { return };
        let schema = "CREATE TABLE t (a int); INSERT INTO t VALUES (1)";
        let source = world.postgres.source(schema).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.restore(Selector::Latest).await.expect("a restore").target;
        let made =
            "CREATE EXTENSION citext; CREATE FUNCTION of_table(t) RETURNS int LANGUAGE sql AS 'SELECT 1';
            ALTER EXTENSION citext ADD FUNCTION of_table(t)";
        execute(&target, made).await;
        let error = world
            .restore_on(Selector::Latest, target.clone(), clean(), &Silent)
            .await
            .expect_err("an extension would go");
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert!(error.message().contains("extension citext"), "{error}");
        assert_eq!(query(&target, "SELECT a::text FROM t").await, "1");
    });
}

fn configuration(until: &str) -> String {
    format!("[[accept]]\nentry = 'VIEW public.v'\ncheck = 'schema'\nreason = 'known'\nuntil = '{until}'")
}

fn accepting(until: &str) -> Vec<Acceptance> {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("dr.toml");
    std::fs::write(&file, configuration(until)).expect("a file");
    Config::read(&file).expect("a configuration").accept
}

#[test]
fn the_program_accepts_what_the_configuration_names() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source("CREATE VIEW v AS SELECT 1 AS a").await;
        world.back_up(&source).await.expect("a backup");
        let target = world.restore(Selector::Latest).await.expect("a restore").target;
        execute(&target, "CREATE OR REPLACE VIEW v AS SELECT 2 AS a").await;
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("dr.toml");
        for (until, code, verdict, outcome) in [
            ("9999-12-31", 0, "proven with accepted differences", "accepted"),
            ("2020-01-01", 3, "not proven", "failed"),
        ] {
            std::fs::write(&file, configuration(until)).expect("a file");
            let mut command = program(&["--config"]);
            command
                .arg(&file)
                .args(["verify", "--json"])
                .envs(world.bucket.environment())
                .env("TARGET_DB_URL", world.postgres.url(&target));
            let verified = output(command).await;
            let document = json(&verified);
            assert_eq!(verified.status.code(), Some(code), "{document}");
            assert_eq!(document["verdict"], verdict);
            let mut checks = document["checks"].as_array().expect("checks").iter();
            let schema = checks.find(|check| check["name"] == "schema").expect("a check");
            assert_eq!(schema["outcome"], outcome);
            assert!(
                schema["detail"].as_str().expect("a text").contains(until),
                "{schema}"
            );
        }
    });
}

#[test]
fn an_accepted_difference_is_told_and_holds_until_its_day() {
    let problem = |entry: &str| format!("{entry} is defined differently");
    let check = |entries: &[&str]| {
        let problems: Vec<String> = entries.iter().map(|entry| problem(entry)).collect();
        Check::none_of("schema", &problems, "")
    };
    let today = "2026-11-28".parse().expect("a day");
    let accepted = accept(check(&["VIEW public.v"]), &accepting("2026-11-28"), today);
    assert_eq!(accepted.outcome, CheckOutcome::Accepted);
    assert!(accepted.detail.contains("VIEW public.v") && accepted.detail.contains("known"));
    let verdict = Verdict::over([&accepted]);
    assert_eq!(verdict.to_string(), "proven with accepted differences");

    for (entries, until) in [
        (&["VIEW public.v"][..], "2026-11-27"),
        (&["VIEW public.v", "VIEW public.w"], "2026-11-28"),
        (&["VIEW public.v2"], "2026-11-28"),
    ] {
        let judged = accept(check(entries), &accepting(until), today);
        assert_eq!(judged.outcome, CheckOutcome::Failed, "{}", judged.detail);
        assert_eq!(Verdict::over([&judged]), Verdict::NotProven);
    }
    let other = Check::none_of("content", &[problem("VIEW public.v")], "");
    assert_eq!(
        accept(other, &accepting("2026-11-28"), today).outcome,
        CheckOutcome::Failed
    );
}
