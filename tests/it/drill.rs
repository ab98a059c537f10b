//! Whole drills through the program, and what is left of them.

mod proof;

use std::io::{BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::kit::{
    SMALL_SCHEMA, World, drill_place, execute, json, leftovers, output, postgres, processes_about, program,
    run, said_until, skip, write_program,
};

/// The programs that a drill calls besides PostgreSQL's and the shell, and which package of nixpkgs has them.
pub const CALLED: [(&str, &str); 6] = [
    ("cat", "coreutils"),
    ("cp", "coreutils"),
    ("ls", "coreutils"),
    ("prlimit", "util-linux"),
    ("rm", "coreutils"),
    ("sleep", "coreutils"),
];

/// A drill that can be interrupted in the middle.
const LARGER: [&str; 2] = ["--scale", "8MiB"];

/// A drill that keeps its temporary files in `tmp` and its evidence in `drills`, both inside `place`.
fn drill(place: &Path, arguments: &[&str]) -> Command {
    let mut command = program(&["drill", "--seed", "7", "--substrate", "local"]);
    if !arguments.contains(&"--scale") {
        command.args(["--scale", "1MiB"]);
    }
    command
        .args(arguments)
        .arg("--report")
        .arg(place.join("drills"))
        .env("TMPDIR", place.join("tmp"))
        .current_dir(place);
    command
}

/// Watchdogs see the end of their pipes; a test can wait for them only by looking.
#[track_caller]
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let patience = Instant::now();
    while !holds() {
        assert!(
            patience.elapsed() < Duration::from_secs(20),
            "not in time: {what}"
        );
        std::thread::yield_now();
    }
}

#[track_caller]
fn assert_nothing_left(place: &Path, after: &str) {
    let left = leftovers(&place.join("tmp"));
    assert!(left.is_empty(), "after {after}: {left:?}");
    let running = processes_about(&place.join("tmp"));
    assert!(running.is_empty(), "after {after}: {running:?}");
}

fn evidence(place: &Path) -> serde_json::Value {
    let files = leftovers(&place.join("drills"));
    assert_eq!(files.len(), 1, "{files:?}");
    serde_json::from_slice(&std::fs::read(&files[0]).expect("a file")).expect("JSON")
}

#[test]
fn a_drill_proves_logs_keeps_evidence_and_cleans_up() {
    run(async {
        if postgres().is_none() {
            return;
        }
        let place = drill_place();
        let log = place.path().join("drill-log.md");
        let mut command = drill(place.path(), &["--operator", "ann", "--json"]);
        command.arg("--log").arg(&log);
        let held = output(command).await;
        let told = String::from_utf8_lossy(&held.stderr);
        assert_eq!(held.status.code(), Some(0), "{told}");
        let document: serde_json::Value = serde_json::from_slice(&held.stdout).expect("one JSON document");
        assert_eq!(document["verdict"], "proven");
        assert_eq!(
            (&document["seed"], &document["substrate"]),
            (&7.into(), &"local".into())
        );
        assert_eq!(
            (&document["scenario"], &document["expected"]),
            (&"baseline".into(), &"recovers".into())
        );
        assert_eq!(document["rto"]["met"], true);
        assert_eq!(document["rpo"]["objective_seconds"], 86400.0);
        assert_eq!(document["faults"], serde_json::json!([]));
        let peak_bytes = document["peak_rss_bytes"].as_u64().expect("Linux tells");
        assert!((1 << 20..150 << 20).contains(&peak_bytes), "{peak_bytes} bytes");
        assert_eq!(
            document["repeat"],
            "paycraft-dr drill --seed 7 --scale 1048576 --substrate local"
        );
        let phases: Vec<_> = document["phases"]
            .as_array()
            .expect("phases")
            .iter()
            .map(|phase| &phase["name"])
            .collect();
        assert_eq!(
            phases,
            [
                "seed",
                "backup",
                "select",
                "provision",
                "transfer",
                "finish",
                "analyze",
                "verify"
            ]
        );
        let checks: Vec<_> = document["checks"]
            .as_array()
            .expect("checks")
            .iter()
            .map(|check| &check["name"])
            .collect();
        assert_eq!(checks.len(), 22, "{checks:?}");
        for name in [
            "rows",
            "content",
            "large objects",
            "schema",
            "sequences",
            "source",
            "canaries",
            "production",
            "tear-down",
        ] {
            assert!(
                checks.iter().any(|check| *check == name),
                "{name} is not among {checks:?}"
            );
        }
        let rows = |name: &str| {
            let tables = document["tables"].as_array().expect("tables");
            tables
                .iter()
                .find(|table| table["name"] == name)
                .map(|table| table["rows"].clone())
        };
        assert_eq!(rows("tier_definitions"), Some(3.into()));
        let kept = evidence(place.path());
        assert!(kept["error"].is_null());
        assert_eq!(kept["checks"], document["checks"]);
        let log = std::fs::read_to_string(&log).expect("a log");
        assert!(log.contains("| ann | ") && log.contains(" | proven | "), "{log}");
        assert_nothing_left(place.path(), "a drill");
    });
}

#[test]
fn a_drill_keeps_its_backups_in_an_s3_server_of_others() {
    if postgres().is_none() {
        return;
    }
    let Some(weed) = on_path("weed") else {
        return skip("weed", "it is not on the path: `make setup-test` installs it");
    };
    run(async {
        let place = drill_place();
        let mut command = drill(place.path(), &["--json"]);
        command.env("PAYCRAFT_S3_PROGRAM", &weed);
        let held = output(command).await;
        let told = String::from_utf8_lossy(&held.stderr);
        assert_eq!(held.status.code(), Some(0), "{told}");
        let document: serde_json::Value = serde_json::from_slice(&held.stdout).expect("one JSON document");
        assert_eq!(document["verdict"], "proven");
        let repeat = document["repeat"].as_str().expect("words");
        assert!(
            repeat.ends_with(&format!("--substrate local --s3-program {}", weed.display())),
            "{repeat}"
        );
        assert_nothing_left(place.path(), "a drill with an S3 server of others");

        let mut killed = drill(place.path(), &[])
            .env("PAYCRAFT_S3_PROGRAM", &weed)
            .spawn()
            .expect("a drill");
        let tmp = place.path().join("tmp");
        eventually("its server begins", || {
            processes_about(&tmp).iter().any(|line| line.contains("-s3.port"))
        });
        killed.kill().expect("it runs");
        killed.wait().expect("an end");
        eventually("killed while that begins, it leaves nothing", || {
            processes_about(&tmp).is_empty() && leftovers(&tmp).is_empty()
        });

        let nobodys = place.path().join("nobodys");
        let unable = place.path().join("minio");
        write_program(&unable, "exit 1");
        for (program, says) in [
            (&nobodys, "it is not known how"),
            (&unable, "the S3 server ended at once"),
        ] {
            let mut command = drill(place.path(), &[]);
            command.arg("--s3-program").arg(program);
            let refused = output(command).await;
            let told = String::from_utf8_lossy(&refused.stderr);
            assert_eq!(refused.status.code(), Some(2), "{told}");
            assert!(told.contains(says) && told.contains("hint: "), "{told}");
            assert_nothing_left(place.path(), says);
        }
    });
}

/// On some systems a program is only where the path leads to: here that is a directory with nothing but what a drill may
/// call, where each call is written down.
#[test]
fn a_drill_calls_what_is_on_the_path_and_nothing_besides() {
    run(async {
        let Some(postgres) = postgres() else { return };
        let place = drill_place();
        let (programs, called) = (place.path().join("programs"), place.path().join("called"));
        std::fs::create_dir(&programs).expect("a directory");
        std::fs::write(&called, "").expect("a file");
        // Servers and their watchdogs are another user's, where this one is root.
        for (path, mode) in [(&programs, 0o755), (&called, 0o666)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
        }
        for (name, _) in CALLED {
            let real = on_path(name).unwrap_or_else(|| panic!("{name} is not on the path"));
            let script = format!(
                "echo {name} >> {}; exec {} \"$@\"",
                called.display(),
                real.display()
            );
            write_program(&programs.join(name), &script);
        }
        // A disk that fills needs this many rows.
        let full = ["--scenario", "target-is-full", "--scale", "32MiB"];
        let initdb = postgres.installation.program("initdb");
        let mut command = drill(place.path(), &full);
        command
            .arg("--pg-bin")
            .arg(initdb.parent().expect("a directory"))
            .env("PATH", &programs);
        let held = output(command).await;
        let told = String::from_utf8_lossy(&held.stderr);
        assert_eq!(held.status.code(), Some(0), "{told}");
        assert_nothing_left(place.path(), "a drill on another path");
        let called = std::fs::read_to_string(&called).expect("a file");
        for (name, _) in CALLED {
            assert!(
                called.lines().any(|line| line == name),
                "{name} was not called: {called}"
            );
        }
    });
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|place| place.join(name))
        .find(|program| program.is_file())
}

#[test]
fn a_drill_that_cannot_begin_says_why_and_leaves_nothing() {
    run(async {
        let Some(postgres) = postgres() else { return };
        let place = drill_place();
        let no_table = place.path().join("notes.md");
        std::fs::write(&no_table, "# Notes\n").expect("a file");
        let empty = place.path().join("empty");
        std::fs::create_dir(&empty).expect("a directory");
        let client_only = place.path().join("client-only");
        std::fs::create_dir(&client_only).expect("a directory");
        for name in ["pg_dump", "pg_restore"] {
            let program = postgres.installation.program(name);
            std::os::unix::fs::symlink(program, client_only.join(name)).expect("a link");
        }
        let path = |path: &Path| path.display().to_string();
        for (flag, value, says) in [
            ("--log", path(&no_table), "no drill table"),
            (
                "--log",
                "/proc/nowhere/log.md".to_owned(),
                "cannot write /proc/nowhere",
            ),
            ("--scale", "900TiB".to_owned(), "smaller --scale"),
            ("--pg-bin", path(&empty), "was not found"),
            ("--pg-bin", path(&client_only), "server programs"),
        ] {
            let command = drill(place.path(), &[flag, &value]);
            let refused = output(command).await;
            let told = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(2), "{says}: {told}");
            assert!(told.contains(says) && told.contains("hint: "), "{says}: {told}");
            assert_nothing_left(place.path(), says);
        }
        assert_eq!(std::fs::read_to_string(&no_table).expect("a file"), "# Notes\n");
    });
}

/// Starts a drill, sends `signal` when it has said `after`, as it does of a phase that has ended, and waits for its end.
fn interrupt(place: &Path, arguments: &[&str], signal: Signal, after: &str) -> (Option<i32>, String) {
    let mut command = drill(place, arguments);
    let mut drill = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = BufReader::new(drill.stderr.take().expect("a pipe"));
    let mut told = said_until(&mut said, after);
    let id = Pid::from_raw(drill.id().cast_signed()).expect("an id");
    kill_process(id, signal).expect("the drill runs");
    said.read_to_string(&mut told).expect("text");
    (drill.wait().expect("an end").code(), told)
}

#[test]
fn a_signal_at_any_moment_ends_a_drill_cleanly() {
    if postgres().is_none() {
        return;
    }
    for (signal, after) in [
        (Signal::INT, "scenario"),
        (Signal::TERM, "seed  "),
        (Signal::INT, "backup"),
        (Signal::HUP, "select"),
        (Signal::INT, "provision"),
        (Signal::TERM, "transfer"),
        (Signal::INT, "finish"),
    ] {
        let place = drill_place();
        let (code, told) = interrupt(place.path(), &LARGER, signal, after);
        assert_eq!(code, Some(130), "{after}: {told}");
        assert!(
            told.contains("error: interrupted") && told.contains("hint: "),
            "{after}: {told}"
        );
        assert_nothing_left(place.path(), after);
    }
}

#[test]
fn a_signal_ends_all_drills_that_are_held_at_once() {
    if postgres().is_none() {
        return;
    }
    let place = drill_place();
    let several = ["--scenario", "random", "--runs", "6", "--at-once", "2"];
    let (code, told) = interrupt(place.path(), &several, Signal::TERM, "  1 of 6");
    assert_eq!(code, Some(130), "{told}");
    assert_nothing_left(place.path(), "the first of several drills");
}

#[test]
fn a_killed_drill_takes_its_servers_with_it() {
    if postgres().is_none() {
        return;
    }
    let place = drill_place();
    let (code, _) = interrupt(place.path(), &LARGER, Signal::KILL, "provision");
    assert_eq!(code, None, "killed");
    let tmp = place.path().join("tmp");
    eventually("its servers end", || processes_about(&tmp).is_empty());
}

#[test]
fn a_drill_from_the_store_restores_the_real_newest_backup_and_only_reads() {
    run(async {
        let Some(world) = World::new().await else { return };
        let role = format!("reader_{:016x}", rand::random::<u64>());
        let policy = format!(
            "CREATE ROLE {role}; ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
             CREATE POLICY all_of_it ON tenants TO {role} USING (true)"
        );
        let source = world.postgres.source(SMALL_SCHEMA).await;
        execute(&source, &policy).await;
        let now = jiff::Timestamp::now().to_string();
        let made = world.back_up_at(&source, &now).await.expect("a backup");
        let place = drill_place();
        let log = place.path().join("drill-log.md");
        let mut command = program(&[
            "drill",
            "--from-store",
            "--substrate",
            "local",
            "--json",
            "--operator",
            "ann",
            "--log",
        ]);
        std::fs::create_dir_all(place.path().join("tmp")).expect("a directory");
        command
            .arg(&log)
            .arg("--report")
            .arg(place.path().join("drills"))
            .env("TMPDIR", place.path().join("tmp"))
            .envs(world.bucket.environment());
        let before = world.bucket.store.list("").await.expect("a listing");
        let held = output(command).await;
        let document = json(&held);
        assert_eq!(document["exit_code"], 0, "{document}");
        assert_eq!(
            (&document["verdict"], &document["scenario"]),
            (&"proven".into(), &"from-store".into())
        );
        assert_eq!(document["backup"]["key"], made.key.to_string());
        assert_eq!(
            document["repeat"],
            "paycraft-dr drill --from-store --substrate local"
        );
        assert!(document["rpo"]["measured_seconds"].as_f64().expect("a number") < 3600.0);
        assert_eq!(world.bucket.store.list("").await.expect("a listing"), before);
        let row = std::fs::read_to_string(&log).expect("a log");
        assert!(
            row.contains("| ann |") && row.contains("the real backup"),
            "{row}"
        );
        assert_eq!(evidence(place.path())["verdict"], "proven");
        assert_nothing_left(place.path(), "a drill from the store");

        let both = output(program(&["drill", "--from-store", "--seed", "3"])).await;
        assert_eq!(both.status.code(), Some(2));
    });
}
