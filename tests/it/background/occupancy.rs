//! One restore at a time.

use std::time::{Duration, Instant};

use crate::kit::{SMALL_SCHEMA, World, assert_proven, execute, query, run, terms};
use paycraft_dr::error::Kind;
use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::Side;
use paycraft_dr::postgres::session::Session;
use paycraft_dr::recovery::guard::GuardOptions;

/// What a restore holds, as the runbook words it.
const LOCK: &str = "SELECT pg_advisory_lock(x'7061796372616674'::bigint)";

#[test]
fn two_restores_never_work_in_one_target() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let first = Session::connect(&target.with_application("paycraft-dr restore"))
            .await
            .expect("a connection");
        first.client().batch_execute(LOCK).await.expect("the lock");
        let process = first.client().query_one("SELECT pg_backend_pid()", &[]).await;
        let process: i32 = process.expect("a number").get(0);
        let refused = world.restore_into(Selector::Latest, target.clone()).await;
        let error = refused.expect_err("another restore");
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        let told = format!("{error} {}", error.next_step().unwrap_or_default());
        for word in [
            format!("process {process} (paycraft-dr restore of role "),
            "since 20".to_owned(),
            format!("pg_terminate_backend({process})"),
        ] {
            assert!(told.contains(&word), "{told}");
        }
        let tables = "SELECT count(*)::text FROM pg_class WHERE relname = 'tenants'";
        assert_eq!(query(&target, tables).await, "0");

        // Once the first has ended, the second goes ahead.
        drop(first);
        let restored = world.restore_into(Selector::Latest, target).await;
        assert_proven(&restored.expect("a restore").verification);
    });
}

#[test]
fn of_two_restores_at_once_one_proves_and_one_is_refused() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let one = world.restore_into(Selector::Latest, target.clone());
        let other = world.restore_into(Selector::Latest, target.clone());
        let (one, other) = tokio::join!(one, other);
        let (proven, refused) = match (one, other) {
            (Ok(proven), Err(refused)) | (Err(refused), Ok(proven)) => (proven, refused),
            (one, other) => panic!("{:?} and {:?}", one.map(|_| ()), other.map(|_| ())),
        };
        assert_proven(&proven.verification);
        // The later one met a lock, or what the first had made by then.
        assert_eq!(refused.kind(), Kind::Refused, "{refused}");
        assert_proven(&world.verify(&target).await);
    });
}

#[test]
fn what_a_dead_restore_left_at_work_is_ended() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        execute(&target, "CREATE TABLE tenants (id int)").await;
        let left = Session::connect(&target.with_application("paycraft-dr restore"))
            .await
            .expect("a connection");
        let other = Session::connect(&target).await.expect("a connection");
        let works = left
            .client()
            .batch_execute("BEGIN; LOCK TABLE tenants; SELECT pg_sleep(600)");
        let began = Instant::now();
        let clean = GuardOptions {
            clean: true,
            ..terms()
        };
        let restore = async {
            let locked = "SELECT count(*)::text FROM pg_locks WHERE relation = to_regclass('tenants')
                AND mode = 'AccessExclusiveLock'";
            while query(&target, locked).await != "1" {}
            let restored = world
                .restore_on(Selector::Latest, target.clone(), clean, &crate::kit::Silent)
                .await;
            restored.expect("a restore")
        };
        let (works, restored) = tokio::join!(works, restore);
        works.expect_err("it was ended");
        assert_proven(&restored.verification);
        assert!(began.elapsed() < Duration::from_mins(2));
        // A session of another name is no leftover of ours.
        other
            .client()
            .batch_execute("SELECT 1")
            .await
            .expect("it goes on");
    });
}
