use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

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

/// What a pipe holds before its writer has to wait for a reader, on Linux.
const PIPE_BYTES: usize = 64 << 10;

#[test]
fn lines_that_are_not_read_hold_up_no_run() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let mut command = program(&["backup", "-vvv"]);
        command
            .envs(world.bucket.environment())
            .env("SOURCE_DB_URL", world.postgres.url(&source))
            .env("PAYCRAFT_LOG", "debug,paycraft_dr=trace")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut backup = command.spawn().expect("the program starts");
        let made = async {
            let is_manifest = |key: &String| key.ends_with(".manifest.json");
            loop {
                let listed = world.bucket.store.list("").await.expect("a listing");
                if listed.iter().map(|object| &object.key).any(is_manifest) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_mins(2), made).await;
        let mut said = BufReader::new(backup.stderr.take().expect("a pipe"));
        let ended = tokio::task::spawn_blocking(move || {
            let mut told = String::new();
            said.read_to_string(&mut told).expect("text");
            (told, backup.wait().expect("an end"))
        });
        let (told, status) = ended.await.expect("a thread");
        waited.unwrap_or_else(|_| panic!("no backup was made while nothing was read: {told}"));
        assert!(status.success(), "{told}");
        assert!(
            told.len() > PIPE_BYTES,
            "a pipe holds all {} bytes of it, so this shows nothing",
            told.len()
        );
        assert!(
            told.lines().last().is_some_and(|line| line.contains("ended")),
            "{told}"
        );
    });
}
