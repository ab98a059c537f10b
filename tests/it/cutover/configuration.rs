//! Steps as they are written, and what a plan shows of them.

use std::path::Path;

use paycraft_dr::cli::config::Config;
use paycraft_dr::model::cutover::step::Action;

use super::{Site, assert_ends, logging, step};
use crate::kit::{json, output, run};

#[test]
fn the_shipped_example_is_the_runbook() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/paycraft-dr.toml");
    let config = Config::read(&path).expect("a configuration");
    let words: Vec<String> = config
        .cutover
        .step
        .iter()
        .map(|step| match &step.action {
            Action::Command(command) => format!("{} {}", command.program, command.arguments.join(" ")),
            Action::Http(check) => format!("{} {} {}", check.url, check.status, check.json["status"]),
            Action::Dns(check) => format!(
                "{} like {}",
                check.name,
                check.expects_host.as_ref().expect("a host")
            ),
        })
        .collect();
    assert_eq!(
        words,
        [
            "bash infra/vault-set.sh framework-supabase-db-url",
            "bash infra/sync-to-vercel.sh --apply --env production",
            "bash infra/paycraft-deploy.sh ship",
            "https://paycraft.example/api/health 200 \"ok\"",
            "paycraft.example like paycraft.vercel.app",
        ]
    );
}

#[test]
fn a_step_that_means_nothing_is_refused_by_name() {
    run(async {
        let refused = [
            (
                "[[cutover.step]]\nname = \"a\"\nwhy = \"b\"\ncomand = [\"x\"]\n",
                "comand",
            ),
            ("[[cutover.step]]\nname = \"a\"\nwhy = \"b\"\n", "exactly one of"),
            (
                "[[cutover.step]]\nname = \"a\"\nwhy = \"b\"\ncommand = \"sh x.sh\"\n",
                "line 4",
            ),
            (
                "[[cutover.step]]\nname = \"a\"\nwhy = \"b\"\ncommand = []\n",
                "empty",
            ),
            ("[[cutover.step]]\nname = \"a\"\ncommand = [\"x\"]\n", "why"),
            (
                &step("a", "true", "dns = { name = \"x\", expects_host = \"y\" }"),
                "exactly one of",
            ),
            (&step("a", "true", "timeout = \"soon\""), "timeout"),
            (
                &step("a", "true", "stdin = { from = \"source-url\" }"),
                "target-url",
            ),
            (
                &step("a", "true", "stdin = { env = \"A\", file = \"b\" }"),
                "line 5",
            ),
            (
                &step("a", "true", "secret_env = { \"A=B\" = { env = \"A\" } }"),
                "no variable",
            ),
            (
                &step("a", "psql postgresql://app:hunter2@db/app", ""),
                "password in its command",
            ),
            (
                &step("a", "true", "env = { PGPASSWORD = \"hunter2\" }"),
                "PGPASSWORD with secret_env",
            ),
            (
                &format!("{}{}", logging("a"), logging("a")),
                "two steps have the name",
            ),
            (
                "[[cutover.step]]\nname = \"a\"\nwhy = \"b\"\nhttp = { url = \"http://x\", stat = 3 }\n",
                "stat",
            ),
            (
                "[[cutover.step]]\nname = \"a\"\nwhy = \"b\"\nhttp = { url = \"http://x\" }\ntimeout = \"1s\"\n",
                "belong to a command",
            ),
            ("[cutover]\njurnal = \"x\"\n", "jurnal"),
            ("[notify]\nwebhook = \"x\"\n", "webhook"),
            ("", "no cutover step"),
        ];
        for (steps, says) in refused {
            let site = Site::new(steps);
            for action in ["plan", "apply"] {
                let ended = site.cutover(&[action]).await;
                assert_ends(&ended, 2, &[says]);
            }
        }
    });
}

#[test]
fn a_plan_shows_everything_and_does_nothing() {
    run(async {
        let site = Site::new(&format!(
            "{}{}{}",
            step(
                "vault",
                "cat >>log",
                "stdin = { from = \"target-url\" }\nsecret_env = { API_TOKEN = { env = \"MISSING\" } }\ntimeout = \"90s\""
            ),
            "[[cutover.step]]\nname = \"sync\"\nwhy = \"So.\"\ncommand = [\"./no-such-program\", \"--apply\"]\n",
            "[[cutover.step]]\nname = \"health\"\nwhy = \"So.\"\nhttp = { url = \"http://127.0.0.1:1/x\", json = { status = \"ok\" } }\n",
        ));
        let planned = site.cutover(&["plan"]).await;
        let shown = [
            "app@127.0.0.1:1/paycraft",
            "1. vault: not begun",
            "sh -c 'cat >>log'",
            "the target's connection string",
            "API_TOKEN from the variable MISSING",
            "1 min 30 s",
            "PROBLEM    the variable MISSING is not there",
            "PROBLEM    there is no program \"./no-such-program\"",
            "{\"status\":\"ok\"}",
        ];
        assert_ends(&planned, 3, &shown);
        let document = json(&site.cutover(&["plan", "--json"]).await);
        assert_eq!(document["action"], "plan");
        assert_eq!(document["steps"][0]["standing"]["state"], "pending");
        assert_eq!(document["steps"][0]["action"]["command"]["timeout"], "1m 30s");
        // What would stop a step halfway stops `apply` before the first.
        let mut applied = site.command(&["apply"]);
        applied.env("MISSING", "now-it-is-there");
        assert_ends(&output(applied).await, 2, &["no-such-program", "no step was run"]);
        assert_eq!(site.log(), "");
        assert!(!site.path("cutover-journal.jsonl").exists());
    });
}
