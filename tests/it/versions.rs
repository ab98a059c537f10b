//! Several versions of PostgreSQL on one machine: the right programs for each server, and what cannot go together.

use std::path::PathBuf;

use paycraft_dr::drill::cluster::{Cluster, Traits};
use paycraft_dr::drill::server_user::ServerUser;
use paycraft_dr::error::{Error, Kind};
use paycraft_dr::model::depth::Depth;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::product::CountedTables;
use paycraft_dr::model::selection::Among;
use paycraft_dr::model::shrinking::ShrinkLimits;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::tools::{Leniency, Tools};
use paycraft_dr::recovery::backup;
use paycraft_dr::recovery::restore;
use tempfile::TempDir;

use super::kit::{
    SMALL_SCHEMA, ServerPlace, Silent, Warnings, World, assert_proven, execute, json, now, output, program,
    query, run, skip, terms, write_program,
};

const AT: &str = "2026-11-23T02:00:07Z";

/// A server of a newer version than the one all tests share, and both versions' programs.
pub struct Newer {
    pub both: Tools,
    /// The newer version's programs alone.
    pub only: Tools,
    directory: PathBuf,
    major: u32,
    server: Cluster,
    _place: ServerPlace,
}

impl Newer {
    pub async fn start(world: &World) -> Option<Self> {
        let directory = std::env::var_os("PAYCRAFT_NEWER_POSTGRES").filter(|directory| !directory.is_empty());
        let Some(directory) = directory.map(PathBuf::from) else {
            skip(
                "newer-postgres",
                "PAYCRAFT_NEWER_POSTGRES names no directory of its programs: `make test` sets it",
            );
            return None;
        };
        let only = Tools::find(Some(&directory), None)
            .await
            .expect("the newer programs");
        let installation = only.newest_with_server().expect("a server").clone();
        assert!(
            installation.major > world.postgres.installation.major,
            "the newer version is newer"
        );
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::env::split_paths(&path).chain([directory.clone()])).expect("a path");
        let place = ServerPlace::new();
        let user = ServerUser::suitable().expect("a user");
        user.take_over(place.path()).expect("a directory");
        let server = Cluster::start(
            &installation,
            &place.path().join("cluster"),
            user,
            Traits::default(),
        )
        .await;
        Some(Self {
            both: Tools::find(None, Some(&path)).await.expect("both"),
            only,
            directory,
            major: installation.major,
            server: server.expect("a cluster"),
            _place: place,
        })
    }

    /// The connection string of a database, with its password.
    pub fn url(&self, database: &Conninfo) -> String {
        self.server.url(database.database()).reveal().to_owned()
    }

    /// Where both versions' programs are.
    pub fn path(&self) -> std::ffi::OsString {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::env::split_paths(&path).chain([self.directory.clone()]);
        std::env::join_paths(all).expect("a path")
    }

    /// A new, empty database.
    pub async fn database(&self, side: Side, name: &str) -> Conninfo {
        let admin = self
            .server
            .conninfo(side, "postgres")
            .expect("a connection string");
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        admin.with_database(side, name)
    }
}

/// A directory whose `pg_dump` says that it is of this version, after `first`, and notes in `asked` that it was run.
fn of_version(major: u32, first: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let script = format!("{first}\necho asked >> \"${{0%/*}}/asked\"\necho 'pg_dump (PostgreSQL) {major}.1'");
    for program in ["pg_dump", "pg_restore"] {
        write_program(&directory.path().join(program), &script);
    }
    directory
}

#[test]
fn the_first_directory_with_a_version_is_taken_and_asked_once() {
    run(async {
        let places = tempfile::tempdir().expect("a directory");
        let second = of_version(998, "");
        // The first answers only after it.
        let note = second.path().join("asked");
        let wait = format!(
            "i=0; while [ ! -e {} ] && [ $i -lt 100000 ]; do i=$((i+1)); done",
            note.display()
        );
        let first = of_version(998, &wait);
        let again = places.path().join("again");
        std::os::unix::fs::symlink(first.path(), &again).expect("a link");
        let other = of_version(999, "");
        let path = [first.path(), second.path(), &again, other.path()];
        let path = std::env::join_paths(path).expect("a path");
        let tools = Tools::find(None, Some(&path)).await.expect("programs");
        for (major, directory) in [(998, &first), (999, &other)] {
            let found = tools.for_server(major, Kind::Source).expect("programs");
            assert_eq!(found.program("pg_dump"), directory.path().join("pg_dump"));
        }
        let asked = std::fs::read_to_string(first.path().join("asked")).expect("a note");
        assert_eq!(asked.lines().count(), 1);
    });
}

#[test]
fn each_server_gets_the_programs_of_its_version() {
    run(async {
        let Some(world) = World::new().await else { return };
        let Some(newer) = Newer::start(&world).await else {
            return;
        };
        let older = world.postgres.installation.major;
        for major in [older, newer.major] {
            assert_eq!(
                newer
                    .both
                    .for_server(major, Kind::Source)
                    .expect("programs")
                    .major,
                major
            );
        }
        let source = newer.database(Side::Source, "source").await;
        execute(&source, SMALL_SCHEMA).await;
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source: &source,
            tools: &newer.both,
            store: &world.bucket.store,
            clock: &|| AT.parse().expect("an instant"),
            attempts: backup::ATTEMPTS,
            looks_for_trouble: true,
        };
        let too_old = backup::BackupRequest {
            tools: &world.postgres.tools,
            ..request
        };
        let error = backup::backup(too_old, &Silent)
            .await
            .expect_err("pg_dump is too old");
        assert_eq!(error.kind(), Kind::Source);
        let hint = error.next_step().expect("a hint");
        assert!(
            hint.contains(&format!("install the PostgreSQL {} client", newer.major)),
            "{hint}"
        );
        assert!(world.bucket.store.list("").await.expect("a listing").is_empty());

        let made = backup::backup(request, &Silent).await.expect("a backup");
        assert!(
            made.manifest
                .pg_dump_version
                .starts_with(&newer.major.to_string())
        );
        let error = world
            .restore(Selector::Latest)
            .await
            .expect_err("an older server");
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert!(
            error
                .next_step()
                .expect("a hint")
                .contains(&format!("PostgreSQL {} or newer", newer.major))
        );

        let target = newer.database(Side::Target, "target").await;
        let restored = restore(&world, &newer, target).await;
        assert_proven(&restored.verification);
    });
}

#[test]
fn a_backup_goes_into_a_newer_server() {
    run(async {
        let Some(world) = World::new().await else { return };
        let Some(newer) = Newer::start(&world).await else {
            return;
        };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let target = newer.database(Side::Target, "target").await;
        let restored = restore(&world, &newer, target).await;
        assert_proven(&restored.verification);
    });
}

/// What `doctor --json` found under this name: its outcome, and all of it.
fn finding(document: &serde_json::Value, name: &str) -> (String, String) {
    let findings = document["findings"].as_array().expect("findings");
    let found = findings.iter().find(|found| found["name"] == name).expect(name);
    (found["outcome"].to_string(), found.to_string())
}

#[test]
fn programs_that_are_too_new_are_refused_before_the_target_is_touched() {
    run(async {
        let Some(world) = World::new().await else { return };
        let Some(newer) = Newer::start(&world).await else {
            return;
        };
        let older = world.postgres.installation.major;
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let target = world.postgres.database(Side::Target).await;
        let install = format!("install the PostgreSQL {older} client programs");

        // A backup of the server's own version, where only newer programs are left to restore it.
        world.back_up(&source).await.expect("a backup");
        let error = attempt(&world, &newer.only, target.clone()).await;
        let error = error.expect_err("programs that are too new");
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert_eq!(error.next_step(), Some(install.as_str()));
        let mut doctor = program(&["doctor", "--json", "--pg-bin"]);
        doctor
            .arg(&newer.directory)
            .envs(world.bucket.environment())
            .env("SUPABASE_DB_URL", world.postgres.url(&source))
            .env("TARGET_DB_URL", world.postgres.url(&target));
        let document = json(&output(doctor).await);
        for name in ["client for backup", "target guard"] {
            let (outcome, text) = finding(&document, name);
            assert_eq!(outcome, "\"failed\"", "{text}");
            assert!(text.contains(&install), "{text}");
        }
        let (outcome, text) = finding(&document, "client for source");
        assert_eq!(outcome, "\"passed\"", "{text}");
        assert!(text.contains(&install), "{text}");

        // A backup made by programs that are newer than its server.
        let heard = Warnings::default();
        let later = "2026-11-24T02:00:07Z";
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source: &source,
            tools: &newer.only,
            store: &world.bucket.store,
            clock: &|| later.parse().expect("an instant"),
            attempts: backup::ATTEMPTS,
            looks_for_trouble: true,
        };
        backup::backup(request, &heard).await.expect("a backup");
        let warnings = heard.0.lock().expect("no panic").join(" ");
        assert!(warnings.contains(&install), "{warnings}");
        let is_outdated = warnings.contains("pg_attver");
        for tools in [&newer.both, &newer.only] {
            let error = attempt(&world, tools, target.clone()).await;
            let error = error.expect_err("an archive that is too new");
            assert_eq!(error.kind(), Kind::Refused, "{error}");
            let hint = error.next_step().expect("a hint");
            assert!(hint.contains("PostgreSQL 17 or newer"), "{hint}");
        }
        let holds = "SELECT count(*)::text FROM pg_class WHERE relname = 'tenants'";
        assert_eq!(query(&target, holds).await, "0");

        let target = newer.database(Side::Target, "target").await;
        let restored = restore(&world, &newer, target).await;
        // What an outdated pg_dump wrote cannot be restored, and the backup said so.
        assert_eq!(
            restored.verification.verdict.is_proven(),
            !is_outdated,
            "{:?}",
            restored.verification.checks
        );
    });
}

#[test]
fn an_archive_is_restored_by_programs_as_new_as_its_dump() {
    run(async {
        let Some(world) = World::new().await else { return };
        let Some(newer) = Newer::start(&world).await else {
            return;
        };
        let older = world.postgres.installation.major;
        for (dump, target, chosen) in [
            (older, older, Some(older)),
            (older, newer.major, Some(newer.major)),
            (newer.major, newer.major, Some(newer.major)),
            // Programs that read the archive know settings that the server does not.
            (newer.major, older, None),
            (older + 1, older, None),
            (newer.major + 1, newer.major, None),
        ] {
            let found = newer.both.for_restore(dump, target).ok().map(|found| found.major);
            assert_eq!(found, chosen, "pg_dump {dump} into PostgreSQL {target}");
        }
    });
}

async fn restore(world: &World, newer: &Newer, target: Conninfo) -> restore::Restored {
    attempt(world, &newer.both, target).await.expect("a restore")
}

/// Restores the newest backup with these programs.
pub async fn attempt(world: &World, tools: &Tools, target: Conninfo) -> Result<restore::Restored, Error> {
    let request = restore::RestoreRequest {
        store: &world.bucket.store,
        among: &Among::ANY,
        counted: &CountedTables::PAYCRAFT,
        selector: Selector::Latest,
        tools,
        terms: terms(),
        profile: None,
        jobs: 2,
        depth: Depth::Content,
        accepts_lost_rows: false,
        leniency: Leniency::default(),
        missing_sql: None,
        accepts_unknown_rights: false,
        accepted: &[],
        accepts_missing_settings: false,
        analyzes: true,
        now: now(),
    };
    restore::restore(request, async |_| Ok(target), &Silent).await
}
