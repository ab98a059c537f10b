use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::kit::{SMALL_SCHEMA, World, program, run};
use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::session::Session;

#[test]
fn a_statement_that_waits_for_a_lock_is_named_with_who_holds_it() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.restore(Selector::Latest).await.expect("a restore").target;
        let holder = Session::connect(&target).await.expect("a connection");
        let locked = holder.client().batch_execute("BEGIN; LOCK TABLE subscriptions");
        locked.await.expect("a lock");
        let pid = holder.client().query_one("SELECT pg_backend_pid()", &[]);
        let pid: i32 = pid.await.expect("a row").get(0);
        let mut command = program(&["verify", "-v"]);
        command
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", world.postgres.url(&target))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut verify = command.spawn().expect("the program starts");
        let said = BufReader::new(verify.stderr.take().expect("a pipe"));
        let told = tokio::task::spawn_blocking(move || {
            let mut told = Vec::new();
            for line in said.lines().map_while(Result::ok) {
                let is_found = line.contains("still waiting for the target's server: ");
                told.push(line);
                if is_found {
                    break;
                }
            }
            told
        });
        let told = told.await.expect("a thread");
        let line = told.last().expect("a line");
        let who = format!("waits for a lock (relation) that is held by process {pid} of role");
        assert!(line.contains(&who) && line.contains("seconds=1"), "{told:#?}");
        holder.client().batch_execute("ROLLBACK").await.expect("an end");
        let ended = tokio::task::spawn_blocking(move || verify.wait()).await;
        assert!(ended.expect("a thread").expect("an end").success());
    });
}
