//! How long servers and programs are waited for: never for ever, and never as short as an application's statements.

use std::time::{Duration, Instant};

use paycraft_dr::error::{Error, Kind};
use paycraft_dr::model::comparison::Verification;
use paycraft_dr::model::depth::Depth;
use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::patience::ServerTimeouts;
use paycraft_dr::postgres::queries::loading::program_works;
use paycraft_dr::postgres::session::Session;
use paycraft_dr::postgres::tools::Tools;
use paycraft_dr::recovery::guard::GuardOptions;
use paycraft_dr::recovery::{choosing, verify};

use super::kit::{SMALL_SCHEMA, Silent, World, assert_proven, execute, failed, now, query, run, terms};

/// Waits until the query answers `true`.
async fn until(database: &Conninfo, sql: &str) {
    let patience = Instant::now();
    while query(database, sql).await != "true" {
        assert!(patience.elapsed() < Duration::from_secs(30), "never: {sql}");
    }
}

#[test]
fn work_is_seen_by_its_role_whatever_a_pooler_calls_it() {
    run(async {
        let Some(world) = World::new().await else { return };
        let target = world.postgres.database(Side::Target).await;
        let role = format!("other_{:016x}", rand::random::<u64>());
        execute(&target, &format!("CREATE ROLE {role} LOGIN PASSWORD 'other'")).await;
        let text = target.to_string();
        let (_, place) = text.split_once('@').expect("a place");
        let url = format!("postgresql://{role}:other@{place}");
        let other = Conninfo::parse(Side::Target, &url).expect("a connection string");
        let looks = Session::connect(&target).await.expect("a connection");
        assert!(
            !program_works(&looks).await.expect("an answer"),
            "nobody is there"
        );
        for (who, is_seen) in [(&other, false), (&target, true)] {
            let works = Session::connect(who).await.expect("a connection");
            let work = works
                .client()
                .batch_execute("SET application_name = 'Supavisor'; SELECT pg_sleep(600)");
            let look = async {
                let asleep = format!(
                    "SELECT (count(*) = 1)::text FROM pg_stat_activity
                      WHERE datname = '{}' AND wait_event = 'PgSleep'",
                    target.database()
                );
                until(&target, &asleep).await;
                assert_eq!(program_works(&looks).await.expect("an answer"), is_seen, "{who}");
            };
            tokio::select! {
                () = look => {}
                ended = work => panic!("{ended:?}"),
            }
            let ends = "SELECT (count(pg_terminate_backend(pid)) > 0)::text FROM pg_stat_activity WHERE wait_event = 'PgSleep'
                         AND datname = current_database()";
            query(&target, ends).await;
        }
        execute(&target, &format!("DROP ROLE {role}")).await;
    });
}

#[test]
fn a_server_that_lets_nobody_in_is_not_waited_for_for_ever() {
    run(async {
        // Takes connections and never says a word.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let place = silent.local_addr().expect("an address");
        for mode in ["disable", "require"] {
            let url = format!("postgresql://me@{place}/x?sslmode={mode}&connect_timeout=1");
            let conninfo = Conninfo::parse(Side::Target, &url).expect("a connection string");
            let connect = tokio::time::timeout(Duration::from_secs(30), Session::connect(&conninfo));
            let error = connect.await.expect("an end").expect_err("silence");
            assert_eq!(error.kind(), Kind::Target);
            assert!(
                error.causes().join(" ").contains("no answer within"),
                "{:?}",
                error.causes()
            );
            assert!(error.next_step().is_some());
        }
    });
}

async fn compare(
    world: &World,
    target: &Conninfo,
    tools: &Tools,
    depth: Depth,
) -> Result<Verification, Error> {
    let store = &world.bucket.store;
    let selected = choosing::select(store, Selector::Latest, now(), &Silent).await?;
    let scope = verify::scope(store, &selected.manifest, target, tools, None, false).await?;
    verify::target(&selected.manifest, target, &scope.to(depth), tools, 2, &Silent).await
}

/// A world with a backup of the schema, and a target it was restored into.
async fn restored(schema: &str) -> Option<(World, Conninfo)> {
    let world = World::new().await?;
    let source = world.postgres.source(schema).await;
    world.back_up(&source).await.expect("a backup");
    let target = world.restore(Selector::Latest).await.expect("a restore").target;
    Some((world, target))
}

#[test]
fn a_dump_that_says_nothing_ends_the_verification() {
    run(async {
        let Some((world, target)) = restored(SMALL_SCHEMA).await else {
            return;
        };
        let hasty = target.with_patience(ServerTimeouts {
            silence: Duration::from_secs(2),
            ..ServerTimeouts::default()
        });
        let programs = world.postgres.with_scripted_dump("exec sleep 600");
        let tools = Tools::find(Some(programs.path()), None).await.expect("programs");
        let compared = compare(&world, &hasty, &tools, Depth::Content);
        let compared = tokio::time::timeout(Duration::from_mins(1), compared).await;
        let error = compared.expect("an end").expect_err("silence");
        assert_eq!(error.message(), "pg_dump said nothing for 2 s");
    });
}

#[test]
fn a_verification_waits_for_a_lock_and_then_says_who_holds_it() {
    run(async {
        let Some((world, target)) = restored(SMALL_SCHEMA).await else {
            return;
        };
        let migrates = Session::connect(&target).await.expect("a connection");
        let lock = "BEGIN; LOCK TABLE tenants IN ACCESS EXCLUSIVE MODE";
        migrates.client().batch_execute(lock).await.expect("a lock");
        let row = migrates.client().query_one("SELECT pg_backend_pid()", &[]).await;
        let holder = row.expect("an answer").get::<_, i32>(0);
        let hasty = target.with_patience(ServerTimeouts {
            lock: Duration::from_millis(300),
            ..ServerTimeouts::default()
        });
        for depth in [Depth::Content, Depth::Counts] {
            let compared = compare(&world, &hasty, &world.postgres.tools, depth);
            let compared = tokio::time::timeout(Duration::from_mins(1), compared).await;
            let error = compared.expect("an end").expect_err("a lock");
            assert_eq!(error.kind(), Kind::Target, "{error}");
            let hint = error.next_step().expect("a hint");
            let told = format!("process {holder} ");
            assert!(hint.contains(&told) && hint.contains("tenants"), "{hint}");
        }
    });
}

/// A view that takes its time, in the place of a table.
const SLOW: &str = "DROP TABLE slow; CREATE VIEW slow AS SELECT 1 AS id FROM pg_sleep(2.5)";

#[test]
fn rows_are_counted_longer_than_the_servers_own_limit_and_not_for_ever() {
    run(async {
        let Some((world, target)) = restored("CREATE TABLE slow (id int); INSERT INTO slow VALUES (1)").await
        else {
            return;
        };
        execute(&target, SLOW).await;
        let limit = format!(
            "ALTER DATABASE {} SET statement_timeout = '1s'",
            target.database()
        );
        execute(&target, &limit).await;
        let tools = &world.postgres.tools;
        let counted = compare(&world, &target, tools, Depth::Counts).await;
        let counted = counted.unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
        assert!(!failed(&counted).contains(&"rows"), "{:?}", counted.checks);

        let hasty = target.with_patience(ServerTimeouts {
            silence: Duration::from_secs(1),
            ..ServerTimeouts::default()
        });
        let error = compare(&world, &hasty, tools, Depth::Counts).await;
        let error = error.expect_err("too long");
        assert!(error.message().contains("said nothing for 1 s"), "{error}");
    });
}

#[test]
fn clearing_a_target_may_take_longer_than_the_servers_own_limit() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source("CREATE TABLE tenants (id int)").await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let first = world.restore_into(Selector::Latest, target.clone()).await;
        first.expect("a restore");
        let limit = format!(
            "ALTER DATABASE {} SET statement_timeout = '1s'",
            target.database()
        );
        execute(&target, &limit).await;
        // Dropping the table waits for the session that has it, and that counts.
        let holder = Session::connect(&target).await.expect("a connection");
        let hold = "SET statement_timeout = 0; BEGIN; LOCK TABLE tenants";
        holder.client().batch_execute(hold).await.expect("a lock");
        let release = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(4)).await;
            holder.client().batch_execute("COMMIT").await
        });
        let clean = GuardOptions {
            clean: true,
            ..terms()
        };
        let restored = world.restore_on(Selector::Latest, target, clean, &Silent).await;
        release.await.expect("no panic").expect("a commit");
        let restored = restored.unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
        assert_proven(&restored.verification);
    });
}
