//! Restore, verify and cut over on one clock, with a real server, a real store and real steps.

use std::process::{Command, Output};

use jiff::{SignedDuration, Timestamp};
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use serde_json::Value;
use tempfile::TempDir;

use super::kit::{SMALL_SCHEMA, World, json, output, program, query, run};
use super::web::WebServer;

struct Site {
    world: World,
    directory: TempDir,
    health: WebServer,
}

impl Site {
    /// A world with a backup, and three steps: the vault, a redeployment, and the product's health.
    async fn new() -> Option<Self> {
        let world = World::new().await?;
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let now = Timestamp::now().to_string();
        world.back_up_at(&source, &now).await.expect("a backup");
        let health = WebServer::start(|number| match number {
            0 | 1 => Some((503, r#"{"status":"degraded"}"#)),
            _ => Some((200, r#"{"status":"ok"}"#)),
        })
        .await;
        let directory = tempfile::tempdir().expect("a directory");
        let steps = format!(
            r#"
            [[cutover.step]]
            name = "vault"
            why = "Deployments read the address there."
            command = ["sh", "-c", "cat >vault"]
            stdin = {{ from = "target-url" }}

            [[cutover.step]]
            name = "redeploy"
            why = "Functions keep the old address."
            command = ["sh", "-c", "test ! -e broken && echo deployed >>log"]

            [[cutover.step]]
            name = "health"
            why = "The product knows whether it works."
            http = {{ url = "{}/api/health", json = {{ status = "ok" }}, every = "10ms", for = "1m" }}
            "#,
            health.url
        );
        std::fs::write(directory.path().join("dr.toml"), steps).expect("a file");
        Some(Self {
            world,
            directory,
            health,
        })
    }

    fn command(&self, arguments: &[&str], target: &Conninfo) -> Command {
        let mut command = program(&["--config", "dr.toml", "--json"]);
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .envs(self.world.bucket.environment())
            .env("TARGET_DB_URL", self.world.postgres.url(target));
        command
    }

    async fn target(&self) -> Conninfo {
        self.world.postgres.database(Side::Target).await
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.directory.path().join(name)).ok()
    }
}

fn names(list: &Value, name: &str) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|each| each[name].as_str().expect("a name").to_owned())
        .collect()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_recovery_ends_with_a_healthy_product_and_its_time() {
    run(async {
        let Some(site) = Site::new().await else { return };
        let target = site.target().await;
        let declared = (Timestamp::now() - SignedDuration::from_mins(90)).to_string();
        let recovered = output(site.command(
            &["recover", "--accept-later", "--declared-at", &declared],
            &target,
        ))
        .await;
        assert_eq!(recovered.status.code(), Some(0), "{}", told(&recovered));
        let document = json(&recovered);
        assert_eq!(
            (&document["command"], &document["verdict"]),
            (&"recover".into(), &"proven".into())
        );
        assert_eq!(
            names(&document["phases"], "name"),
            [
                "select",
                "provision",
                "transfer",
                "finish",
                "analyze",
                "verify",
                "cutover"
            ]
        );
        assert_eq!(
            names(&document["cutover"]["steps"], "outcome"),
            ["done", "done", "done"]
        );
        assert_eq!(document["cutover"]["target"], target.to_string());
        assert_eq!(document["rto"]["objective_seconds"], 14_400.0);
        assert_eq!(document["rto"]["met"], true);
        let seconds = document["rto"]["measured_seconds"].as_f64().expect("a time");
        assert!((5_400.0..5_700.0).contains(&seconds), "{seconds}");
        assert_eq!(document["rpo"]["met"], true);
        assert_eq!(document["canonical_counts"]["tenants"], 200);
        assert_eq!(query(&target, "SELECT count(*)::text FROM tenants").await, "200");
        let url = site.world.postgres.url(&target);
        assert_eq!(site.file("vault").as_ref(), Some(&url));
        assert_eq!(site.health.asked().len(), 3);
        let password = url.split([':', '@']).nth(2).expect("a password");
        let all = format!(
            "{document}{}{:?}",
            told(&recovered),
            site.file("cutover-journal.jsonl")
        );
        assert!(!all.contains(password), "a secret was printed: {all}");

        // A disaster declared long ago is recovered from all the same, and that it took too long is said.
        let target = site.target().await;
        let declared = (Timestamp::now() - SignedDuration::from_hours(5)).to_string();
        let late = output(site.command(
            &["recover", "--accept-later", "--declared-at", &declared],
            &target,
        ))
        .await;
        assert_eq!(late.status.code(), Some(3), "{}", told(&late));
        let document = json(&late);
        assert_eq!(
            (&document["rto"]["met"], &document["verdict"]),
            (&false.into(), &"not proven".into())
        );
        // Another restore is another cutover: no step of the first counts as done.
        assert_eq!(
            names(&document["cutover"]["steps"], "outcome"),
            ["done", "done", "done"]
        );
    });
}

#[test]
fn a_recovery_that_stops_in_its_cutover_is_ended_by_cutover_apply() {
    run(async {
        let Some(site) = Site::new().await else { return };
        let target = site.target().await;
        let broken = site.directory.path().join("broken");
        std::fs::write(&broken, "").expect("a file");
        let stopped = output(site.command(&["recover"], &target)).await;
        let document = json(&stopped);
        assert_eq!(stopped.status.code(), Some(3), "{document}");
        assert_eq!(
            names(&document["cutover"]["steps"], "outcome"),
            ["done", "failed", "not-run"]
        );
        assert_eq!(document["verdict"], "not proven");
        assert_eq!(document["checks"][0]["outcome"], "passed");
        let error = &document["error"];
        assert!(
            error["message"]
                .as_str()
                .expect("a message")
                .contains("step 2 of 3, redeploy"),
            "{error}"
        );
        assert!(
            error["hint"]
                .as_str()
                .expect("a hint")
                .contains("paycraft-dr --config dr.toml cutover apply"),
            "{error}"
        );

        std::fs::remove_file(broken).expect("a file");
        let resumed = output(site.command(&["cutover", "apply"], &target)).await;
        assert_eq!(resumed.status.code(), Some(0), "{}", told(&resumed));
        assert_eq!(
            names(&json(&resumed)["steps"], "outcome"),
            ["done-before", "done", "done"]
        );
    });
}

#[test]
fn nothing_that_is_not_proven_goes_into_service() {
    run(async {
        let Some(site) = Site::new().await else { return };
        let target = site.target().await;
        // Somebody makes a table of his own in the target before its definitions are compared.
        let tools = site.world.postgres.with_scripted_dump(
            "\"${REAL%pg_dump}psql\" -qc 'CREATE TABLE stray (id int)' && exec $REAL \"$@\"",
        );
        let mut recover = site.command(&["recover", "--pg-bin"], &target);
        recover.arg(tools.path());
        let stopped = output(recover).await;
        let document = json(&stopped);
        assert_eq!(stopped.status.code(), Some(3), "{document}");
        assert_eq!(document["verdict"], "not proven");
        assert_eq!(document["cutover"]["steps"], serde_json::json!([]));
        let error = &document["error"]["message"];
        assert!(
            error
                .as_str()
                .expect("a message")
                .contains("the cutover was not begun"),
            "{error}"
        );
        assert_eq!(
            names(&document["phases"], "name").last().map(String::as_str),
            Some("verify")
        );
        assert_eq!((site.file("vault"), site.health.asked().len()), (None, 0));
        assert_eq!(site.file("cutover-journal.jsonl").as_deref(), Some(""));
    });
}

#[test]
fn what_would_stop_the_cutover_stops_the_recovery_before_it_begins() {
    run(async {
        let Some(site) = Site::new().await else { return };
        let target = site.target().await;
        let refused = async |arguments: &[&str], says: &str| {
            let ended = output(site.command(arguments, &target)).await;
            let document = json(&ended);
            assert_eq!(ended.status.code(), Some(2), "{document}");
            assert!(document["error"].to_string().contains(says), "{document}");
        };
        let later = (Timestamp::now() + SignedDuration::from_hours(1)).to_string();
        refused(&["recover", "--declared-at", &later], "yet to come").await;
        refused(&["recover", "--declared-at", "yesterday"], "is no instant").await;
        refused(&["recover", "--journal", "no/such/place"], "cannot be kept").await;
        // What is restored must be what the vault then names.
        let other = format!("postgresql://{}", site.target().await);
        refused(&["recover", "--target", &other], "would put").await;
        let text = site.file("dr.toml").expect("a file");
        std::fs::write(
            site.directory.path().join("dr.toml"),
            text.replace("\"sh\"", "\"shh\""),
        )
        .expect("a file");
        refused(&["recover"], "no program").await;
        std::fs::write(site.directory.path().join("dr.toml"), "").expect("a file");
        refused(&["recover"], "no cutover step").await;
        let tables = query(
            &target,
            "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'",
        )
        .await;
        assert_eq!((tables.as_str(), site.file("vault")), ("0", None));
    });
}
