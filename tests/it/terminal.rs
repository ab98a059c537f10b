//! What a person sees at a terminal, and what a file sees in its place.

use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use paycraft_dr::model::key::Selector;
use paycraft_dr::model::timeline::{Event, Observer, Phase};
use paycraft_dr::postgres::conninfo::Side;
use paycraft_dr::postgres::session::Session;
use tokio::sync::Notify;

use super::kit::{
    SMALL_SCHEMA, World, assert_proven, clean, execute, output, program, run, said, secret_file, skip,
};

/// The program as a child of `script`, which gives it a terminal of so many columns; nothing where there is no `script`.
fn on_a_terminal(columns: u32, arguments: &str) -> Option<Command> {
    if Command::new("script").arg("--version").output().is_err() {
        skip("script", "util-linux's `script` is not on the path");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_paycraft-dr");
    let line = format!("stty cols {columns} rows 24; {program} {arguments}");
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    Some(command)
}

/// What was drawn of progress: pieces between carriage returns, ends of lines and escape sequences.
fn drawn(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pieces = text.split(['\r', '\n', '\u{1b}']);
    let pieces = pieces.filter_map(|piece| piece.find("step ").map(|at| piece[at..].to_owned()));
    pieces.collect()
}

#[test]
fn progress_fits_the_terminal_and_counts_its_steps() {
    run(async {
        let Some(world) = World::new().await else { return };
        let rows = "CREATE TABLE tenants AS SELECT n AS id, repeat(md5(n::text), 20) AS note FROM generate_series(1, 60000) AS n;
             CREATE INDEX ON tenants (id); CREATE INDEX ON tenants (note)";
        let source = world.postgres.source(rows).await;
        world.back_up(&source).await.expect("a backup");
        for columns in [60, 80, 200] {
            let target = world.postgres.database(Side::Target).await;
            let Some(mut restore) = on_a_terminal(columns, "restore") else {
                return;
            };
            restore
                .envs(world.bucket.environment())
                .env("TARGET_DB_URL", world.postgres.url(&target));
            let ended = output(restore).await;
            assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
            let drawn = drawn(&ended);
            assert!(!drawn.is_empty(), "{}", said(&ended));
            let widest = drawn.iter().map(|piece| piece.trim_end().chars().count()).max();
            assert!(widest < Some(columns as usize), "{columns}: {drawn:?}");
            let has = |part: &str| drawn.iter().any(|piece| piece.contains(part));
            assert!(has("of 6  ") && has(" %"), "{drawn:?}");
        }
    });
}

#[test]
fn colour_is_for_terminals_and_for_those_who_force_it() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let green = "\u{1b}[32m";
        let verify = |variables: &[(&str, &str)]| {
            let mut verify = program(&["verify", "--object"]);
            verify
                .envs(world.bucket.environment())
                .envs(variables.iter().copied());
            output(verify)
        };
        let plain = verify(&[]).await;
        assert!(!said(&plain).contains('\u{1b}'), "{}", said(&plain));
        let forced = verify(&[("CLICOLOR_FORCE", "1")]).await;
        assert!(said(&forced).contains(green), "{}", said(&forced));
        for (variable, is_green) in [("SOMETHING", true), ("NO_COLOR", false)] {
            let Some(mut verify) = on_a_terminal(80, "verify --object") else {
                return;
            };
            verify.envs(world.bucket.environment()).env(variable, "1");
            let shown = output(verify).await;
            assert_eq!(said(&shown).contains(green), is_green, "{}", said(&shown));
            let mut refused = on_a_terminal(80, "list --endpoint ftp://x").expect("it was there");
            refused.env(variable, "1");
            let shown = said(&output(refused).await);
            assert_eq!(shown.contains("\u{1b}[31m"), is_green, "{shown}");
        }
        let mut json = program(&["verify", "--object", "--json"]);
        json.envs(world.bucket.environment()).env("CLICOLOR_FORCE", "1");
        let json = output(json).await;
        assert!(!String::from_utf8_lossy(&json.stdout).contains('\u{1b}'));
    });
}

#[test]
fn every_refusal_of_arguments_ends_with_a_hint() {
    for (arguments, hint) in [
        (
            &["restore", "--frobnicate"][..],
            "hint: `paycraft-dr restore --help`",
        ),
        (&["frobnicate"], "hint: `paycraft-dr --help`"),
        (&["list", "20261123"], "did you mean 2026/11/23?"),
        (&["drill", "--scenario", "basline"], "did you mean baseline?"),
        (&["list", "--lock-timeout", "soon"], "90s, 10min or 1h"),
        (&["list", "--lock-timeout", "0"], "90s, 10min or 1h"),
    ] {
        let ended = program(arguments).output().expect("the program starts");
        assert_eq!(ended.status.code(), Some(2), "{}", said(&ended));
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(told.contains("error: ") && told.contains(hint), "{told}");
        let last = told.lines().last().unwrap_or_default();
        assert!(last.starts_with("hint: "), "{told}");
    }
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("paycraft-dr.toml");
    std::fs::write(&file, "[store]\nbuckt = \"backups\"\n").expect("a file");
    let mut list = program(&["list", "--config"]);
    let ended = list.arg(&file).output().expect("the program starts");
    assert!(
        said(&ended).contains("did you mean `bucket`?"),
        "{}",
        said(&ended)
    );
}

#[test]
fn a_password_that_was_not_given_is_named() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source("SELECT").await;
        let place = tempfile::tempdir().expect("a directory");
        let backup = |variables: Vec<(&str, String)>| {
            let mut backup = program(&["backup"]);
            backup
                .envs(world.bucket.environment())
                // Shown without its password.
                .env("SUPABASE_DB_URL", format!("postgresql://{source}"))
                .env("HOME", place.path())
                .envs(variables);
            output(backup)
        };
        let ended = backup(Vec::new()).await;
        assert_eq!(ended.status.code(), Some(5), "{}", said(&ended));
        for part in ["no password was given", "set PGPASSWORD", "~/.pgpass"] {
            assert!(said(&ended).contains(part), "{part}: {}", said(&ended));
        }
        let url = world.postgres.url(&source);
        let password = url.split([':', '@']).nth(2).expect("a password");
        let file = secret_file(place.path(), "password", password);
        let ended = backup(vec![("PGPASSWORD_FILE", file.display().to_string())]).await;
        assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    });
}

/// Lets a lock go once it was told who holds it.
#[derive(Default)]
struct Waits {
    told: Mutex<Vec<String>>,
    is_told: Notify,
}

impl Observer for Waits {
    fn observe(&self, event: Event) {
        if let Event::Noted(note) = event
            && note.starts_with("waiting for a lock")
        {
            self.told.lock().expect("no panic").push(note);
            self.is_told.notify_one();
        }
    }
}

#[test]
fn who_holds_a_lock_is_told_while_it_is_waited_for() {
    run(async {
        let Some(world) = World::new().await else { return };
        let (_, target) = world.proven(SMALL_SCHEMA).await;
        let reads = Session::connect(&target).await.expect("a connection");
        let lock = "SET application_name = 'a report'; BEGIN; LOCK TABLE tenants IN ACCESS SHARE MODE";
        reads.client().batch_execute(lock).await.expect("a lock");
        let waits = Waits::default();
        let lets_go = async {
            waits.is_told.notified().await;
            reads.client().batch_execute("COMMIT").await.expect("a commit");
        };
        let restored = world.restore_on(Selector::Latest, target, clean(), &waits);
        let (restored, ()) = tokio::join!(restored, lets_go);
        assert_proven(&restored.expect("a restore").verification);
        let told = waits.told.into_inner().expect("no panic");
        assert!(
            told.iter()
                .all(|note| note.contains("(a report) holds it since 20") && note.contains("300 s at most")),
            "{told:?}"
        );
    });
}

/// Remembers what the finishing phase counted.
#[derive(Default)]
struct Counts(Mutex<Followed>);

#[derive(Default)]
struct Followed {
    phase: Option<Phase>,
    /// So many of how many, as they were told.
    counted: Vec<(u64, u64)>,
}

impl Observer for Counts {
    fn observe(&self, event: Event) {
        let mut state = self.0.lock().expect("no panic");
        match event {
            Event::Began(phase) => state.phase = Some(phase),
            Event::Counted { done, of, .. } if state.phase == Some(Phase::Finish) => {
                state.counted.push((done, of));
            }
            _ => {}
        }
    }
}

#[test]
fn indexes_and_keys_are_counted_as_they_are_built() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let counts = Counts::default();
        let restored = world
            .restore_watched(Selector::Latest, target.clone(), &counts)
            .await;
        assert_proven(&restored.expect("a restore").verification);
        let counted = counts.0.into_inner().expect("no panic").counted;
        // Two primary keys, an index, a foreign key in two steps, a view.
        assert!(
            counted.iter().all(|(done, of)| done <= of && *of == 6),
            "{counted:?}"
        );
        assert!(counted.is_sorted() && counted.len() > 1, "{counted:?}");
        execute(&target, "SELECT").await;
    });
}
