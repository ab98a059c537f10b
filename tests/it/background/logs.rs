//! What a target's server writes down.

use crate::kit::{World, assert_proven, execute, postgres, query, run};
use paycraft_dr::drill::cluster::{Cluster, Traits};
use paycraft_dr::drill::server_user::ServerUser;
use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::Side;

#[test]
fn no_byte_of_rows_or_large_objects_comes_into_the_targets_log() {
    run(async {
        let Some(world) = World::new().await else { return };
        let postgres = postgres().expect("a server");
        // An empty one, a small one, one of several pieces, and one with a hole.
        let source = postgres
            .source(
                "CREATE TABLE t (id int PRIMARY KEY, body text); INSERT INTO t VALUES (1, 'c0ffee4711');
                 SELECT lo_create(1); SELECT lo_from_bytea(2, '\\xc0ffee4711');
                 SELECT lo_from_bytea(3, decode(repeat('c0ffee4711', 200000), 'hex'));
                 SELECT lo_from_bytea(4, '\\xc0ffee4711'); SELECT lo_put(4, 700000, '\\xc0ffee4711');
                 SELECT lo_from_bytea(n, '\\xc0ffee4711') FROM generate_series(100, 1300) n",
            )
            .await;
        world.back_up(&source).await.expect("a backup");
        let directory = std::env::temp_dir().join(format!("paycraft-tests-{:016x}", rand::random::<u64>()));
        let user = ServerUser::suitable().expect("a user");
        let cluster = Cluster::start(&postgres.installation, &directory, user, Traits::default())
            .await
            .expect("a cluster");
        let target = cluster.conninfo(Side::Target, "postgres").expect("a database");
        for setting in [
            "logging_collector = on",
            "log_statement = 'all'",
            "log_min_duration_statement = 0",
            "log_parameter_max_length = -1",
            "log_parameter_max_length_on_error = -1",
        ] {
            execute(&target, &format!("ALTER SYSTEM SET {setting}")).await;
        }
        cluster.crash().await.expect("an end");
        cluster.start_again().await.expect("a beginning");
        let restored = world.restore_into(Selector::Latest, target.clone()).await;
        assert_proven(&restored.expect("a restore").verification);
        let log = "SELECT string_agg(pg_read_file('log/' || name), '') FROM pg_ls_logdir()";
        let log = query(&target, log).await;
        assert!(log.contains("lo_put"), "the log is not where it is looked for");
        let told: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("c0ffee") || line.contains("4711"))
            .collect();
        assert!(told.is_empty(), "{:?}", told.first());
    });
}
