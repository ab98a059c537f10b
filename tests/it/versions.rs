//! Several versions of PostgreSQL on one machine: the right programs for each server, and what cannot go together.

use std::path::PathBuf;

use paycraft_dr::drill::cluster::{Cluster, Traits};
use paycraft_dr::drill::server_user::ServerUser;
use paycraft_dr::error::Kind;
use paycraft_dr::model::depth::Depth;
use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::tools::Tools;
use paycraft_dr::recovery::backup;
use paycraft_dr::recovery::restore;
use tempfile::TempDir;

use super::kit::{Nobody, SMALL_SCHEMA, World, execute, failed, run, skip, terms};

const AT: &str = "2026-11-23T02:00:07Z";

/// A server of a newer version than the one all tests share, and both versions' programs.
struct Newer {
    both: Tools,
    major: u32,
    server: Cluster,
    _place: TempDir,
}

impl Newer {
    async fn start(world: &World) -> Option<Self> {
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
        let path = std::env::join_paths(std::env::split_paths(&path).chain([directory])).expect("a path");
        let place = tempfile::tempdir().expect("a directory");
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
            major: installation.major,
            server: server.expect("a cluster"),
            _place: place,
        })
    }

    async fn database(&self, side: Side, name: &str) -> Conninfo {
        let admin = self
            .server
            .conninfo(side, "postgres")
            .expect("a connection string");
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        admin.with_database(side, name)
    }
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
        let request = backup::Request {
            source: &source,
            tools: &newer.both,
            store: &world.bucket.store,
            clock: &|| AT.parse().expect("an instant"),
        };
        let too_old = backup::Request {
            tools: &world.postgres.tools,
            ..request
        };
        let error = backup::backup(too_old, &Nobody)
            .await
            .expect_err("pg_dump is too old");
        assert_eq!(error.kind(), Kind::Source);
        let hint = error.next_step().expect("a hint");
        assert!(
            hint.contains(&format!("install the PostgreSQL {} client", newer.major)),
            "{hint}"
        );
        assert!(world.bucket.store.list("").await.expect("a listing").is_empty());

        let made = backup::backup(request, &Nobody).await.expect("a backup");
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
        assert!(
            restored.verification.verdict.is_proven(),
            "{:?}",
            failed(&restored.verification)
        );
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
        assert!(
            restored.verification.verdict.is_proven(),
            "{:?}",
            restored.verification.checks
        );
    });
}

async fn restore(world: &World, newer: &Newer, target: Conninfo) -> restore::Restored {
    let request = restore::Request {
        store: &world.bucket.store,
        selector: Selector::Latest,
        tools: &newer.both,
        terms: terms(),
        profile: None,
        jobs: 2,
        depth: Depth::Content,
    };
    restore::restore(request, async |_| Ok(target), &Nobody)
        .await
        .expect("a restore")
}
