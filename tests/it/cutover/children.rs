//! Steps that are programs: how they end, and which of their words are shown.

use std::process::Stdio;

use paycraft_dr::model::redaction::{Redactor, holds_password};
use paycraft_dr::model::secret::Secret;
use rustix::process::{Pid, Signal, kill_process};

use super::{Site, assert_ends, step};
use crate::kit::{json, output, processes_about, run};

#[test]
fn a_step_ends_with_all_it_started() {
    run(async {
        // A child of the child that ignores a polite end.
        let script = "(trap '' TERM; touch began; while :; do sleep 600 & wait; done) & echo \"half $DB\"; wait # HERE";
        let slow = |timeout: &str| {
            step(
                "slow",
                script,
                &format!("secret_env = {{ DB = {{ from = \"target-url\" }} }}\ntimeout = \"{timeout}\""),
            )
        };
        let site = Site::new(&slow("300ms"));
        let ended = site.cutover(&["apply"]).await;
        assert_ends(&ended, 3, &["took longer than 300ms", "half ***"]);
        assert_eq!(processes_about(site.directory.path()), Vec::<String>::new());

        site.configure(&slow("10m"));
        std::fs::remove_file(site.path("began")).expect("it began");
        let mut apply = site.command(&["apply"]);
        let apply = apply
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        site.until_there("began").await;
        kill_process(
            Pid::from_raw(apply.id().cast_signed()).expect("an id"),
            Signal::TERM,
        )
        .expect("it runs");
        let ended = tokio::task::spawn_blocking(move || apply.wait_with_output())
            .await
            .expect("a thread");
        assert_ends(&ended.expect("an end"), 130, &["interrupted"]);
        assert_eq!(processes_about(site.directory.path()), Vec::<String>::new());
    });
}

#[test]
fn a_command_that_repeats_a_known_secret_is_refused() {
    run(async {
        let site = Site::new(&step(
            "sync",
            "deploy --token tok-4711-en",
            "secret_env = { T = { env = \"T\" } }",
        ));
        let mut apply = site.command(&["apply"]);
        apply.env("T", "tok-4711-en");
        assert_ends(&output(apply).await, 2, &["repeats a secret", "no step was run"]);
        let mut readable = site.command(&["apply"]);
        readable.env("T_FILE", "x");
        assert_ends(&output(readable).await, 2, &["the variable T", "set T"]);
    });
}

#[test]
fn secrets_are_found_in_every_form() {
    let secrets = [
        Secret::new("postgresql://app:pa%2Fss@db.example:5432/app?sslmode=require"),
        Secret::new("host=db password='key value' user=app"),
        Secret::new("-----BEGIN KEY-----\nMIIabcdef\n-----END KEY-----"),
        Secret::new("ok"),
    ];
    let redactor = Redactor::new(&secrets);
    for text in [
        "postgresql://app:pa%2Fss@db.example:5432/app?sslmode=require",
        "got pa%2Fss!",
        "got pa/ss!",
        "key value",
        "MIIabcdef",
    ] {
        let redacted = redactor.redact(text);
        assert!(redacted.contains("***"), "{redacted}");
        assert!(
            !redacted.contains("ss@") && !redacted.contains("a/ss") && !redacted.contains("abcdef"),
            "{redacted}"
        );
    }
    assert!(redactor.finds("--key=MIIabcdef") && redactor.finds("key value"));
    assert!(!redactor.finds("pa/ss is short and may stand there by chance"));
    assert_eq!(
        redactor.redact("all is ok at db.example"),
        "all is ok at db.example"
    );
    for text in [
        "postgresql://app:secret@db/app",
        "https://user:token@example.org/",
        "PGPASSWORD=secret",
        "host=db password=secret",
        "--url=postgres://a:b/c@d@host/db",
    ] {
        assert!(holds_password(text), "{text}");
    }
    for text in [
        "postgresql://app@db:5432/app",
        "https://example.org/a:b?c=d",
        "--password-file=x",
        "password=",
        "a@b:c",
    ] {
        assert!(!holds_password(text), "{text}");
    }
}

#[test]
fn a_flood_of_output_is_kept_short() {
    run(async {
        // One line of 3 MB with a secret across the place where it is cut, and then more lines than are kept.
        let script = "printf '%0990d' 7; printf '%s' \"$DB\"; head -c 3000000 /dev/zero | tr '\\0' x; echo; seq 1 30; exit 7";
        let site = Site::new(&step(
            "loud",
            script,
            "secret_env = { DB = { from = \"target-url\" } }",
        ));
        let failed = site.cutover(&["apply", "--json"]).await;
        assert_ends(&failed, 3, &["exit status: 7"]);
        let cause = json(&failed)["error"]["causes"][0]
            .as_str()
            .expect("a cause")
            .to_owned();
        assert!(cause.starts_with("11\n") && cause.ends_with("30"), "{cause}");
        site.configure(&step(
            "loud",
            &script.replace("seq 1 30; ", ""),
            "secret_env = { DB = { from = \"target-url\" } }",
        ));
        let failed = site.cutover(&["apply", "--json"]).await;
        assert_ends(&failed, 3, &["exit status: 7"]);
        let cause = json(&failed)["error"]["causes"][0]
            .as_str()
            .expect("a cause")
            .to_owned();
        assert_eq!(cause.len(), 1000);
        assert!(cause.contains("7***xx") && !cause.contains("postgres"), "{cause}");
    });
}
