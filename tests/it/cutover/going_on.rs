//! A cutover that broke off goes on, from its journal.

use std::process::Stdio;

use paycraft_dr::cli::config::Config;
use paycraft_dr::model::cutover::journal::{JournalRecord, Opening, StepState, remaining};
use paycraft_dr::model::cutover::step::{Action, Step};

use super::{Site, TARGET, assert_ends, logging, outcomes, step};
use crate::kit::{json, run};

#[test]
fn a_failed_step_stops_the_cutover_and_the_next_run_goes_on_there() {
    run(async {
        let script = "echo sync >>log; echo \"deploying with $DB\"; printf 'pw hunter%s\\n' 2/secret >&2; test -e mended";
        let site = Site::new(&format!(
            "{}{}{}",
            logging("vault"),
            step("sync", script, "secret_env = { DB = { from = \"target-url\" } }"),
            logging("redeploy")
        ));
        let failed = site.cutover(&["apply", "--json"]).await;
        assert_ends(&failed, 3, &["step 2 of 3, sync"]);
        assert_eq!(outcomes(&failed), ["done", "failed", "not-run"]);
        let error = &json(&failed)["error"];
        assert_eq!(error["kind"], "not proven");
        assert!(
            error["hint"]
                .as_str()
                .expect("a hint")
                .contains("paycraft-dr --config dr.toml cutover apply")
        );
        assert_eq!(error["causes"][0], "deploying with ***\n  pw ***");
        assert_eq!(site.log(), "vault\nsync\n");
        assert_ends(
            &site.cutover(&["plan"]).await,
            0,
            &[
                "1. vault: done",
                "2. sync: failed",
                "runs again",
                "3. redeploy: not begun",
            ],
        );

        std::fs::write(site.path("mended"), "").expect("a file");
        let resumed = site.cutover(&["apply", "--json"]).await;
        assert_ends(&resumed, 0, &[]);
        assert_eq!(outcomes(&resumed), ["done-before", "done", "done"]);
        assert_eq!(site.log(), "vault\nsync\nsync\nredeploy\n");

        // A done step that means something else now was not done.
        let text = std::fs::read_to_string(site.path("dr.toml")).expect("a file");
        std::fs::write(site.path("dr.toml"), text.replacen("echo vault", "echo VAULT", 1)).expect("a file");
        for action in ["plan", "apply"] {
            assert_ends(
                &site.cutover(&[action]).await,
                4,
                &["\"vault\" was changed after it was done", "--restart"],
            );
        }
        assert_ends(&site.cutover(&["apply", "--restart"]).await, 0, &[]);
        assert!(site.log().ends_with("VAULT\nsync\nredeploy\n"), "{}", site.log());
    });
}

#[test]
fn a_run_that_was_killed_is_gone_on_with_and_no_secret_was_in_any_command_line() {
    run(async {
        let script = "echo sync >>log; cat >given; touch began; cat fifo >/dev/null";
        let site = Site::new(&format!(
            "{}{}{}",
            logging("vault"),
            step(
                "sync",
                script,
                "stdin = { from = \"target-url\" }\nsecret_env = { DB = { from = \"target-url\" } }"
            ),
            logging("redeploy")
        ));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            site.path("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .expect("a fifo");
        let mut apply = site.command(&["apply"]);
        let mut apply = apply
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        site.until_there("began").await;
        assert_eq!(
            std::fs::read_to_string(site.path("given")).expect("a file"),
            TARGET
        );
        for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            assert!(!line.contains("hunter2"), "{line}");
        }
        let busy = site.cutover(&["apply"]).await;
        assert_ends(&busy, 4, &["another cutover is under way"]);

        apply.kill().expect("it runs");
        apply.wait().expect("an end");
        // The step ends with it, or where it has not noticed yet, when the fifo has no writer any more. Opened for both, a fifo waits
        // for no reader.
        let mut fifo = std::fs::OpenOptions::new();
        drop(
            fifo.read(true)
                .write(true)
                .open(site.path("fifo"))
                .expect("the fifo"),
        );
        assert_ends(
            &site.cutover(&["plan"]).await,
            0,
            &[
                "1. vault: done",
                "2. sync: was under way when the last run ended",
                "runs again",
            ],
        );
        // A crash may also cut the last line of the journal short.
        let journal = site.path("cutover-journal.jsonl");
        let mut text = std::fs::read(&journal).expect("a journal");
        text.extend_from_slice(b"{\"event\":\"ended\",\"at\":\"2026-1");
        std::fs::write(&journal, text).expect("a journal");

        std::fs::remove_file(site.path("fifo")).expect("a fifo");
        std::fs::write(site.path("fifo"), "").expect("a file");
        let resumed = site.cutover(&["apply", "--json"]).await;
        assert_ends(&resumed, 0, &[]);
        assert_eq!(outcomes(&resumed), ["done-before", "done", "done"]);
        assert_eq!(site.log(), "vault\nsync\nsync\nredeploy\n");
        assert!(matches!(
            site.journal().last(),
            Some(JournalRecord::Completed { .. })
        ));
    });
}

fn steps(names: &[&str]) -> Vec<Step> {
    let text: String = names.iter().map(|name| logging(name)).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.toml");
    std::fs::write(&path, text).expect("a file");
    Config::read(&path).expect("a configuration").cutover.step
}

#[test]
fn what_remains_follows_from_the_journal() {
    let at = |text: &str| text.parse().expect("an instant");
    let (morning, noon) = (at("2026-11-23T08:00:00Z"), at("2026-11-23T12:00:00Z"));
    let all = steps(&["a", "b", "c"]);
    let ended = |step: &Step| JournalRecord::Ended {
        at: morning,
        step: step.name.clone(),
        digest: step.digest(),
    };
    let began = |step: &Step| JournalRecord::Began {
        at: morning,
        step: step.name.clone(),
        digest: step.digest(),
    };
    let opened = || JournalRecord::opened(morning, "app@db:5432/app");
    let look = |steps: &[Step], records: &[JournalRecord], target: &str, now| {
        remaining(steps, records, target, now, false).expect("an answer")
    };

    let written = [opened(), began(&all[0]), ended(&all[0]), began(&all[1])];
    let found = look(&all, &written, "app@db:5432/app", noon);
    assert_eq!(found.opening, Opening::GoesOn);
    assert_eq!(found.first, 1);
    assert_eq!(
        found.states,
        [
            StepState::Done(morning),
            StepState::UnderWay(morning),
            StepState::Pending
        ]
    );

    // Another target, another day, or a wish: nothing counts as done.
    for (target, now) in [
        ("app@other:5432/app", noon),
        ("app@db:5432/app", at("2026-11-24T08:00:01Z")),
    ] {
        let found = look(&all, &written, target, now);
        assert!(matches!(found.opening, Opening::BeginsInstead(_)), "{found:?}");
        assert_eq!((found.first, found.states[0]), (0, StepState::Pending));
    }
    assert_eq!(
        look(&all, &written, "app@db:5432/app", at("2026-11-24T08:00:00Z")).opening,
        Opening::GoesOn
    );
    let wished = remaining(&all, &written, "app@db:5432/app", noon, true).expect("an answer");
    assert_eq!((wished.opening, wished.first), (Opening::Begins, 0));
    assert_eq!(look(&all, &[], "x", noon).opening, Opening::Begins);

    // Only the last cutover in a journal counts.
    let written = [opened(), ended(&all[0]), opened()];
    assert_eq!(look(&all, &written, "app@db:5432/app", noon).first, 0);

    // A step put between done ones is run, and so is what comes after it.
    let written = [opened(), ended(&all[0]), ended(&all[2])];
    let found = look(&all, &written, "app@db:5432/app", noon);
    assert_eq!((found.first, found.states[2]), (1, StepState::Done(morning)));

    // The reason may be worded anew, the deed not.
    let mut reworded = all.clone();
    "Otherwise.".clone_into(&mut reworded[0].why);
    assert_eq!(look(&reworded, &written, "app@db:5432/app", noon).first, 1);
    let Action::Command(command) = &mut reworded[0].action else {
        unreachable!()
    };
    command.arguments.push("x".to_owned());
    let refused = remaining(&reworded, &written, "app@db:5432/app", noon, false).expect_err("a refusal");
    assert_eq!(refused.kind().exit_code(), 4);
}

#[test]
fn a_journal_that_cannot_be_read_is_not_guessed_at() {
    run(async {
        let site = Site::new(&logging("a"));
        for text in [
            "nonsense\n",
            "{\"event\":\"completed\",\"at\":\"2026-11-23T08:00:00Z\"}\n",
            "{\"event\":\"opened\",\"at\":\"2026-11-23T08:00:00Z\",\"version\":2,\"target\":\"x\"}\n",
        ] {
            std::fs::write(site.path("cutover-journal.jsonl"), text).expect("a file");
            assert_ends(
                &site.cutover(&["apply"]).await,
                2,
                &["line 1 of the journal", "--journal"],
            );
            assert_ends(
                &site.cutover(&["apply", "--journal", "no/such/place"]).await,
                2,
                &["cannot be kept"],
            );
            assert_eq!(site.log(), "");
        }
    });
}
