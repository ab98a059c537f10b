//! What may be restored into, and that a refusal changes nothing.

mod addresses;
mod attacks;
mod unknown;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use paycraft_dr::error::{Error, Kind};
use paycraft_dr::model::identity::{
    Assessment, DatabaseFacts, Identity, SourceAnswer, TargetEvidence, assess,
};
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::product::ProductionIdentities;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::recovery::guard::{GuardOptions, Production};

use super::kit::{
    SMALL_SCHEMA, Silent, World, assert_proven, execute, json, output, program, query, run, skip, terms,
};

/// What the server counted of writes to a database, and what it holds.
async fn trace(database: &Conninfo) -> String {
    let sql = "SELECT concat_ws(' ', pg_stat_force_next_flush()::text, sum(n_tup_ins + n_tup_upd + n_tup_del),
                      (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_largeobject_metadata))
                 FROM pg_stat_user_tables";
    query(database, "SELECT pg_stat_force_next_flush()::text").await;
    query(database, sql).await
}

async fn refused(world: &World, target: &Conninfo, terms: GuardOptions<'_>) -> Error {
    let before = trace(target).await;
    let outcome = world
        .restore_on(Selector::Latest, target.clone(), terms, &Silent)
        .await;
    let error = outcome.expect_err("a refusal");
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert_eq!(trace(target).await, before, "{error}");
    error
}

#[test]
fn production_is_known_by_identity_whatever_the_backup_says() {
    run(async {
        let Some(world) = World::new().await else { return };
        let other = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&other).await.expect("a backup");
        // Not the backup's source, but what this run is told is production, by another spelling of its host.
        let production = world.postgres.database(Side::Source).await;
        let url = world.postgres.url(&production).replace("127.0.0.1", "localhost");
        let told = Production {
            source: Some(Conninfo::parse(Side::Source, &url).expect("a connection string")),
            ..Production::default()
        };
        let target = production.with_database(Side::Target, production.database());
        let terms = GuardOptions {
            production: &told,
            ..terms()
        };
        let error = refused(&world, &target, terms).await;
        assert!(error.message().contains("by another name"), "{error}");
        assert!(
            error
                .next_step()
                .expect("a hint")
                .contains("--confirm-prod-restore=YES")
        );
    });
}

/// A database of a Supabase project: all projects of one image say the same.
fn of_image() -> DatabaseFacts {
    DatabaseFacts {
        database: "postgres".to_owned(),
        system_identifier: Some("7300000000000000000".to_owned()),
        major: 15,
        is_standby: false,
        identity: Identity {
            database_oid: Some(5),
            ..Identity::default()
        },
    }
}

#[test]
fn two_projects_of_one_image_are_told_apart_by_their_references() {
    const OWN: &str = "mlwfgytjxlqyfxcgpysm";
    const OTHER: &str = "abcdefghijklmnopqrst";
    let is_refused = |target: &str, project: Option<&str>| {
        let target = Conninfo::parse(Side::Target, target).expect("a connection string");
        let evidence = TargetEvidence {
            backup: of_image(),
            target: of_image(),
            source: SourceAnswer::NotConfigured,
            is_other_project_than_backup: target.leads_to_another_project(project),
            is_other_project_than_source: false,
        };
        matches!(assess(&evidence), Assessment::Production(_))
    };
    let direct = format!("postgresql://postgres@db.{OTHER}.supabase.co/postgres");
    let pooled = format!("postgresql://postgres.{OTHER}@aws-0-eu-central-1.pooler.supabase.com/postgres");
    for target in [&direct, &pooled] {
        assert!(!is_refused(target, Some(OWN)), "{target}");
        assert!(
            is_refused(target, None),
            "{target}: nobody knows of which project the backup is"
        );
        assert!(is_refused(target, Some(OTHER)), "{target}: the same project");
    }
    for target in [
        "postgresql://postgres@10.0.0.7/postgres".to_owned(),
        format!("postgresql://postgres.{OTHER}@10.0.0.7/postgres"),
        format!("postgresql://postgres@10.0.0.7/postgres?options=reference%3D{OTHER}"),
        format!("{direct}?hostaddr=10.0.0.7"),
        format!("postgresql://postgres.{OWN}@db.{OTHER}.supabase.co/postgres"),
        "postgresql://postgres@aws-0-eu-central-1.pooler.supabase.com/postgres".to_owned(),
    ] {
        assert!(
            is_refused(&target, Some(OWN)),
            "{target}: its name proves nothing"
        );
    }
}

#[test]
fn two_projects_behind_one_pooler_are_two_databases() {
    const POOLER: &str = "aws-0-eu-central-1.pooler.supabase.com:5432/postgres";
    let of = |side, project: &str| {
        let text = format!("postgresql://postgres.{project}@{POOLER}");
        Conninfo::parse(side, &text).expect("a connection string")
    };
    let told = Production {
        source: Some(of(Side::Source, "oldoldoldoldoldoldol")),
        ..Production::default()
    };
    let other = told.refuse_named(&of(Side::Target, "newnewnewnewnewnewne"));
    assert!(other.is_ok(), "{other:?}");
    let same = told.refuse_named(&of(Side::Target, "oldoldoldoldoldoldol"));
    assert_eq!(same.expect_err("production").kind(), Kind::Refused);
}

#[test]
fn production_is_refused_by_name_before_anything_is_connected() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let told = Production {
            identities: ProductionIdentities {
                projects: BTreeSet::from(["mlwfgytjxlqyfxcgpysm".to_owned()]),
                ..ProductionIdentities::default()
            },
            ..Production::default()
        };
        let url = "postgresql://postgres:hunter2@db.mlwfgytjxlqyfxcgpysm.supabase.co:5432/postgres";
        let target = Conninfo::parse(Side::Target, url).expect("a connection string");
        let terms = GuardOptions {
            production: &told,
            ..terms()
        };
        let outcome = world.restore_on(Selector::Latest, target, terms, &Silent).await;
        let error = outcome.expect_err("production");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(!format!("{error} {:?}", error.causes()).contains("hunter2"));
    });
}

#[test]
fn only_consent_with_the_databases_name_lets_production_be_written() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        execute(&source, "DELETE FROM subscriptions WHERE id > 100").await;
        let target = source.with_database(Side::Target, source.database());

        let wrong = |_: &Conninfo| -> BoxFuture<'static, _> { Box::pin(async { Ok("postgres".to_owned()) }) };
        let error = refused(
            &world,
            &target,
            GuardOptions {
                consent: Some(&wrong),
                clean: true,
                ..terms()
            },
        )
        .await;
        assert!(error.message().contains("the name that was given"), "{error}");

        let asked = Mutex::new(0);
        let right = |target: &Conninfo| -> BoxFuture<'static, _> {
            *asked.lock().expect("no panic") += 1;
            let name = target.database().to_owned();
            Box::pin(async { Ok(name) })
        };
        let not_clean = GuardOptions {
            consent: Some(&right),
            ..terms()
        };
        let error = refused(&world, &target, not_clean).await;
        assert!(error.message().contains("not empty"), "{error}");
        let all = GuardOptions {
            clean: true,
            ..not_clean
        };
        let restored = world
            .restore_on(Selector::Latest, target, all, &Silent)
            .await
            .expect("a restore");
        assert_proven(&restored.verification);
        assert_eq!(*asked.lock().expect("no panic"), 2, "asked once for each try");
    });
}

#[test]
fn a_clean_restore_replaces_what_the_backup_contains() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(CLEANED).await;
        world.back_up(&source).await.expect("a backup");
        let first = world.restore(Selector::Latest).await.expect("a restore");
        let target = first.target;
        execute(
            &target,
            "UPDATE tenants SET name = 'changed'; DROP VIEW names; ALTER TABLE parted ADD extra int; SELECT lo_create(99)",
        )
        .await;
        let clean = GuardOptions {
            clean: true,
            ..terms()
        };
        let again = world
            .restore_on(Selector::Latest, target.clone(), clean, &Silent)
            .await;
        let again = again.expect("a restore");
        assert_proven(&again.verification);
        assert_eq!(
            query(
                &target,
                "SELECT count(*)::text FROM tenants WHERE name = 'changed'"
            )
            .await,
            "0"
        );
    });
}

/// One of most things that something else hangs on.
const CLEANED: &str = "
    CREATE SCHEMA billing;
    CREATE TYPE billing.tier AS ENUM ('free', 'pro');
    CREATE DOMAIN billing.cents AS bigint CHECK (VALUE >= 0);
    CREATE FUNCTION billing.fee(t billing.tier, n int DEFAULT 1) RETURNS billing.cents LANGUAGE sql AS 'SELECT 5::bigint';
    CREATE TABLE tenants (id int PRIMARY KEY, name text, tier billing.tier, fee billing.cents DEFAULT billing.fee('free'));
    CREATE TABLE parted (id int, tenant int REFERENCES tenants, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE VIEW names AS SELECT name FROM tenants;
    CREATE MATERIALIZED VIEW tiers AS SELECT tier, count(*) FROM tenants GROUP BY 1;
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER touched BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE PUBLICATION changes FOR TABLE tenants;
    CREATE SEQUENCE receipts;
    INSERT INTO tenants SELECT n, 'tenant ' || n, 'pro' FROM generate_series(1, 9) AS n;
    INSERT INTO parted SELECT n, n FROM generate_series(1, 9) AS n;
    REFRESH MATERIALIZED VIEW tiers;
    SELECT lo_from_bytea(77, 'x');
";

#[test]
fn what_a_clean_restore_would_leave_standing_is_refused_by_name() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.restore(Selector::Latest).await.expect("a restore").target;
        execute(
            &target,
            "CREATE TABLE invoices (id int); INSERT INTO invoices VALUES (1); CREATE SCHEMA side;
             CREATE FUNCTION side.sum(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a + b'",
        )
        .await;
        let clean = GuardOptions {
            clean: true,
            ..terms()
        };
        let error = refused(&world, &target, clean).await;
        for stranger in ["public.invoices", "side.sum(integer, integer)"] {
            assert!(error.message().contains(stranger), "{error}");
        }
    });
}

#[test]
fn a_damaged_backup_is_found_before_a_clean_restore_drops_anything() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        let target = world.restore(Selector::Latest).await.expect("a restore").target;
        let mut object = world.bucket.bytes(&made.key.to_string());
        let last = object.len() - 40;
        object[last] ^= 1;
        world.bucket.put(&made.key.to_string(), &object);
        let before = trace(&target).await;
        let clean = GuardOptions {
            clean: true,
            ..terms()
        };
        let outcome = world
            .restore_on(Selector::Latest, target.clone(), clean, &Silent)
            .await;
        assert_eq!(outcome.expect_err("damage").kind(), Kind::Corrupt);
        assert_eq!(trace(&target).await, before);
    });
}

#[test]
fn the_flag_wants_exactly_yes_and_somebody_to_ask() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let restore = |more: &[&str]| {
            let mut command: Command = program(&["restore", "--json"]);
            command
                .args(more)
                .envs(world.bucket.environment())
                .env("TARGET_DB_URL", world.postgres.url(&source))
                .stdin(Stdio::null());
            command
        };
        for wrong in ["yes", "Yes", "YES ", "true", ""] {
            let flag = format!("--confirm-prod-restore={wrong}");
            assert_eq!(
                output(restore(&[&flag])).await.status.code(),
                Some(2),
                "{wrong:?}"
            );
        }
        assert_eq!(
            output(restore(&["--yes-really", "x"])).await.status.code(),
            Some(2)
        );
        let nobody = output(restore(&["--confirm-prod-restore=YES"])).await;
        assert_eq!(nobody.status.code(), Some(4));
        assert!(
            json(&nobody)["error"]["hint"]
                .as_str()
                .expect("a hint")
                .contains("--yes-really")
        );
        let name = source.database();
        let all = ["--confirm-prod-restore=YES", "--yes-really", name, "--clean"];
        let written = output(restore(&all)).await;
        assert_eq!(written.status.code(), Some(0), "{}", json(&written));
    });
}

#[test]
fn on_a_terminal_the_databases_name_must_be_typed() {
    run(async {
        let Some(world) = World::new().await else { return };
        if Command::new("script").arg("--version").output().is_err() {
            skip("script", "util-linux's `script` is not on the path");
            return;
        }
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        execute(&source, "DELETE FROM subscriptions").await;
        let name = source.database().to_owned();
        for (typed, code) in [
            ("postgres\n", 4),
            ("\n", 4),
            ("\u{3}", 130),
            (&format!("{name}\n"), 0),
        ] {
            // `script` gives its child a terminal and types what it reads.
            let mut command = Command::new("script");
            let command_line = format!(
                "{} restore --clean --confirm-prod-restore=YES",
                env!("CARGO_BIN_EXE_paycraft-dr")
            );
            command
                .args(["--quiet", "--return", "--command", &command_line, "/dev/null"])
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .envs(world.bucket.environment())
                .env("TARGET_DB_URL", world.postgres.url(&source))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            let child = command.spawn().expect("script starts");
            let line = typed.to_owned();
            let answered = tokio::task::spawn_blocking(move || answer(child, "go on: ", &line)).await;
            let (told, status) = answered.expect("a thread");
            assert!(told.contains("is PRODUCTION"), "{told}");
            assert_eq!(status.code(), Some(code), "{typed:?}: {told}");
        }
        assert_eq!(
            query(&source, "SELECT count(*)::text FROM subscriptions").await,
            "500"
        );
    });
}

/// Types `line` once the child has asked; what it said, and how it ended.
fn answer(mut child: Child, question: &str, line: &str) -> (String, ExitStatus) {
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut stdout = child.stdout.take().expect("a pipe");
    let (mut told, mut piece) = (String::new(), [0; 256]);
    let mut is_asked = false;
    while let Ok(read @ 1..) = stdout.read(&mut piece) {
        told.push_str(&String::from_utf8_lossy(&piece[..read]));
        if !is_asked && told.contains(question) {
            is_asked = true;
            stdin.write_all(line.as_bytes()).expect("a line");
        }
    }
    (told, child.wait().expect("an end"))
}
