//! What a restore that ends early leaves in the target, and what it says to do next.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use paycraft_dr::drill::proxy::Proxy;
use paycraft_dr::error::Kind;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::product::CountedTables;
use paycraft_dr::model::selection::Among;
use paycraft_dr::model::timeline::{Event, Observer, Phase};
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::patience::ServerTimeouts;
use paycraft_dr::postgres::session::Session;
use paycraft_dr::postgres::tools::{Leniency, Tools};
use paycraft_dr::recovery::guard::GuardOptions;
use paycraft_dr::recovery::restore;
use rustix::process::{Pid, Signal, kill_process};

use super::kit::{
    SMALL_SCHEMA, Silent, Warnings, World, assert_proven, execute, json, now, output, program, query, run,
    terms,
};

/// A world with a backup, and a target that holds an older state of it.
async fn with_older_state() -> Option<(World, Conninfo)> {
    let world = World::new().await?;
    let source = world.postgres.source(SMALL_SCHEMA).await;
    world.back_up(&source).await.expect("a backup");
    let target = world.postgres.database(Side::Target).await;
    execute(
        &target,
        "CREATE TABLE tenants (id int); INSERT INTO tenants VALUES (7)",
    )
    .await;
    Some((world, target))
}

async fn is_as_it_was(target: &Conninfo) -> bool {
    query(target, "SELECT string_agg(id::text, ',') FROM tenants").await == "7"
}

fn clean() -> GuardOptions<'static> {
    GuardOptions {
        clean: true,
        ..terms()
    }
}

fn restoring(world: &World, target: &Conninfo, arguments: &[&str]) -> Command {
    let mut command = program(&["restore", "--json"]);
    command
        .args(arguments)
        .envs(world.bucket.environment())
        .env("TARGET_DB_URL", world.postgres.url(target));
    command
}

#[test]
fn nothing_is_dropped_where_temporary_files_find_no_place() {
    run(async {
        let Some((world, target)) = with_older_state().await else {
            return;
        };
        let mut command = restoring(&world, &target, &["--clean"]);
        command.env("TMPDIR", "/nowhere/at/all");
        let ended = output(command).await;
        assert_eq!(ended.status.code(), Some(2), "{}", json(&ended));
        assert!(is_as_it_was(&target).await);
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(!told.contains("half-loaded"), "{told}");
    });
}

#[test]
fn a_target_that_could_not_be_cleared_is_not_called_half_loaded() {
    run(async {
        let Some((world, target)) = with_older_state().await else {
            return;
        };
        let reader = Session::connect(&target).await.expect("a connection");
        let reads = "BEGIN; SELECT count(*) FROM tenants";
        reader.client().batch_execute(reads).await.expect("a reader");
        let hasty = target.with_patience(ServerTimeouts {
            lock: Duration::from_millis(200),
            ..ServerTimeouts::default()
        });
        let heard = Warnings::default();
        let restored = world.restore_on(Selector::Latest, hasty, clean(), &heard).await;
        let error = restored.expect_err("a reader holds a lock");
        assert!(error.message().contains("nothing was dropped"), "{error}");
        assert!(is_as_it_was(&target).await);
        let warnings = heard.0.lock().expect("no panic").join(" ");
        assert!(!warnings.contains("half-loaded"), "{warnings}");
        drop(reader);

        // Once it was cleared, it is.
        let tools = world
            .postgres
            .with_scripted("pg_restore", "echo 'pg_restore: error: no' >&2; exit 1");
        let tools = Tools::find(Some(tools.path()), None).await.expect("programs");
        let request = restore::RestoreRequest {
            tools: &tools,
            ..request(&world)
        };
        let restored = restore::restore(request, async |_| Ok(target), &heard).await;
        assert_eq!(restored.expect_err("a program that fails").kind(), Kind::Target);
        let warnings = heard.0.lock().expect("no panic").join(" ");
        assert!(warnings.contains("half-loaded"), "{warnings}");
    });
}

fn request(world: &World) -> restore::RestoreRequest<'_> {
    restore::RestoreRequest {
        store: &world.bucket.store,
        among: &Among::ANY,
        counted: &CountedTables::PAYCRAFT,
        selector: Selector::Latest,
        tools: &world.postgres.tools,
        terms: clean(),
        profile: None,
        jobs: 2,
        depth: paycraft_dr::model::depth::Depth::Content,
        accepts_lost_rows: false,
        leniency: Leniency::default(),
        missing_sql: None,
        accepts_unknown_rights: false,
        accepted: &[],
        accepts_missing_settings: false,
        analyzes: true,
        now: now(),
    }
}

/// Sends Ctrl-C once the script has come halfway, and waits for the end.
async fn interrupt(mut command: Command, tools: &Path) -> Output {
    let halfway = tools.join("halfway");
    let process = command
        .arg("--pg-bin")
        .arg(tools)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let patience = Instant::now();
    while !halfway.exists() {
        assert!(patience.elapsed() < Duration::from_mins(1), "it never came there");
        tokio::task::yield_now().await;
    }
    kill_process(
        Pid::from_raw(process.id().cast_signed()).expect("an id"),
        Signal::INT,
    )
    .expect("it runs");
    let ended = tokio::task::spawn_blocking(move || process.wait_with_output()).await;
    ended.expect("a thread").expect("an end")
}

#[test]
fn an_interrupted_restore_says_what_it_leaves() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        let verify = format!("paycraft-dr verify {}", made.key);
        // Of a target on no platform, pg_dump reads the definitions once all is loaded.
        for (name, advice) in [("pg_restore", "half-loaded"), ("pg_dump", verify.as_str())] {
            let target = world.postgres.database(Side::Target).await;
            let tools = world
                .postgres
                .with_scripted(name, "touch \"${0%/*}/halfway\"; exec sleep 600");
            let ended = interrupt(restoring(&world, &target, &[]), tools.path()).await;
            assert_eq!(ended.status.code(), Some(130), "{}", json(&ended));
            let hint = json(&ended)["error"]["hint"].to_string();
            assert!(hint.contains(advice), "{name}: {hint}");
        }
    });
}

/// Cuts the way to the target when the verification begins.
struct CutsAtVerification<'a>(&'a Proxy);

impl Observer for CutsAtVerification<'_> {
    fn observe(&self, event: Event) {
        if event == Event::Began(Phase::Verify) {
            self.0.set_down(true);
        }
    }
}

#[test]
fn a_target_that_is_loaded_is_only_verified_again() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let url = world.postgres.url(&target);
        let (_, place) = url.rsplit_once('@').expect("a host");
        let (server, _) = place.split_once('/').expect("a database");
        let proxy = Proxy::start(server.parse().expect("an address"), 7)
            .await
            .expect("a proxy");
        let url = url.replace(server, &proxy.address().to_string());
        let through = Conninfo::parse(Side::Target, &url).expect("a connection string");
        let cuts = CutsAtVerification(&proxy);
        let restored = world.restore_watched(Selector::Latest, through, &cuts).await;
        let error = restored.expect_err("nobody there");
        assert_eq!(error.kind(), Kind::Target, "{error}");
        let hint = error.next_step().expect("a hint");
        assert!(
            hint.contains(&format!("paycraft-dr verify {}", made.key)),
            "{hint}"
        );
        let verification = world.verify(&target).await;
        assert_proven(&verification);
    });
}

#[test]
fn a_setting_the_server_does_not_know_means_that_it_is_older() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        for unknown in ["parameter", "configuration parameter"] {
            let says = format!("echo 'ERROR:  unrecognized {unknown} \"new\"' >&2; exit 1");
            let tools = world.postgres.with_scripted("pg_restore", &says);
            let tools = Tools::find(Some(tools.path()), None).await.expect("programs");
            let request = restore::RestoreRequest {
                tools: &tools,
                ..request(&world)
            };
            let target = world.postgres.database(Side::Target).await;
            let restored = restore::restore(request, async |_| Ok(target), &Silent).await;
            let error = restored.expect_err("a program that fails");
            let hint = error.next_step().expect("a hint");
            assert!(hint.contains("server is older"), "{unknown}: {hint}");
        }
    });
}
