//! Children end with the program.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::kit::{SMALL_SCHEMA, World, processes_about, program, run};
use paycraft_dr::child::{Child, reaper};
use paycraft_dr::postgres::conninfo::Side;
use paycraft_dr::recovery::scratch::{Purpose, Scratch};

/// Says where it is, starts a worker of its own, and goes on for ten minutes unless it is ended.
const ENDLESS: &str = "here=${0%/*}; trap '' TERM INT HUP
    sh -c 'trap \"\" TERM INT HUP; : > \"$1/worker\"; while :; do sleep 600; done' worker \"$here\" &
    : > \"$here/begun\"; while :; do sleep 600; done";

/// Kills the program once the script has begun, and waits until nothing about `place` runs.
fn killed(mut command: Command, place: &Path) {
    let mut process = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    while !(place.join("begun").exists() && place.join("worker").exists()) {
        assert!(began.elapsed() < Duration::from_mins(1), "it never began");
        std::thread::yield_now();
    }
    process.kill().expect("it runs");
    process.wait().expect("an end");
    let killed = Instant::now();
    while !processes_about(place).is_empty() {
        assert!(
            killed.elapsed() < Duration::from_secs(10),
            "runs on: {:?}",
            processes_about(place)
        );
        std::thread::yield_now();
    }
}

#[test]
fn children_and_their_workers_end_with_a_killed_program() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        for (verb, child) in [("backup", "pg_dump"), ("restore", "pg_restore")] {
            let target = world.postgres.database(Side::Target).await;
            let tools = world.postgres.with_scripted(child, ENDLESS);
            let mut command = program(&[verb, "--pg-bin"]);
            command
                .arg(tools.path())
                .envs(world.bucket.environment())
                .env("SUPABASE_DB_URL", world.postgres.url(&source))
                .env("TARGET_DB_URL", world.postgres.url(&target));
            let place = tools.path().to_owned();
            let killing = tokio::task::spawn_blocking(move || killed(command, &place));
            killing.await.expect("no panic");
        }
    });
}

/// Writes into the directory `$1` until it is killed.
const WRITER: &str = r#"trap '' TERM; while :; do : > "$1/written"; done"#;

#[test]
fn what_is_dropped_waits_for_no_process() {
    run(async {
        let directory = Scratch::new(Purpose::Verb).expect("a directory");
        let place = directory.path().to_owned();
        let mut command = tokio::process::Command::new("/bin/sh");
        command.args(["-c", WRITER, "writer"]).arg(&place);
        let child = Child::start("sh", command).expect("a shell");
        let began = Instant::now();
        while !place.join("written").exists() {
            assert!(began.elapsed() < Duration::from_mins(1), "it never began");
            tokio::task::yield_now().await;
        }
        // The thread that waits for processes has something else to do first.
        let (go, wait) = mpsc::channel();
        reaper::hand_over(move || {
            let _ = wait.recv();
        });
        drop(child);
        drop(directory);
        assert!(!processes_about(&place).is_empty(), "it was waited for");
        assert!(place.exists(), "the directory went while a process wrote into it");
        go.send(()).expect("the thread waits");
        reaper::settled().await;
        assert_eq!(processes_about(&place), [""; 0]);
        assert!(!place.exists(), "the directory is left");
    });
}
