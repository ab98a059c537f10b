//! Every verb at the highest level.

use std::process::Command;

use crate::kit::{World, drill_place, execute, json, output, program, run, said, secret_file};

use paycraft_dr::postgres::conninfo::{Conninfo, Side};

/// What every secret and every row of this test holds.
const MARK: &str = "hushed";

/// Secrets and rows wherever a database may hold them.
fn schema(database: &str, role: &str) -> String {
    format!(
        "CREATE TABLE tenants (id int PRIMARY KEY, name text DEFAULT 'hushed-default' CHECK (name <> 'hushed-check'));
         INSERT INTO tenants SELECT n, 'hushed-row-' || n FROM generate_series(1, 2000) n;
         CREATE TABLE computed (a text, b text GENERATED ALWAYS AS (a || 'hushed-generated') STORED);
         INSERT INTO computed VALUES ('hushed-a');
         CREATE INDEX ON tenants (name) WHERE name <> 'hushed-index';
         CREATE INDEX ON tenants (upper(name || 'hushed-expression'));
         CREATE MATERIALIZED VIEW named AS SELECT id, name || 'hushed-view' AS name FROM tenants;
         CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'hushed-body\\' $$;
         COMMENT ON TABLE tenants IS 'hushed-comment';
         SELECT lo_from_bytea(1, 'hushed-object');
         CREATE ROLE {role};
         CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (secret 'hushed-server');
         CREATE USER MAPPING FOR {role} SERVER s OPTIONS (password 'hushed-mapping');
         CREATE SUBSCRIPTION {database}_s CONNECTION 'host=127.0.0.1 port=1 password=hushed-subscription' PUBLICATION p
             WITH (connect = false, slot_name = NONE);
         ALTER DATABASE {database} SET app.secret TO 'hushed-setting';
         ALTER ROLE {role} IN DATABASE {database} SET app.secret TO 'hushed-role-setting'"
    )
}

/// What keeps a log.
#[derive(Clone, Copy, Debug)]
enum Kept {
    /// On stderr, this program's events.
    Stderr,
    /// In a file, those of libraries, too.
    TextFile,
    JsonFile,
}

struct Site {
    world: World,
    source: Conninfo,
    target: Conninfo,
    place: tempfile::TempDir,
}

impl Site {
    async fn new() -> Option<(Self, String)> {
        let world = World::new().await?;
        let source = world.postgres.database(Side::Source).await;
        let role = format!("hidden_{:08x}", rand::random::<u32>());
        execute(&source, &schema(source.database(), &role)).await;
        let target = world.postgres.database(Side::Target).await;
        let place = drill_place();
        let token = secret_file(place.path(), "token", "hushed-file-token");
        let steps = format!(
            "[[cutover.step]]\nname = \"sync\"\nwhy = \"It has to be.\"\ncommand = [\"sh\", \"-c\", 'echo \"$T $U\"; cat']\n\
             secret_env = {{ T = {{ env = \"OTHER\" }}, U = {{ file = \"{}\" }} }}\nstdin = {{ from = \"target-url\" }}\n",
            token.display()
        );
        std::fs::write(place.path().join("dr.toml"), steps).expect("a file");
        let site = Self {
            world,
            source,
            target,
            place,
        };
        Some((site, role))
    }

    fn command(&self, arguments: &[&str], kept: Kept) -> Command {
        let mut command = program(arguments);
        command
            .envs(self.world.bucket.environment())
            .env("SUPABASE_DB_URL", self.world.postgres.url(&self.source))
            .env("TARGET_DB_URL", self.world.postgres.url(&self.target))
            .env("PAYCRAFT_WEBHOOK_URL", "http://127.0.0.1:1/hushed-webhook")
            .env("OTHER", "hushed-other-token")
            .env("TMPDIR", self.place.path().join("tmp"))
            .current_dir(self.place.path());
        match kept {
            Kept::Stderr => command.arg("-vvv"),
            Kept::TextFile => command.args(["--log-file", "log"]).env("PAYCRAFT_LOG", "trace"),
            Kept::JsonFile => command
                .args(["--log-file", "log", "--log-format", "json"])
                .env("PAYCRAFT_LOG", "trace"),
        };
        command
    }

    fn without_subscription(&self) -> String {
        let name = self.source.database();
        format!("ALTER SUBSCRIPTION {name}_s SET (slot_name = NONE); DROP SUBSCRIPTION {name}_s")
    }

    async fn empty_target(&self) {
        execute(&self.target, &self.without_subscription()).await;
        let database = self.target.database();
        let admin = self.target.with_database(Side::Target, "postgres");
        execute(&admin, &format!("DROP DATABASE {database}")).await;
        execute(&admin, &format!("CREATE DATABASE {database}")).await;
    }

    /// Runs the verb, and returns what is in its log, which holds nothing that it must not.
    async fn log_of(&self, arguments: &[&str], code: i32, kept: Kept) -> String {
        let file = self.place.path().join("log");
        let _ = std::fs::remove_file(&file);
        let ended = output(self.command(arguments, kept)).await;
        assert_eq!(ended.status.code(), Some(code), "{arguments:?} {}", said(&ended));
        let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        let log = match kept {
            Kept::Stderr => stderr.clone(),
            Kept::TextFile | Kept::JsonFile => std::fs::read_to_string(&file).expect("a log"),
        };
        self.assert_silent(&log, &format!("{arguments:?} {kept:?}"));
        self.assert_silent(&stderr, &format!("{arguments:?} {kept:?}"));
        let verb = arguments.first().expect("a verb");
        let run = match kept {
            Kept::JsonFile => format!("\"verb\":\"{verb}\",\"name\":\"run\""),
            _ => format!("run{{verb=\"{verb}\"}}"),
        };
        assert!(log.contains(&run), "{arguments:?}: {log}");
        if matches!(kept, Kept::JsonFile) {
            for line in log.lines() {
                let _: serde_json::Value = serde_json::from_str(line).expect(line);
            }
        }
        log
    }

    #[track_caller]
    fn assert_silent(&self, text: &str, about: &str) {
        let url = self.world.postgres.url(&self.target);
        let password = url.split([':', '@']).nth(2).expect("a password");
        let secrets = [
            MARK,
            password,
            "test-secret-access-key",
            "Signature",
            "authorization",
        ];
        for line in text.lines() {
            let told = secrets.iter().find(|secret| line.contains(**secret));
            assert!(told.is_none(), "{about} tells {told:?}:\n{line}");
        }
    }
}

#[test]
fn no_secret_and_no_row_is_in_any_log() {
    run(async {
        let Some((site, role)) = Site::new().await else {
            return;
        };
        for kept in [Kept::Stderr, Kept::TextFile, Kept::JsonFile] {
            let backup = &["backup", "--json", "--no-source-check"];
            let backup = site.log_of(backup, 0, kept).await;
            assert!(
                backup.contains("PutObject") && backup.contains("pg_dump"),
                "{backup}"
            );
            let restore = site.log_of(&["restore", "--json"], 0, kept).await;
            for told in ["CREATE INDEX", "COPY public.tenants", "transfer", "pg_restore"] {
                assert!(restore.contains(told), "no {told}: {restore}");
            }
            if !matches!(kept, Kept::Stderr) {
                assert!(restore.contains("aws_smithy_runtime"), "libraries were not heard");
            }
            let change = "UPDATE tenants SET name = 'hushed-change' WHERE id = 1";
            execute(&site.target, change).await;
            site.log_of(&["verify", "--json"], 3, kept).await;
            site.empty_target().await;
        }
        let kept = Kept::JsonFile;
        site.log_of(&["backup", "--json"], 0, kept).await;
        for (arguments, code) in VERBS {
            site.log_of(arguments, code, kept).await;
        }
        let listed = json(&output(site.command(&["list", "--json"], kept)).await);
        let key = listed["backups"][0]["key"].as_str().expect("a key");
        site.log_of(&["unpin", key, "--json"], 0, kept).await;
        let confirm = &["confirm", key, "--why", "it is right", "--json"];
        site.log_of(confirm, 4, kept).await;
        // An object as the shell workflow makes them.
        let bytes = site.world.bucket.bytes(key);
        let key = "2026/11/01/backup-20261101-020000.dump.gz";
        site.world.bucket.put(key, &bytes);
        site.log_of(&["attest", key, "--json"], 0, kept).await;
        site.empty_target().await;
        execute(&site.source, &site.without_subscription()).await;
        execute(&site.source, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}

/// Verbs that need no more than what is there, and how they end.
const VERBS: [(&[&str], i32); 15] = [
    (&["recover", "--json", "--config", "dr.toml"], 0),
    (&["verify", "--against", "--json"], 3),
    (&["cutover", "plan", "--json", "--config", "dr.toml"], 0),
    (&["cutover", "apply", "--json", "--config", "dr.toml"], 0),
    (&["list", "--json"], 0),
    (&["verify", "--object", "--json"], 0),
    (&["diff", "latest", "--json"], 0),
    (&["pin", "latest", "--why", "it is kept", "--json"], 0),
    (&["prune", "--json"], 0),
    (&["status", "--no-drill", "--json"], 0),
    (&["doctor", "--json"], 3),
    (&["scenarios", "--json"], 0),
    (&["completions", "bash"], 0),
    (&["man", "manual"], 0),
    (&["drill", "--substrate", "local", "--scale", "1MiB", "--json"], 0),
];
