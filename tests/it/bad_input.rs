//! What a tired person, a full disk or another program can put in the way, each with its exit code and what to do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use paycraft_dr::drill::cluster::{Cluster, Traits};
use paycraft_dr::drill::server_user::ServerUser;
use paycraft_dr::error::Kind;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::manifest::Manifest;
use paycraft_dr::model::timeline::{Event, Observer, Phase};
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::recovery::backup::Made;
use tempfile::TempDir;

use super::kit::{
    SMALL_SCHEMA, ServerPlace, Silent, World, execute, json, output, program, query, run, secret_file, skip,
};

#[track_caller]
fn assert_ends(ended: &Output, code: i32, kind: &str, says: &[&str]) {
    let document = json(ended);
    let error = &document["error"];
    assert_eq!(
        (&document["exit_code"], ended.status.code()),
        (&code.into(), Some(code)),
        "{document}"
    );
    assert_eq!(error["kind"], kind, "{document}");
    assert!(
        error["hint"].is_string(),
        "every error says what to do: {document}"
    );
    for text in says {
        assert!(error.to_string().contains(text), "{text:?} is not in {error}");
    }
}

fn with_store(world: &World, arguments: &[&str]) -> Command {
    let mut command = program(arguments);
    command.arg("--json").envs(world.bucket.environment());
    command
}

#[test]
fn credentials_that_are_missing_or_halved() {
    run(async {
        let Some(world) = World::new().await else { return };
        for missing in ["R2_ENDPOINT_URL", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"] {
            let mut command = with_store(&world, &["list"]);
            command.env_remove(missing);
            let file = format!("{missing}_FILE");
            assert_ends(&output(command).await, 2, "usage", &[missing, &file]);
        }
    });
}

#[test]
fn secret_files_that_are_missing_empty_or_open_to_everyone() {
    run(async {
        let Some(world) = World::new().await else { return };
        let directory = tempfile::tempdir().expect("a directory");
        let empty = secret_file(directory.path(), "empty", "");
        let open = secret_file(directory.path(), "open", "hunter2");
        std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .expect("permissions");
        let missing = directory.path().join("missing");
        for (path, says) in [
            (missing, "cannot be read"),
            (empty, "is empty"),
            (open, "chmod 600"),
        ] {
            let mut command = with_store(&world, &["list"]);
            command
                .env_remove("R2_SECRET_ACCESS_KEY")
                .env("R2_SECRET_ACCESS_KEY_FILE", &path);
            let ended = output(command).await;
            assert_ends(&ended, 2, "usage", &["R2_SECRET_ACCESS_KEY_FILE", says]);
            assert!(!json(&ended).to_string().contains("hunter2"));
        }
    });
}

#[test]
fn a_configuration_that_says_what_means_nothing() {
    run(async {
        let Some(world) = World::new().await else { return };
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("paycraft-dr.toml");
        let list = |text: &str| {
            std::fs::write(&config, text).expect("a file");
            let mut command = with_store(&world, &["list"]);
            command.arg("--config").arg(&config);
            output(command)
        };
        let misspelt = list("[store]\nbuckett = \"x\"\n").await;
        assert_ends(&misspelt, 2, "usage", &["buckett", "line 2"]);
        let accepted = "[[accept]]\nentry = \"VIEW public.v\"\ncheck = \"shema\"\nreason = \"known\"\nuntil = \"2099-01-01\"\n";
        assert_ends(
            &list(accepted).await,
            2,
            "usage",
            &["line 3", "no check has that name", "schema"],
        );
        assert_ends(&list("[shop]\n").await, 2, "usage", &["shop"]);
        assert_ends(&list("bucket = ").await, 2, "usage", &["line 1"]);
        assert_ends(&list("[store]\nbucket = 7\n").await, 2, "usage", &["bucket"]);
        // The environment wins over the file, and the file over the default.
        let other = list("[store]\nbucket = \"elsewhere\"\nendpoint = \"http://127.0.0.1:1\"\n").await;
        assert_ends(&other, 6, "store", &["elsewhere"]);
        let fitting = list("[store]\nbucket = \"paycraft-backups\"\n").await;
        assert_eq!(fitting.status.code(), Some(0));
        let missing = output(with_store(&world, &["list", "--config", "/nonexistent.toml"])).await;
        assert_ends(&missing, 2, "usage", &["/nonexistent.toml"]);
    });
}

/// Changes the manifest of a backup and seals it again, as another version of this program might have written it.
fn reseal(world: &World, made: &Made, change: impl FnOnce(&mut Manifest)) {
    let mut manifest = made.manifest.clone();
    change(&mut manifest);
    let document = manifest.encode().expect("a document");
    let put = world.bucket.server.overwrite(&made.manifest_key, &document);
    put.expect("an object");
}

#[test]
fn backups_from_a_newer_world() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        reseal(&world, &made, |manifest| {
            manifest.source.server_version = "99.1".to_owned();
        });
        let target = world.postgres.database(Side::Target).await;
        let restore = || {
            let mut command = with_store(&world, &["restore"]);
            command.env("TARGET_DB_URL", world.postgres.url(&target));
            output(command)
        };
        assert_ends(&restore().await, 4, "refused", &["PostgreSQL 99", "or newer"]);
        reseal(&world, &made, |manifest| manifest.manifest_version = 3);
        assert_ends(&restore().await, 4, "refused", &["version 3", "or a newer one"]);
        let holds = query(
            &target,
            "SELECT count(*)::text FROM pg_class WHERE relname = 'tenants'",
        )
        .await;
        assert_eq!(holds, "0");
    });
}

#[test]
fn a_bucket_that_others_use_too() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        let put = |key: &str| world.bucket.server.overwrite(key, b"x").expect("an object");
        for number in 0..10_000 {
            put(&format!("2026/11/23/notes-{number:05}.txt"));
        }
        for odd in [
            "2026/11/23/a b+c%20d&e=f?g#h.txt",
            "2026/11/23/grüße 🌍 <\"'>.txt",
            "zzz/\u{1}\u{7f}.txt",
            // Keys that lie about their day, or almost look like a backup's.
            "2026/11/22/backup-20261124-020000.dump.gz",
            "2026/11/24/backup-20261123-020000.dump.gz",
            "2026/13/45/backup-20261345-020000.dump.gz",
            "2026/11/24/backup-20261124-020000.dump.gz.tmp",
            "x/2026/11/24/backup-20261124-020000.dump.gz",
        ] {
            put(odd);
        }
        let listed = json(&output(with_store(&world, &["list"])).await);
        assert_eq!(listed["backups"].as_array().map(Vec::len), Some(1), "{listed}");
        assert_eq!(listed["backups"][0]["key"], made.key.to_string());
        let proven = output(with_store(&world, &["verify", "--object"])).await;
        assert_eq!(json(&proven)["verdict"], "proven");
    });
}

#[test]
fn a_manifest_that_was_copied_to_another_day() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        for suffix in ["dump.gz", "manifest.json"] {
            let at = |day: &str, date: &str| format!("2026/11/{day}/backup-{date}-020007.{suffix}");
            let bytes = world
                .bucket
                .server
                .read(&at("23", "20261123"))
                .expect("an object");
            world
                .bucket
                .server
                .overwrite(&at("24", "20261124"), &bytes)
                .expect("an object");
        }
        let restored = world.restore(Selector::Latest).await.expect_err("a lie");
        assert_eq!(restored.kind(), Kind::Corrupt, "{restored}");
        let hint = restored.next_step().expect("a hint");
        assert!(hint.contains(&made.key.to_string()), "{hint}");
    });
}

#[test]
fn roles_without_rights() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let role = format!("weak_{:016x}", rand::random::<u64>());
        execute(&source, &format!("CREATE ROLE {role} LOGIN PASSWORD 'weak'")).await;
        let url = |database: &Conninfo| {
            let (_, place) = database
                .to_string()
                .split_once('@')
                .map(|(user, place)| (user.to_owned(), place.to_owned()))
                .expect("a place");
            format!("postgresql://{role}:weak@{place}")
        };
        let mut backup = with_store(&world, &["backup"]);
        backup.env("SUPABASE_DB_URL", url(&source));
        assert_ends(
            &output(backup).await,
            5,
            "source",
            &["permission denied", "rights"],
        );
        let uploads = world.bucket.server.open_uploads();
        assert!(uploads.is_empty() && world.bucket.store.list("").await.expect("a listing").is_empty());

        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let mut restore = with_store(&world, &["restore"]);
        restore.env("TARGET_DB_URL", url(&target));
        assert_ends(&output(restore).await, 7, "target", &["permission denied"]);
        // The restore may have begun to give rights to it.
        execute(&target, &format!("DROP OWNED BY {role}")).await;
        execute(&source, &format!("DROP ROLE {role}")).await;
    });
}

/// A server of one test's own, in `place`.
async fn server(world: &World, place: &Path) -> Cluster {
    let user = ServerUser::suitable().expect("a user");
    user.take_over(place).expect("a directory");
    let installation = world.postgres.tools.newest_with_server().expect("a server");
    Cluster::start(installation, &place.join("cluster"), user, Traits::default())
        .await
        .expect("a cluster")
}

/// A source whose rows take some megabytes.
async fn larger_source(world: &World) -> Conninfo {
    let rows = "CREATE TABLE tenants AS SELECT n AS id, repeat(md5(n::text), 20) AS note FROM generate_series(1, 40000) AS n";
    world.postgres.source(rows).await
}

/// Ends a server when the first rows flow.
struct PullsThePlug(Mutex<(bool, Option<Cluster>)>);

impl Observer for PullsThePlug {
    fn observe(&self, event: Event) {
        let mut state = self.0.lock().expect("no panic");
        match event {
            Event::Began(Phase::Transfer) => state.0 = true,
            Event::Bytes(_) if state.0 => drop(state.1.take()),
            _ => {}
        }
    }
}

#[test]
fn a_target_that_vanishes() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = larger_source(&world).await;
        world.back_up(&source).await.expect("a backup");
        let place = ServerPlace::new();
        let cluster = server(&world, place.path()).await;
        let target = cluster
            .conninfo(Side::Target, "postgres")
            .expect("a connection string");
        let plug = PullsThePlug(Mutex::new((false, Some(cluster))));
        let error = world.restore_watched(Selector::Latest, target, &plug).await;
        let error = error.expect_err("nobody there");
        assert_eq!(error.kind(), Kind::Target, "{error}");
        assert!(error.next_step().is_some());
        assert!(
            plug.0.lock().expect("no panic").1.is_none(),
            "the plug was pulled"
        );
    });
}

/// A small file system of its own, unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<Self> {
        let place = tempfile::tempdir().expect("a directory");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(place.path())
            .output();
        if mount.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(place));
        }
        skip("tmpfs", "this user may not mount one");
        None
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_target_on_a_full_disk() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = larger_source(&world).await;
        world.back_up(&source).await.expect("a backup");
        let Some(disk) = SmallDisk::mount(75) else { return };
        let cluster = server(&world, &disk.path()).await;
        let target = cluster
            .conninfo(Side::Target, "postgres")
            .expect("a connection string");
        let error = world
            .restore_on(Selector::Latest, target, super::kit::terms(), &Silent)
            .await;
        let error = error.expect_err("no room");
        assert_eq!(error.kind(), Kind::Target, "{error}");
        let told = format!("{error} {}", error.causes().join(" "));
        // PostgreSQL words a write that fitted in part another way.
        let is_told = ["No space left on device", "wrote only"]
            .iter()
            .any(|words| told.contains(words));
        assert!(is_told, "{told}");
        assert!(
            error.next_step().expect("a hint").contains("space"),
            "{:?}",
            error.next_step()
        );
        drop(cluster);
    });
}
