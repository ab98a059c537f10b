//! Steps in order, and steps that wait.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use paycraft_dr::model::cutover::journal::JournalRecord;

use super::{Site, TARGET, assert_ends, logging, outcomes, said, step};
use crate::certificates;
use crate::kit::{output, run, secret_file};
use crate::web::WebServer;

#[test]
fn steps_run_in_order_once_and_wait_for_health() {
    run(async {
        let health = WebServer::start(|number| match number {
            0 => Some((503, r#"{"status":"degraded"}"#)),
            1 => Some((200, r#"{"status":"starting"}"#)),
            _ => Some((200, r#"{"status":"ok","database":{"status":"ok"}}"#)),
        })
        .await;
        let token = "tok/en+\"with' odd$marks";
        let site = Site::new("");
        secret_file(site.directory.path(), "token", token);
        let script = "cat >>log; echo >>log; echo \"$API_TOKEN|$PLAIN|${R2_SECRET_ACCESS_KEY-none}\" >>log";
        site.configure(&format!(
            "{}{}{}{}",
            step(
                "vault",
                script,
                "stdin = { from = \"target-url\" }\nsecret_env = { API_TOKEN = { file = \"token\" } }\nenv = { PLAIN = \"x\" }"
            ),
            step("sync", "pwd >>\"$OLDPWD/../log\"", "directory = \"sub\"").replace("$OLDPWD/..", ".."),
            format_args!(
                "[[cutover.step]]\nname = \"health\"\nwhy = \"So.\"\nhttp = {{ url = \"{}/api/health?x=1\", json = {{ status = \"ok\", database = {{ status = \"ok\" }} }}, every = \"10ms\", for = \"1m\" }}\n",
                health.url
            ),
            "[[cutover.step]]\nname = \"dns\"\nwhy = \"So.\"\ndns = { name = \"localhost\", expects = [\"127.0.0.1\", \"::1\"], for = \"20s\" }\n",
        ));
        std::fs::create_dir(site.path("sub")).expect("a directory");
        let mut apply = site.command(&["apply", "--json"]);
        apply.env("R2_SECRET_ACCESS_KEY", "another-secret");
        let applied = output(apply).await;
        assert_ends(
            &applied,
            0,
            &["not yet: status 503", "\"status\" is \"degraded\""],
        );
        assert_eq!(outcomes(&applied), ["done", "done", "done", "done"]);
        assert!(said(&applied).contains("asked 3 times"), "{}", said(&applied));
        let sub = site.path("sub").canonicalize().expect("a path");
        assert_eq!(
            site.log(),
            format!("{TARGET}\n{token}|x|none\n{}\n", sub.display())
        );
        let asked = health.asked();
        assert_eq!((asked.len(), asked[0].what.as_str()), (3, "GET /api/health?x=1"));

        let again = site.cutover(&["apply"]).await;
        assert_ends(&again, 0, &["done before", "Nothing was run"]);
        assert_eq!(health.asked().len(), 3);
        assert!(matches!(
            site.journal().last(),
            Some(JournalRecord::Completed { .. })
        ));
        assert_ends(
            &site.cutover(&["plan"]).await,
            0,
            &["all is done", "1. vault: done 20"],
        );
        assert_ends(&site.cutover(&["apply", "--restart", "-q"]).await, 0, &["done"]);
        assert_eq!(health.asked().len(), 4);

        let journal = std::fs::read_to_string(site.path("cutover-journal.jsonl")).expect("a journal");
        for secret in ["hunter2", token, "tok/en"] {
            assert!(!journal.contains(secret), "{journal}");
        }
    });
}

#[test]
fn what_is_never_healthy_stops_the_cutover_in_time() {
    run(async {
        let sick = WebServer::start(|_| Some((503, r#"{"status":"degraded"}"#))).await;
        let moved = WebServer::start(|_| Some((308, ""))).await;
        let silent = WebServer::start(|_| None).await;
        let http = |url: &str| {
            format!(
                "[[cutover.step]]\nname = \"health\"\nwhy = \"So.\"\nhttp = {{ url = \"{url}\", json = {{ status = \"ok\" }}, timeout = \"300ms\", every = \"10ms\", for = \"300ms\" }}\n{}",
                logging("later")
            )
        };
        let dns = "[[cutover.step]]\nname = \"dns\"\nwhy = \"So.\"\ndns = { name = \"localhost\", expects = [\"192.0.2.1\"], every = \"10ms\", for = \"200ms\" }\n";
        let cases = [
            (
                http(&format!("{}/health?key=hunter2", sick.url)),
                "status 503 instead of 200, \"status\" is \"degraded\"",
            ),
            (http(&moved.url), "a redirect, which is not followed"),
            (http(&silent.url), "no answer within"),
            (http("http://127.0.0.1:1/"), "Connection refused"),
            (http("https://127.0.0.1:1/"), "is not healthy"),
            (
                dns.to_owned(),
                "instead of 192.0.2.1 (for 200ms); change the record of localhost",
            ),
        ];
        for (steps, says) in cases {
            let site = Site::new(&steps);
            let ended = site.cutover(&["apply"]).await;
            assert_ends(&ended, 3, &[says, "step 1 of", "FAILED", "cutover apply"]);
            assert_eq!(site.log(), "");
        }
    });
}

#[test]
fn health_is_believed_of_whom_the_system_trusts() {
    run(async {
        if !certificates::can_be_made() {
            return;
        }
        let site = Site::new("");
        certificates::make(site.directory.path());
        let mut server = Command::new("openssl")
            .args("s_server -accept 127.0.0.1:0 -cert server.crt -key server.key -www".split(' '))
            .current_dir(site.directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        let told = BufReader::new(server.stdout.take().expect("a pipe"));
        let mut lines = told.lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:").map(str::to_owned));
        let port = port.expect("a port");
        for (host, authority, code, says) in [
            ("localhost", "ca", 0, "is healthy"),
            ("localhost", "other", 3, "invalid peer certificate: UnknownIssuer"),
            ("127.0.0.1", "ca", 3, "invalid peer certificate"),
        ] {
            site.configure(&format!(
                "[[cutover.step]]\nname = \"health\"\nwhy = \"So.\"\nhttp = {{ url = \"https://{host}:{port}/\", for = \"1ms\" }}\n"
            ));
            let mut apply = site.command(&["apply", "--restart"]);
            apply.env("SSL_CERT_FILE", site.path(&format!("{authority}.crt")));
            assert_ends(&output(apply).await, code, &[says]);
        }
        server.kill().expect("it runs");
        server.wait().expect("an end");
    });
}
