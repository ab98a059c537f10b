//! An operator's desk: a terminal, settings, a store with backups of a Supabase project, and databases to restore into.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use jiff::{SignedDuration, Timestamp};
use paycraft_dr::model::key::BackupKey;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use tempfile::TempDir;

use super::page::{Block, read};
use crate::kit::{SMALL_SCHEMA, World, execute, output};
use crate::supabase::project::{Supabase, supabase};

/// The day that pages take as an example; the older backup is of it.
const EXAMPLE_DAY: &str = "2026/11/22";

/// The log of drills, in an operator's checkout.
const LOG: &str = "docs/drill-log.md";

/// What an operator has at hand, with servers of our own behind it.
pub struct Desk {
    world: World,
    supabase: &'static Supabase,
    production: Conninfo,
    older_day: String,
    newest: BackupKey,
    plain: BackupKey,
    place: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Desk {
    /// A product's database with a backup of yesterday and one of now.
    pub async fn new() -> Option<Self> {
        let world = World::new().await?;
        let supabase = supabase(world.postgres);
        let production = supabase.product(Side::Source).await;
        let now = Timestamp::now();
        let plain = world.postgres.source(SMALL_SCHEMA).await;
        let days_ago = (now - SignedDuration::from_hours(72)).strftime("%Y-%m-%dT01:00:00Z");
        let plain = world
            .back_up_at(&plain, &days_ago.to_string())
            .await
            .expect("a backup");
        let older = now - SignedDuration::from_hours(24);
        let at = older.strftime("%Y-%m-%dT00:00:07Z").to_string();
        world.back_up_at(&production, &at).await.expect("a backup");
        let newest = world
            .back_up_at(&production, &now.to_string())
            .await
            .expect("a backup");
        let mut environment = world.bucket.environment();
        environment.push(("SUPABASE_DB_URL", supabase.url(&production)));
        let place = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(place.path().join("docs")).expect("a directory");
        std::fs::write(place.path().join(LOG), read("docs/drill-log.md")).expect("a log");
        prepare_cutover(place.path());
        Some(Self {
            supabase,
            production,
            older_day: older.strftime("%Y/%m/%d").to_string(),
            newest: newest.key,
            plain: plain.key,
            place,
            environment,
            world,
        })
    }

    /// Fills the settings of the page's own template in, as an operator does.
    pub fn fill_settings(&mut self, template: &str) {
        let mut settings = String::new();
        for line in template.lines() {
            let (name, _) = line.split_once('=').expect("a setting");
            let value = self.environment.iter().find(|(known, _)| *known == name);
            let value = value.map_or("set for each block", |(_, value)| value);
            let _ = writeln!(settings, "{name}='{value}'");
        }
        std::fs::write(self.place.path().join("dr.env"), settings).expect("a file");
        self.environment.clear();
    }

    /// The address of a database as the block is to meet it.
    pub async fn target(&self, block: &Block) -> String {
        let (supabase, postgres) = (self.supabase, self.world.postgres);
        match block.setting("into") {
            None => supabase.url(&supabase.fresh(Side::Target).await),
            Some("plain") => postgres.url(&postgres.database(Side::Target).await),
            Some("production") => supabase.url(&self.production),
            Some("used") => {
                let target = supabase.fresh(Side::Target).await;
                execute(&target, "CREATE TABLE somebodys_notes (note text)").await;
                supabase.url(&target)
            }
            Some(other) => panic!("line {}: no target is called {other:?}", block.line),
        }
    }

    /// Runs one block in the environment that the blocks before it left, with what has gone wrong and is mended afterwards.
    pub async fn run(&self, block: &Block, target: &str) -> Output {
        let server = &self.world.bucket.server;
        let stored = [self.newest.to_string(), self.newest.manifest_key()];
        let read = |key: &String| (key.clone(), server.read(key).expect("an object"));
        match block.setting("with") {
            None => self.shell(block, target, "").await,
            Some("wrong-secret") => {
                self.shell(block, target, "trap - EXIT; R2_SECRET_ACCESS_KEY=guess")
                    .await
            }
            Some("plain-backup") => {
                let stem = self.plain.to_string();
                let stem = stem.strip_suffix(".dump.gz").expect("a key");
                self.shell(block, target, &format!("STEM={stem}")).await
            }
            Some("unattested") => {
                let (_, object) = read(&self.plain.to_string());
                let key = self.plain.to_string().replace("-010000", "-010001");
                server.overwrite(&key, &object).expect("an object");
                self.shell(block, target, &format!("KEY={key}")).await
            }
            Some("drilled") => {
                let log = self.place.path().join(LOG);
                let shipped = std::fs::read_to_string(&log).expect("a log");
                let today = Timestamp::now().strftime("%Y-%m-%d");
                let row = format!("| {today} | me | {} | 1.0 s | 5 of 5 | proven | |\n", self.newest);
                std::fs::write(&log, format!("{shipped}{row}")).expect("a log");
                let ran = self.shell(block, target, "").await;
                std::fs::write(&log, shipped).expect("a log");
                ran
            }
            Some("newest-corrupt") => {
                let (key, whole) = read(&stored[0]);
                let mut damaged = whole.clone();
                let middle = damaged.len() / 2;
                damaged[middle] ^= 1;
                server.overwrite(&key, &damaged).expect("an object");
                let ran = self.shell(block, target, "").await;
                server.overwrite(&key, &whole).expect("an object");
                ran
            }
            Some("no-newest") => {
                let kept: Vec<_> = stored.iter().map(read).collect();
                for key in &stored {
                    assert!(server.remove(key));
                }
                let ran = self.shell(block, target, "").await;
                for (key, bytes) in kept {
                    let put = self
                        .world
                        .bucket
                        .store
                        .publish(&key, bytes, "application/octet-stream")
                        .await;
                    put.expect("an object");
                }
                ran
            }
            Some(other) => panic!("line {}: nothing is called {other:?}", block.line),
        }
    }

    async fn shell(&self, block: &Block, target: &str, wrong: &str) -> Output {
        let text = block.text.replace(EXAMPLE_DAY, &self.older_day);
        let script = format!(
            "test ! -e left.sh || . ./left.sh\nexport TARGET_DB_URL=\"$1\"\ntrap 'export -p > left.sh' EXIT\n{wrong}\n{text}"
        );
        let own = Path::new(env!("CARGO_BIN_EXE_paycraft-dr"));
        let dump = self.world.postgres.installation.program("pg_dump");
        let directories = [own, &dump].map(|program| program.parent().expect("a directory").to_owned());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = directories.into_iter().chain(std::env::split_paths(&path));
        let mut command = Command::new("bash");
        command
            .args(["-eo", "pipefail", "-c", &script, "bash", target])
            .current_dir(self.place.path())
            .env_clear()
            .env("PATH", std::env::join_paths(path).expect("a path"))
            .env("HOME", self.place.path())
            .env("LC_ALL", "C.UTF-8")
            .envs(self.environment.iter().cloned());
        output(command).await
    }
}

/// The shipped example of a configuration, adapted to programs that do nothing and a product that is healthy.
fn prepare_cutover(place: &Path) {
    let product = TcpListener::bind("127.0.0.1:0").expect("a port");
    let health = format!("http://{}/api/health", product.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut asked in product.incoming().flatten() {
            let _ = asked.read(&mut [0; 4096]);
            let body = r#"{"status":"ok"}"#;
            let _ = write!(
                asked,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let example = read("fixtures/paycraft-dr.toml")
        .replace("https://paycraft.example/api/health", &health)
        .replace("\"paycraft.example\"", "\"localhost\"")
        .replace("paycraft.vercel.app", "localhost");
    std::fs::write(place.join("paycraft-dr.toml"), example).expect("a configuration");
    std::fs::create_dir(place.join("infra")).expect("a directory");
    for script in ["vault-set.sh", "sync-to-vercel.sh", "paycraft-deploy.sh"] {
        std::fs::write(place.join("infra").join(script), "exit 0\n").expect("a script");
    }
}
