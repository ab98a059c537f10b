//! Databases that are hard to restore, from `fixtures/cases`, on this machine's server and on the newer one.
//!
//! `PAYCRAFT_CASES=NAME,NAME` picks some, and `PAYCRAFT_CASES_RUNS=20` restores each so many times.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use paycraft_dr::drill::cluster::{Cluster, Traits};
use paycraft_dr::drill::server_user::ServerUser;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::product::CountedTables;
use paycraft_dr::model::selection::Among;
use paycraft_dr::model::shrinking::ShrinkLimits;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;
use paycraft_dr::postgres::tools::{Installation, Leniency, Tools};
use paycraft_dr::recovery::backup;
use paycraft_dr::recovery::restore;
use serde::Deserialize;
use tokio_postgres::SimpleQueryMessage;

use super::kit::{ServerPlace, TestStore, Warnings, execute, now, postgres, run, skip, terms};

/// What is expected of one case. `fixtures/cases/cases.toml` says what each field means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default = "proven")]
    verdict: String,
    #[serde(default)]
    since: u32,
    #[serde(default = "any")]
    until: u32,
    #[serde(default)]
    setup: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    answers: Vec<(String, String)>,
    #[serde(default)]
    warned: Vec<String>,
    #[serde(default)]
    missing: Vec<String>,
    #[serde(default)]
    troubles: Vec<String>,
    #[serde(default)]
    unsaid: Vec<String>,
    #[serde(default)]
    cleanup: String,
    #[serde(default)]
    depth: String,
    rows: Option<u64>,
    #[serde(default)]
    extension: bool,
    #[serde(default = "yes")]
    again: bool,
}

fn proven() -> String {
    "proven".to_owned()
}

fn any() -> u32 {
    u32::MAX
}

fn yes() -> bool {
    true
}

/// A copy of the programs in `place` that has the extensions of `fixtures/cases/extension` too: a server looks for its extensions beside
/// its programs.
fn with_extensions(programs: &Path, place: &Path) -> PathBuf {
    let told = Command::new(programs.join("pg_config"))
        .args(["--bindir", "--pkglibdir", "--sharedir"])
        .output();
    let told = String::from_utf8(told.expect("pg_config").stdout).expect("paths");
    let copied = |path: &str| {
        let within = path.strip_prefix("/usr/").expect("a distribution's place");
        place.join(within)
    };
    let [bin, lib, share] = told.lines().collect::<Vec<_>>()[..] else {
        panic!("three paths")
    };
    let link_all = |from: &Path, to: &Path| {
        std::fs::create_dir_all(to).expect("a directory");
        for entry in from.read_dir().expect("a directory").flatten() {
            symlink(entry.path(), to.join(entry.file_name())).expect("a link");
        }
    };
    // A program is where its own file is, not where a link to it is.
    std::fs::create_dir_all(copied(bin)).expect("a directory");
    for entry in Path::new(bin).read_dir().expect("a directory").flatten() {
        std::fs::copy(entry.path(), copied(bin).join(entry.file_name())).expect("a copy");
    }
    link_all(Path::new(lib), &copied(lib));
    link_all(Path::new(share), &copied(share));
    let extensions = copied(share).join("extension");
    std::fs::remove_file(&extensions).expect("a link");
    link_all(&Path::new(share).join("extension"), &extensions);
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases/extension");
    for entry in ours.read_dir().expect("a directory").flatten() {
        std::fs::copy(entry.path(), extensions.join(entry.file_name())).expect("a copy");
    }
    copied(bin)
}

/// Two servers of one version, with nothing in common, and a store.
struct Pair {
    tools: Tools,
    installation: Installation,
    servers: [Cluster; 2],
    bucket: TestStore,
    restores_twice: bool,
    _place: ServerPlace,
}

impl Pair {
    async fn start(tools: Tools, restores_twice: bool) -> Self {
        let installation = tools.newest_with_server().expect("a server").clone();
        let place = ServerPlace::new();
        let user = ServerUser::suitable().expect("a user");
        user.take_over(place.path()).expect("a directory");
        let start = async |name: &str| {
            let directory = place.path().join(name);
            Cluster::start(&installation, &directory, user, Traits::default())
                .await
                .expect("a cluster")
        };
        let servers = [start("source").await, start("target").await];
        Self {
            tools,
            installation,
            servers,
            bucket: TestStore::start().await,
            restores_twice,
            _place: place,
        }
    }

    fn server(&self, side: Side) -> &Cluster {
        &self.servers[usize::from(side == Side::Target)]
    }

    async fn execute(&self, side: Side, sql: &str) {
        let admin = self.server(side).conninfo(side, "postgres");
        clear(&admin.expect("a connection string"), sql).await;
    }

    async fn database(&self, side: Side, name: &str) -> Conninfo {
        self.execute(
            side,
            &format!("DROP DATABASE IF EXISTS {name} (FORCE);\nCREATE DATABASE {name}"),
        )
        .await;
        self.server(side)
            .conninfo(side, name)
            .expect("a connection string")
    }

    /// Loads the case as psql does, which goes on after errors.
    fn load(&self, name: &str, place: &Path) {
        let mut psql = Command::new(self.installation.program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--output=/dev/null", "--file"])
            .arg(place.join(format!("{name}.sql")))
            .arg(format!(
                "--dbname={}",
                self.server(Side::Source).url(name).reveal()
            ));
        let loaded = psql.output().expect("psql");
        assert!(
            loaded.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&loaded.stderr)
        );
    }

    /// Backs the case up, and restores it into an empty database, and once more with --clean. What went wrong, if anything.
    async fn check(&self, name: &str, case: &Case, place: &Path, runs: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        self.execute(Side::Source, &case.setup).await;
        let source = self.database(Side::Source, name).await;
        self.load(name, place);
        let key_time = "2026-11-23T02:00:07Z";
        let heard = Warnings::default();
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source: &source,
            tools: &self.tools,
            store: &self.bucket.store,
            clock: &|| key_time.parse().expect("an instant"),
            attempts: backup::ATTEMPTS,
            looks_for_trouble: true,
        };
        let made = match backup::backup(request, &heard).await {
            Ok(made) => made,
            Err(error) => return vec![format!("backup: {error}: {:?}", error.causes())],
        };
        let troubles = made.manifest.troubles.clone().unwrap_or_default();
        let is_told = |(found, expected): (&String, &String)| found.starts_with(expected.as_str());
        if troubles.found.len() != case.troubles.len()
            || !troubles.found.iter().zip(&case.troubles).all(is_told)
        {
            wrong.push(format!("backup: {troubles:?} instead of {:?}", case.troubles));
        }
        for run in 1..=runs {
            let target = self.database(Side::Target, name).await;
            if !case.target.is_empty() {
                execute(&target, &case.target).await;
            }
            for clean in [false, true] {
                if clean && !(case.again && self.restores_twice) {
                    continue;
                }
                let place = format!("run {run}{}", if clean { " with --clean" } else { "" });
                let heard = Warnings::default();
                wrong.extend(
                    self.restore(case, &target, clean, &heard)
                        .await
                        .map(|what| format!("{place}: {what}")),
                );
                for (query, expected) in &case.answers {
                    let found = answer(&target, query).await;
                    if found != *expected {
                        wrong.push(format!("{place}: {query} gives {found} instead of {expected}"));
                    }
                }
            }
            clear(&target, &case.cleanup).await;
        }
        clear(&source, &case.cleanup).await;
        for key in [&made.key.to_string(), &made.key.globals_key(), &made.manifest_key] {
            self.bucket.store.delete(key).await.expect("an object");
        }
        wrong
    }

    async fn restore(&self, case: &Case, target: &Conninfo, clean: bool, heard: &Warnings) -> Option<String> {
        let request = restore::RestoreRequest {
            among: &Among::ANY,
            counted: &CountedTables::PAYCRAFT,
            store: &self.bucket.store,
            selector: Selector::Latest,
            tools: &self.tools,
            terms: paycraft_dr::recovery::guard::GuardOptions { clean, ..terms() },
            profile: None,
            jobs: 2,
            depth: case.depth.parse().unwrap_or_default(),
            accepts_lost_rows: false,
            leniency: Leniency::default(),
            missing_sql: None,
            accepts_unknown_rights: false,
            accepted: &[],
            accepts_missing_settings: false,
            analyzes: true,
            now: now(),
        };
        let restored = match restore::restore(request, async |_| Ok(target.clone()), heard).await {
            Ok(restored) => restored,
            Err(error) => return Some(format!("{error}: {:?}", error.causes())),
        };
        let said = format!(
            "{} {:?} {:?}",
            heard.0.lock().expect("no panic").join(" "),
            restored.skipped,
            restored.verification
        );
        if let Some(secret) = case.unsaid.iter().find(|secret| said.contains(*secret)) {
            return Some(format!("{secret} was said"));
        }
        if let Some(silent) = case.warned.iter().find(|part| !said.contains(*part)) {
            return Some(format!("{silent} was not said: {said}"));
        }
        let missing: Vec<&str> = restored
            .missing
            .iter()
            .map(|missing| missing.entry.as_str())
            .collect();
        if missing != case.missing {
            return Some(format!(
                "{:?} is missing instead of {:?}",
                restored.missing, case.missing
            ));
        }
        let rows: u64 = restored
            .verification
            .tables
            .iter()
            .filter_map(|table| table.rows)
            .sum();
        if case.rows.is_some_and(|expected| expected != rows) {
            return Some(format!("{rows} rows were found"));
        }
        let verdict = restored.verification.verdict.to_string();
        (verdict != case.verdict).then(|| format!("{verdict}: {:?}", restored.verification.checks))
    }
}

/// Runs statements each by itself.
async fn clear(database: &Conninfo, sql: &str) {
    for statement in sql.split(";\n").filter(|statement| !statement.is_empty()) {
        execute(database, statement).await;
    }
}

/// The last value that the statements return, as text.
async fn answer(database: &Conninfo, sql: &str) -> String {
    let session = Session::connect(database).await.expect("a connection");
    let rows = match session.client().simple_query(sql).await {
        Ok(rows) => rows,
        Err(error) => return format!("{error:?}"),
    };
    let last = rows.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    last.unwrap_or_else(|| "nothing".to_owned())
}

/// Every case that runs on these programs, one after the other; what went wrong, by the case.
fn check_all(tools: Tools, restores_twice: bool) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    let text = std::fs::read_to_string(place.join("cases.toml")).expect("the expectations");
    let mut cases: BTreeMap<String, Case> = toml::from_str(&text).expect("the expectations");
    if let Ok(picked) = std::env::var("PAYCRAFT_CASES") {
        cases.retain(|name, _| picked.split(',').any(|part| part == name));
    }
    let runs = std::env::var("PAYCRAFT_CASES_RUNS").map_or(1, |runs| runs.parse().expect("a number"));
    run(async {
        let pair = Pair::start(tools, restores_twice).await;
        let mut wrong = Vec::new();
        for (name, case) in &cases {
            let is_here = !case.extension || restores_twice;
            if is_here && (case.since..=case.until).contains(&pair.installation.major) {
                let found = pair.check(name, case, &place, runs).await;
                wrong.extend(found.into_iter().map(|what| format!("{name}: {what}")));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn every_case_is_restored_as_expected() {
    if let Some(postgres) = postgres() {
        let place = tempfile::tempdir().expect("a directory");
        let readable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.path(), readable).expect("a directory");
        let installation = postgres.tools.newest_with_server().expect("a server");
        let programs = with_extensions(&installation.program(""), place.path());
        let tools = run(Tools::find(Some(&programs), None)).expect("the copied programs");
        check_all(tools, true);
    }
}

#[test]
fn every_case_is_restored_as_expected_by_the_newer_version() {
    let directory = std::env::var_os("PAYCRAFT_NEWER_POSTGRES").filter(|directory| !directory.is_empty());
    let Some(directory) = directory.map(PathBuf::from) else {
        skip(
            "newer-postgres",
            "PAYCRAFT_NEWER_POSTGRES names no directory of its programs",
        );
        return;
    };
    let tools = run(Tools::find(Some(&directory), None)).expect("the newer programs");
    check_all(tools, false);
}
