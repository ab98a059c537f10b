//! Who is told how a run ended, and what is not told.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use paycraft_dr::error::{Error, Kind};
use paycraft_dr::http::Address;
use paycraft_dr::model::notice::{Notice, RunEnd, RunFacts};
use paycraft_dr::model::objective::Measured;
use paycraft_dr::model::verdict::Verdict;
use serde_json::Value;

use super::kit::{SMALL_SCHEMA, World, output, program, run, secret_file};
use super::web::WebServer;

/// The path of a webhook is its secret.
const WEBHOOK: &str = "/services/T0/B0/hunter2";
const PING: &str = "/hunter2-ping?rid=7";

fn told(command: &mut Command, webhook: &WebServer, ping: &WebServer) {
    command
        .env("PAYCRAFT_WEBHOOK_URL", format!("{}{WEBHOOK}", webhook.url))
        .env("PAYCRAFT_PING_URL", format!("{}{PING}", ping.url));
}

const KEY: &str = "2026/11/23/backup-20261123-020007.dump.gz";

fn notice(command: &str, exit_code: u8, error: Option<&Error>, facts: RunFacts) -> Option<Notice> {
    Notice::of(&RunEnd {
        command,
        exit_code,
        error,
        facts,
    })
}

fn text(command: &str, exit_code: u8, error: Option<&Error>, facts: RunFacts) -> String {
    notice(command, exit_code, error, facts).expect("a notice").text()
}

#[test]
fn a_notice_says_what_matters() {
    let hours = |hours| Duration::from_hours(hours);
    let backup = RunFacts {
        backup: Some(KEY.to_owned()),
        sizes: Some((912_680_550, 320_864_256)),
        seconds: Some(83.4),
        ..RunFacts::default()
    };
    assert_eq!(
        text("backup", 0, None, backup),
        "paycraft-dr backup: done\n\
         backup 2026/11/23/backup-20261123-020007.dump.gz, 870.4 MiB archive, 306.0 MiB stored\n\
         took 1 min 23 s"
    );
    let denied = Error::new(Kind::Store, "the store denies <this> & that")
        .caused_by("what others say")
        .hint("check R2_SECRET_ACCESS_KEY");
    let failed = notice("backup", 6, Some(&denied), RunFacts::default()).expect("a notice");
    assert_eq!(
        failed.text(),
        "paycraft-dr backup FAILED (exit code 6): the store denies <this> & that\nhint: check R2_SECRET_ACCESS_KEY"
    );
    assert_eq!(
        failed.webhook(),
        r#"{"text":"paycraft-dr backup FAILED (exit code 6): the store denies &lt;this&gt; &amp; that\nhint: check R2_SECRET_ACCESS_KEY"}"#
    );
    let recovered = RunFacts {
        backup: Some(KEY.to_owned()),
        objectives: vec![
            ("RTO", Measured::against(Duration::from_mins(251), hours(4))),
            ("RPO", Measured::against(Duration::from_mins(10), hours(24))),
        ],
        verdict: Some(Verdict::NotProven),
        ..RunFacts::default()
    };
    let unproven = Error::new(
        Kind::NotProven,
        "not proven: a check failed or an objective was missed",
    );
    assert_eq!(
        text("recover", 3, Some(&unproven.hint("read the checks")), recovered),
        "paycraft-dr recover FAILED (exit code 3): not proven: a check failed or an objective was missed\n\
         backup 2026/11/23/backup-20261123-020007.dump.gz\n\
         RTO 4 h 11 min of 4 h 0 min: MISSED\n\
         RPO 10 min 0 s of 24 h 0 min: met\n\
         verdict: not proven\n\
         hint: read the checks"
    );
    let status = RunFacts {
        objectives: vec![("RPO", Measured::against(Duration::from_secs(100_000), hours(24)))],
        ..RunFacts::default()
    };
    assert_eq!(
        text("status", 3, None, status),
        "paycraft-dr status FAILED (exit code 3)\nRPO 27 h 46 min of 24 h 0 min: MISSED"
    );
    let drills = RunFacts {
        drills: Some((88, 1)),
        ..RunFacts::default()
    };
    assert_eq!(
        text("drill", 3, None, drills),
        "paycraft-dr drill FAILED (exit code 3)\n88 passed, 1 failed"
    );
    assert_eq!(notice("status", 0, None, RunFacts::default()), None);
    assert_eq!(notice("list", 6, None, RunFacts::default()), None);
}

#[test]
fn an_address_shows_itself_without_its_path() {
    let address = Address::parse("https://hooks.example.org:8443/services/hunter2?x=1").expect("an address");
    assert_eq!(address.to_string(), "https://hooks.example.org:8443");
    assert_eq!(format!("{address:?}"), "Address(https://hooks.example.org:8443)");
    for wrong in [
        "",
        "hunter2",
        "ftp://x/",
        "https://",
        "https://me:hunter2@x/",
        "http:///x",
        "https://ex ample/",
    ] {
        let problem = Address::parse(wrong).expect_err("a refusal");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
}

#[test]
fn a_backup_is_told_whether_it_ends_well_or_not() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let webhook = WebServer::start(|_| Some((200, "ok"))).await;
        let ping = WebServer::start(|_| Some((200, "OK"))).await;
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("dr.toml");
        std::fs::write(&config, "[notify]\nping_start = true\n").expect("a file");
        let backup = |key: &str| {
            let mut command = program(&["backup", "--json"]);
            command
                .envs(world.bucket.environment())
                .env("R2_SECRET_ACCESS_KEY", key)
                .env("SUPABASE_DB_URL", world.postgres.url(&source))
                .arg("--config")
                .arg(&config);
            told(&mut command, &webhook, &ping);
            command
        };
        let made = output(backup("test-secret-access-key")).await;
        assert_eq!(made.status.code(), Some(0));
        let key = super::kit::json(&made)["backup"]["key"]
            .as_str()
            .expect("a key")
            .to_owned();
        let pings = ping.asked();
        let pinged: Vec<&str> = pings.iter().map(|asked| asked.what.as_str()).collect();
        assert_eq!(
            pinged,
            ["GET /hunter2-ping/start?rid=7", "POST /hunter2-ping?rid=7"]
        );
        assert!(pings[1].body.contains(&key), "{}", pings[1].body);
        let posted = webhook.asked();
        assert_eq!(posted.len(), 1);
        assert_eq!(posted[0].what, format!("POST {}", WEBHOOK.to_lowercase()));
        let message: Value = serde_json::from_str(&posted[0].body).expect("JSON");
        assert!(
            message["text"]
                .as_str()
                .expect("a text")
                .starts_with("paycraft-dr backup: done\nbackup 20")
        );

        // Wrong credentials are found late, missing ones and a broken configuration at once; all are told.
        assert_eq!(output(backup("guess")).await.status.code(), Some(6));
        let mut missing = backup("x");
        missing.env_remove("R2_SECRET_ACCESS_KEY");
        assert_eq!(output(missing).await.status.code(), Some(2));
        std::fs::write(&config, "[storre]\n").expect("a file");
        assert_eq!(output(backup("x")).await.status.code(), Some(2));
        let fails = ping.asked();
        let fails: Vec<_> = fails
            .iter()
            .filter(|asked| asked.what == "POST /hunter2-ping/fail?rid=7")
            .collect();
        assert_eq!(fails.len(), 3);
        assert!(
            fails[1]
                .body
                .contains("FAILED (exit code 2): the store's secret access key is not set"),
            "{}",
            fails[1].body
        );

        // A person who mistypes a command sits before it, and no one waits for a list.
        let before = ping.asked().len();
        for arguments in [&["backup", "--frobnicate"][..], &["list"]] {
            let mut command = program(arguments);
            told(&mut command, &webhook, &ping);
            assert_eq!(output(command).await.status.code(), Some(2));
        }
        assert_eq!(ping.asked().len(), before);
        let password = world.postgres.url(&source);
        let password = password.split([':', '@']).nth(2).expect("a password");
        for asked in ping.asked().iter().chain(&webhook.asked()) {
            for secret in [password, "test-secret-access-key", "hunter2"] {
                assert!(!asked.body.contains(secret), "{}", asked.body);
            }
        }
    });
}

/// A backup that fails at once, told to two servers.
fn hopeless(webhook: &str, ping: &str) -> Command {
    let mut command = program(&["backup"]);
    command
        .env("PAYCRAFT_WEBHOOK_URL", webhook)
        .env("PAYCRAFT_PING_URL", ping);
    command
}

#[test]
fn what_cannot_be_told_is_a_warning_without_the_address() {
    run(async {
        let flaky = WebServer::start(|number| Some((if number == 0 { 503 } else { 200 }, ""))).await;
        let gone = WebServer::start(|_| Some((404, "no_service hunter2"))).await;
        let ended = output(hopeless(
            &format!("{}/hunter2", gone.url),
            &format!("{}/hunter2", flaky.url),
        ))
        .await;
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2));
        assert!(
            told.contains("warning: the webhook was not delivered: it was answered with status 404"),
            "{told}"
        );
        assert!(!told.contains("the ping"), "{told}");
        assert_eq!(
            (flaky.asked().len(), gone.asked().len()),
            (2, 1),
            "once more where that may help"
        );

        let directory = tempfile::tempdir().expect("a directory");
        let readable = directory.path().join("readable");
        std::fs::write(&readable, "https://hooks.example.org/hunter2\n").expect("a file");
        let mut command = hopeless("http://127.0.0.1:1/hunter2", "hunter2");
        command
            .env_remove("PAYCRAFT_PING_URL")
            .env("PAYCRAFT_PING_URL_FILE", &readable);
        let ended = output(command).await;
        let nonsense = output(hopeless("", "hunter2 is no url")).await;
        for (ended, says) in [
            (&ended, "the webhook was not delivered: "),
            (&ended, "every user of this machine can read"),
            (&nonsense, "PAYCRAFT_PING_URL is no URL"),
        ] {
            let told = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!(ended.status.code(), Some(2));
            assert!(told.contains("warning: ") && told.contains(says), "{told}");
            assert!(
                !told.contains("hunter2") && !told.contains("127.0.0.1:1"),
                "{told}"
            );
        }
        let secret = secret_file(directory.path(), "ping", &format!("{}/hunter2", gone.url));
        let config = directory.path().join("dr.toml");
        std::fs::write(
            &config,
            format!("[notify]\nping_url_file = {:?}\n", secret.display().to_string()),
        )
        .expect("a file");
        let mut command = program(&["backup", "--config"]);
        command.arg(&config);
        output(command).await;
        assert_eq!(gone.asked().last().expect("a request").what, "POST /hunter2/fail");
    });
}

#[test]
fn a_server_that_hangs_delays_the_end_no_longer_than_its_time() {
    run(async {
        let hanging = WebServer::start(|_| None).await;
        let mut command = hopeless(&hanging.url, &hanging.url);
        let began = Instant::now();
        // The result is there before anyone is told.
        let mut child = command
            .args(["--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdout = child.stdout.take().expect("a pipe");
        let (printed, ended) = tokio::task::spawn_blocking(move || {
            use std::io::BufRead;
            let mut line = String::new();
            std::io::BufReader::new(stdout)
                .read_line(&mut line)
                .expect("a document");
            let printed = began.elapsed();
            (printed, child.wait_with_output().expect("an end"))
        })
        .await
        .expect("a thread");
        let took = began.elapsed();
        assert_eq!(ended.status.code(), Some(2));
        assert!(took < Duration::from_secs(9), "{took:?}");
        assert!(
            printed + Duration::from_secs(3) < took,
            "printed after {printed:?} of {took:?}"
        );
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(told.matches("no answer within 5s").count(), 2, "{told}");
    });
}
