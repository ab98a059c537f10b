//! Verbs that are killed at random moments: the next run succeeds at once, and nothing is left after it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::kit::{SMALL_SCHEMA, World, drill_place, leftovers, output, program, query, run, said};

/// How many kills `make test` makes, and none of a drill, which takes too long. `PAYCRAFT_KILLS` asks for another number, and
/// `PAYCRAFT_KILL_SEED` for the same again.
const ROUNDS: u32 = 5;
/// How long servers and watchdogs may take to notice a death.
const NOTICED: Duration = Duration::from_secs(10);

/// Enough that each stage of a restore takes long enough to be hit.
const SCHEMA: &str = "
    CREATE TABLE large AS SELECT n AS id, md5(n::text) AS word, repeat(md5(n::text), 3) AS body FROM generate_series(1, 40000) n;
    CREATE INDEX ON large (word);
    CREATE INDEX ON large (md5(body || word));
    ALTER TABLE large ADD PRIMARY KEY (id);
    SELECT lo_from_bytea(n, decode(repeat('c0ffee', 5000), 'hex')) FROM generate_series(5000, 5100) n;
";
const STEPS: &str = r#"
    [[cutover.step]]
    name = "one"
    why = "It has to be."
    command = ["sh", "-c", "sleep 0.2"]
    [[cutover.step]]
    name = "two"
    why = "It has to be."
    command = ["sh", "-c", "sleep 0.3 & wait"]
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Backup,
    Restore,
    Clean,
    Prune,
    Cutover,
    Drill,
}

/// Each verb as often as it is here; what takes long is seldom.
const DRAWN: [Verb; 12] = [
    Verb::Backup,
    Verb::Backup,
    Verb::Restore,
    Verb::Restore,
    Verb::Restore,
    Verb::Clean,
    Verb::Clean,
    Verb::Clean,
    Verb::Prune,
    Verb::Prune,
    Verb::Cutover,
    Verb::Drill,
];

/// All that verbs work on.
struct Site {
    world: World,
    place: TempDir,
    source: Conninfo,
    target: Conninfo,
    months_of_backups: u32,
}

impl Site {
    async fn new() -> Option<Self> {
        let world = World::new().await?;
        let source = world.postgres.source(&format!("{SMALL_SCHEMA}{SCHEMA}")).await;
        let target = world.postgres.database(Side::Target).await;
        world.back_up(&source).await.expect("a backup");
        let place = drill_place();
        std::fs::write(place.path().join("dr.toml"), STEPS).expect("a file");
        Some(Self {
            world,
            place,
            source,
            target,
            months_of_backups: 0,
        })
    }

    fn temporary(&self) -> PathBuf {
        self.place.path().join("tmp")
    }

    fn command(&self, verb: Verb) -> Command {
        let words: &[&str] = match verb {
            Verb::Backup => &["backup", "--json"],
            Verb::Restore => &["restore", "--json"],
            Verb::Clean => &["restore", "--clean", "--json"],
            Verb::Prune => &["prune", "--keep", "1", "--json"],
            Verb::Cutover => &["--config", "dr.toml", "cutover", "apply", "--json"],
            Verb::Drill => &[
                "drill",
                "--substrate",
                "local",
                "--scale",
                "100KiB",
                "--seed",
                "7",
                "--json",
            ],
        };
        let mut command = program(words);
        command
            .envs(self.world.bucket.environment())
            .env("TMPDIR", self.temporary())
            .current_dir(self.place.path());
        if matches!(verb, Verb::Backup | Verb::Restore | Verb::Clean) {
            command.env("SUPABASE_DB_URL", self.world.postgres.url(&self.source));
        }
        if verb != Verb::Backup {
            command.env("TARGET_DB_URL", self.world.postgres.url(&self.target));
        }
        command
    }

    /// What the verb needs to have something to do.
    async fn prepare(&mut self, verb: Verb) {
        match verb {
            Verb::Restore => self.target = self.world.postgres.database(Side::Target).await,
            Verb::Prune => {
                let small = self.world.postgres.source("CREATE TABLE t (id int)").await;
                self.months_of_backups += 1;
                let (year, month) = (
                    2000 + self.months_of_backups / 12,
                    1 + self.months_of_backups % 12,
                );
                for day in 1..=3 {
                    let at = format!("{year}-{month:02}-0{day}T02:00:00Z");
                    self.world.back_up_at(&small, &at).await.expect("a backup");
                }
            }
            Verb::Cutover => {
                let _ = std::fs::remove_file(self.place.path().join("cutover-journal.jsonl"));
            }
            _ => {}
        }
    }

    /// The verb that follows on one that was killed.
    fn next(verb: Verb) -> Verb {
        if verb == Verb::Restore { Verb::Clean } else { verb }
    }

    /// Runs the verb to its end, which must be good.
    async fn succeeds(&self, verb: Verb, when: &str) -> Duration {
        let began = Instant::now();
        let ended = output(self.command(verb)).await;
        let told = said(&ended);
        assert_eq!(ended.status.code(), Some(0), "{when}: {told}");
        if matches!(verb, Verb::Restore | Verb::Clean | Verb::Drill) {
            assert!(told.contains("\"proven\""), "{when}: {told}");
        }
        began.elapsed()
    }

    /// Runs the verb and kills it after `moment`.
    async fn killed(&self, verb: Verb, moment: Duration) {
        let mut command = self.command(verb);
        let kill = tokio::task::spawn_blocking(move || {
            let mut process = command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the program starts");
            std::thread::sleep(moment);
            let _ = process.kill();
            process.wait().expect("an end");
        });
        kill.await.expect("a thread");
    }

    /// Nothing of a killed run, nor of the one after it, is left.
    async fn is_quiet(&self, when: &str) {
        let began = Instant::now();
        loop {
            let left = self.left().await;
            if left.is_empty() {
                return;
            }
            assert!(began.elapsed() < NOTICED, "{when}: {left:#?}");
            tokio::task::yield_now().await;
        }
    }

    async fn left(&self) -> Vec<String> {
        let place = self.temporary();
        let mut left = processes_in(&place);
        left.extend(leftovers(&place).iter().map(|path| path.display().to_string()));
        for database in [&self.source, &self.target] {
            let sessions = query(
                database,
                "SELECT coalesce(string_agg(format('session %s %s', pid, left(query, 60)), ', '), '') FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'",
            )
            .await;
            let locks = "SELECT coalesce(string_agg('a lock of ' || pid, ', '), '') FROM pg_locks WHERE locktype = 'advisory'
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            let locks = query(database, locks).await;
            left.extend([sessions, locks].into_iter().filter(|told| !told.is_empty()));
        }
        let uploads = self
            .world
            .bucket
            .store
            .unfinished_uploads("")
            .await
            .expect("a listing");
        left.extend(
            uploads
                .iter()
                .map(|upload| format!("an upload of {}", upload.key)),
        );
        left
    }
}

/// Processes whose temporary files are in `place`.
fn processes_in(place: &Path) -> Vec<String> {
    let wanted = format!("TMPDIR={}", place.display());
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let about = entries.filter(|entry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let is_there = String::from_utf8_lossy(&environment)
            .split('\0')
            .any(|variable| variable == wanted);
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        is_there || String::from_utf8_lossy(&line).contains(&*place.to_string_lossy())
    });
    about
        .map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        })
        .collect()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn after_a_kill_the_next_run_succeeds_and_nothing_is_left() {
    run(async {
        let Some(mut site) = Site::new().await else { return };
        let asked = number("PAYCRAFT_KILLS").and_then(|rounds| u32::try_from(rounds).ok());
        let rounds = asked.unwrap_or(ROUNDS);
        let drawn = if asked.is_some() {
            &DRAWN[..]
        } else {
            &DRAWN[..DRAWN.len() - 1]
        };
        let seed = number("PAYCRAFT_KILL_SEED").unwrap_or_else(rand::random);
        super::super::kit::say(&format!("PAYCRAFT_KILLS={rounds} PAYCRAFT_KILL_SEED={seed}"));
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let mut usual: Vec<(Verb, Duration)> = Vec::new();
        for round in 0..rounds {
            let verb = drawn[chance.random_range(0..drawn.len())];
            let fraction = chance.random_range(0.0..1.0);
            // What a verb takes is measured where it first is to be killed.
            let known = usual.iter().find(|(known, _)| *known == verb);
            let takes = if let Some((_, takes)) = known {
                *takes
            } else {
                site.prepare(verb).await;
                let takes = site.succeeds(verb, "before any kill").await;
                usual.push((verb, takes));
                takes
            };
            site.prepare(verb).await;
            let moment = takes.mul_f64(fraction);
            let when = format!("seed {seed}, round {round}: {verb:?} killed after {moment:?} of {takes:?}");
            site.killed(verb, moment).await;
            let next = Site::next(verb);
            let took = site.succeeds(next, &when).await;
            super::super::kit::say(&format!("{when}; {next:?} then took {took:?}"));
            // What it takes where the machine has less to do is more likely to be hit.
            if let Some((_, usual)) = usual.iter_mut().find(|(known, _)| *known == next) {
                *usual = took.min(*usual);
            }
            site.is_quiet(&when).await;
        }
    });
}
