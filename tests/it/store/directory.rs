//! A directory as a store: what only files can do wrong.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bytes::Bytes;
use paycraft_dr::error::{Error, Kind};
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::store::{Published, Store, StoreAddress};
use tempfile::TempDir;

use crate::kit::{
    self, Postgres, SMALL_SCHEMA, drill_place, execute, json, output, postgres, program, run, said,
};

fn store_in(place: &Path) -> Store {
    Store::at(&StoreAddress::Directory(place.to_owned()))
}

#[track_caller]
fn assert_says(error: &Error, cause: &str, hint: &str) {
    assert_eq!(error.kind(), Kind::Store, "{error}");
    let told = format!("{error}: {:?}, {:?}", error.causes(), error.next_step());
    assert!(error.causes().join("; ").contains(cause), "{told}");
    assert!(
        error.next_step().is_some_and(|step| step.contains(hint)),
        "{told}"
    );
}

#[test]
fn a_directory_that_is_not_there_is_never_made() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        let root = place.path().join("disk");
        let store = store_in(&root);
        let none = format!("mkdir -p -m 700 {}", root.display());
        for error in [
            store.list("").await.expect_err("no directory"),
            store.head("k").await.expect_err("no directory"),
            store.get("k", 9).await.expect_err("no directory"),
            store
                .publish("k", vec![1], "text/plain")
                .await
                .expect_err("no directory"),
            store.begin_upload("k").await.expect_err("no directory"),
            store.unfinished_uploads("").await.expect_err("no directory"),
            store.delete("k").await.expect_err("no directory"),
            store.check_may_write().await.expect_err("no directory"),
            store.server_time().await.expect_err("no directory"),
        ] {
            assert_says(&error, "there is no such directory", &none);
        }
        assert!(!root.exists());
        std::fs::write(&root, "a file").expect("a file");
        assert_says(
            &store.list("").await.expect_err("a file"),
            "it is a file",
            "mount",
        );
    });
}

#[test]
fn no_key_leads_out_of_the_directory() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        let (root, outside) = (place.path().join("store"), place.path().join("outside"));
        for directory in [&root, &outside] {
            std::fs::create_dir(directory).expect("a directory");
        }
        std::fs::write(outside.join("k"), "another's").expect("a file");
        let store = store_in(&root);
        for key in [
            "../outside/k",
            "/etc/passwd",
            "a/../../outside/k",
            "",
            "a//b",
            ".paycraft-dr/made/x",
        ] {
            let why = "is no key of a directory";
            assert_says(&store.get(key, 99).await.expect_err(key), why, "list");
            assert_says(&store.delete(key).await.expect_err(key), why, "list");
            let published = store.publish(key, vec![1], "text/plain").await;
            assert_says(&published.expect_err(key), why, "list");
            assert_says(&store.begin_upload(key).await.expect_err(key), why, "list");
        }
        assert!(store.list("../outside/").await.expect("a listing").is_empty());

        symlink(&outside, root.join("d")).expect("a link");
        symlink(outside.join("k"), root.join("f")).expect("a link");
        for key in ["d/k", "f"] {
            let why = "is a symbolic link";
            assert_says(&store.get(key, 99).await.expect_err(key), why, "outside");
            assert_says(&store.delete(key).await.expect_err(key), why, "outside");
            let published = store.publish(key, vec![1], "text/plain").await;
            assert_says(&published.expect_err(key), why, "outside");
        }
        // A backup behind a link is not taken for gone.
        assert_says(
            &store.list("").await.expect_err("a link"),
            "is a symbolic link",
            "remove the link",
        );
        assert_eq!(std::fs::read(outside.join("k")).expect("a file"), b"another's");
    });
}

#[test]
fn files_are_the_owners_alone_and_nothing_is_left_beside_them() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        let store = store_in(place.path());
        store
            .publish("2026/11/m", vec![1], "text/plain")
            .await
            .expect("an object");
        let upload = store.begin_upload("2026/11/k").await.expect("an upload");
        let part = upload
            .put_part(1, Bytes::from_static(b"x"))
            .await
            .expect("a part");
        upload.complete(vec![part]).await.expect("an object");
        let mode = |name: &str| {
            let facts = std::fs::metadata(place.path().join(name)).expect(name);
            facts.permissions().mode() & 0o777
        };
        for (name, expected) in [
            ("2026", 0o700),
            ("2026/11", 0o700),
            ("2026/11/m", 0o600),
            ("2026/11/k", 0o600),
            (".paycraft-dr", 0o700),
        ] {
            assert_eq!(mode(name), expected, "{name}");
        }
        store.delete("2026/11/m").await.expect("an answer");
        store.delete("2026/11/k").await.expect("an answer");
        let left: Vec<PathBuf> = kit::leftovers(place.path());
        let own = place.path().join(".paycraft-dr");
        assert!(left.iter().all(|path| *path == own), "{left:?}");
        assert!(!place.path().join("2026").exists());
    });
}

#[test]
fn of_many_who_publish_at_once_one_wins() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..32_u8 {
            let store = store_in(place.path());
            writers.spawn(async move {
                let published = store.publish("a/k", vec![number; 100_000], "text/plain").await;
                (number, published.expect("an answer"))
            });
        }
        let ended = writers.join_all().await;
        let winners: Vec<u8> = ended
            .into_iter()
            .filter(|(_, published)| *published == Published::Now)
            .map(|(number, _)| number)
            .collect();
        let [winner] = winners[..] else {
            panic!("{winners:?}")
        };
        let bytes = store_in(place.path())
            .get("a/k", 1 << 20)
            .await
            .expect("an object");
        assert!(bytes == vec![winner; 100_000]);
    });
}

#[test]
fn what_is_no_object_is_passed_over() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        let store = store_in(place.path());
        for name in ["lost+found", ".Trash-0"] {
            std::fs::create_dir(place.path().join(name)).expect("a directory");
            std::fs::write(place.path().join(name).join("x"), "x").expect("a file");
        }
        std::fs::write(place.path().join(".hidden"), "x").expect("a file");
        assert_eq!(store.list("").await.expect("a listing").len(), 0);
        assert_eq!(store.used_bytes().await.expect("a sum"), 0);
    });
}

/// The program on a directory, with a source and an empty target.
struct Desk {
    postgres: &'static Postgres,
    place: TempDir,
    source: Conninfo,
    target: Conninfo,
}

impl Desk {
    async fn new() -> Option<Self> {
        let postgres = postgres()?;
        let place = drill_place();
        std::fs::create_dir(place.path().join("disk")).expect("a directory");
        Some(Self {
            postgres,
            place,
            source: postgres.source(SMALL_SCHEMA).await,
            target: postgres.database(Side::Target).await,
        })
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("disk")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command
            .env("R2_ENDPOINT_URL", format!("file://{}", self.root().display()))
            .env("SUPABASE_DB_URL", self.postgres.url(&self.source))
            .env("TARGET_DB_URL", self.postgres.url(&self.target))
            .env("TMPDIR", self.place.path().join("tmp"));
        command
    }

    async fn runs(&self, arguments: &[&str], exits: i32) -> Output {
        let ended = output(self.command(arguments)).await;
        assert_eq!(
            ended.status.code(),
            Some(exits),
            "{arguments:?}: {}",
            said(&ended)
        );
        ended
    }

    /// The files of objects, by their keys.
    fn keys(&self) -> Vec<String> {
        let listed = Command::new("find")
            .args([".", "-type", "f", "-not", "-path", "./.*"])
            .current_dir(self.root())
            .output();
        let listed = listed.expect("find");
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let mut keys: Vec<String> = text
            .lines()
            .map(|line| line.trim_start_matches("./").to_owned())
            .collect();
        keys.sort();
        keys
    }
}

#[test]
fn every_verb_works_on_a_directory() {
    run(async {
        let Some(desk) = Desk::new().await else { return };
        let backup = json(&desk.runs(&["backup", "--json"], 0).await);
        let key = backup["backup"]["key"].as_str().expect("a key").to_owned();
        assert_eq!(desk.keys()[0], key);
        let listed = json(&desk.runs(&["list", "--json"], 0).await);
        assert_eq!(listed["backups"][0]["state"], "attested");
        desk.runs(&["verify", "--object"], 0).await;
        desk.runs(&["restore"], 0).await;
        desk.runs(&["verify"], 0).await;
        desk.runs(&["prune"], 0).await;
        let status = json(&desk.runs(&["status", "--no-drill", "--json"], 0).await);
        assert_eq!(status["storage"]["met"], true);
        let doctor = json(&output(desk.command(&["doctor", "--write", "--clean", "--json"])).await);
        let findings = doctor["findings"].as_array().expect("findings");
        for name in [
            "R2_ENDPOINT_URL",
            "store",
            "store rights",
            "newest backup",
            "object",
        ] {
            let found = findings.iter().find(|finding| finding["name"] == name);
            assert_eq!(found.expect(name)["outcome"], "passed", "{name}: {doctor}");
        }
        // No key is asked for.
        assert!(
            !findings
                .iter()
                .any(|finding| finding["name"] == "R2_ACCESS_KEY_ID")
        );
        assert_eq!(
            kit::leftovers(&desk.place.path().join("tmp")),
            Vec::<PathBuf>::new()
        );
        let uploads = store_in(&desk.root()).unfinished_uploads("").await;
        assert!(uploads.expect("a listing").is_empty());
    });
}

#[test]
fn a_drill_takes_the_newest_backup_of_a_directory() {
    run(async {
        let Some(desk) = Desk::new().await else { return };
        desk.runs(&["backup"], 0).await;
        let before = desk.keys();
        let report = desk.place.path().join("report");
        let report = report.to_str().expect("a path");
        let drill = [
            "drill",
            "--from-store",
            "--substrate",
            "local",
            "--report",
            report,
        ];
        desk.runs(&drill, 0).await;
        assert_eq!(desk.keys(), before);
    });
}

#[test]
fn objects_of_plain_tools_are_attested_and_read_by_plain_tools() {
    run(async {
        let Some(desk) = Desk::new().await else { return };
        let shell = async |script: &str, variables: &[(&str, &str)]| {
            let mut command = Command::new("bash");
            let programs = desk.postgres.installation.program("pg_dump");
            let programs = programs.parent().expect("a directory").display().to_string();
            command
                .args(["-ec", &format!("set -o pipefail; {script}")])
                .env(
                    "PATH",
                    format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()),
                )
                .env("SOURCE", desk.postgres.url(&desk.source))
                .env("TARGET", desk.postgres.url(&desk.target))
                .env("DISK", desk.root())
                .envs(variables.iter().copied());
            let ended = output(command).await;
            assert!(ended.status.success(), "{script}: {}", said(&ended));
        };
        let key = "2026/11/22/backup-20261122-020004.dump.gz";
        let dump = "mkdir -p $DISK/2026/11/22; pg_dump -Fc -d $SOURCE | gzip > $DISK/$KEY";
        shell(dump, &[("KEY", key)]).await;
        let listed = json(&desk.runs(&["list", "--json"], 0).await);
        assert_eq!(listed["backups"][0]["state"], "unattested");
        desk.runs(&["attest", key], 0).await;
        let listed = json(&desk.runs(&["list", "--json"], 0).await);
        assert_eq!(listed["backups"][0]["state"], "attested");

        let backup = json(&desk.runs(&["backup", "--json"], 0).await);
        let key = backup["backup"]["key"].as_str().expect("a key");
        let restore = "gunzip < $DISK/$KEY | pg_restore --no-owner --no-acl -d $TARGET";
        shell(restore, &[("KEY", key)]).await;
        desk.runs(&["verify", "--verify", "counts"], 3).await;
    });
}

#[test]
fn a_killed_upload_is_found_and_cleared() {
    run(async {
        let Some(desk) = Desk::new().await else { return };
        execute(&desk.source, "CREATE TABLE held (a int)").await;
        // A dump that never ends, so that the upload stays open.
        let programs = desk
            .postgres
            .with_scripted_dump("$REAL \"$@\" | head -c 3000; exec sleep 1000");
        let mut command = desk.command(&["backup"]);
        command.arg("--pg-bin").arg(programs.path());
        let mut child = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the program");
        let store = store_in(&desk.root());
        let open = async || store.unfinished_uploads("").await.expect("a listing").len();
        while open().await == 0 {
            assert!(child.try_wait().expect("a child").is_none(), "it ended by itself");
            tokio::task::yield_now().await;
        }
        child.kill().expect("a signal");
        child.wait().expect("an end");
        assert!(desk.keys().is_empty());
        assert_eq!(open().await, 1);
        desk.runs(&["backup"], 0).await;
        assert_eq!(open().await, 0);
    });
}

#[test]
fn a_disk_without_room_and_a_directory_without_rights_are_told() {
    run(async {
        let Some(desk) = Desk::new().await else { return };
        let mut full = Command::new("sh");
        let backup = desk.command(&["backup"]);
        full.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
            .arg(backup.get_program())
            .args(backup.get_args())
            .env_clear()
            .envs(backup.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ended = output(full).await;
        let told = said(&ended);
        assert_eq!(ended.status.code(), Some(6), "{told}");
        assert!(
            told.contains("ulimit -f") && told.contains(".paycraft-dr"),
            "{told}"
        );
        let left = store_in(&desk.root()).unfinished_uploads("").await;
        assert!(left.expect("a listing").is_empty());
        assert!(desk.keys().is_empty());

        // Root may write everywhere.
        if rustix::process::geteuid().is_root() {
            return;
        }
        std::fs::set_permissions(desk.root(), std::fs::Permissions::from_mode(0o500)).expect("permissions");
        let ended = desk.runs(&["backup"], 6).await;
        assert!(said(&ended).contains("read and write"), "{}", said(&ended));
    });
}

#[test]
fn a_status_fails_where_another_backup_has_no_room() {
    run(async {
        let Some(desk) = Desk::new().await else { return };
        desk.runs(&["backup"], 0).await;
        let status = ["status", "--no-drill", "--json"];
        let before = json(&desk.runs(&status, 0).await);
        assert_eq!(before["storage"]["met"], true, "{before}");
        let free = store_in(&desk.root()).free_bytes().await.expect("an answer");
        // Takes no room itself.
        let large = std::fs::File::create(desk.root().join("large")).expect("a file");
        large
            .set_len(free.expect("a figure") + (1 << 30))
            .expect("a sparse file");
        let after = json(&desk.runs(&status, 3).await);
        assert_eq!(after["storage"]["met"], false, "{after}");
    });
}

/// Keys of another store are often in the environment.
#[test]
fn a_directory_is_taken_where_keys_of_another_store_are_set() {
    run(async {
        let Some(desk) = Desk::new().await else { return };
        let root = format!("file://{}", desk.root().display());
        for (id, secret) in [
            ("R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"),
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ] {
            let mut list = desk.command(&["list", "--json"]);
            list.env_remove("R2_ENDPOINT_URL")
                .env("S3_ENDPOINT_URL", &root)
                .env("AWS_REGION", "eu-central-1")
                .env(id, "another's")
                .env(secret, "another's");
            let ended = output(list).await;
            assert_eq!(ended.status.code(), Some(0), "{id}: {}", said(&ended));
            assert_eq!(json(&ended)["backups"].as_array().map(Vec::len), Some(0), "{id}");
        }
    });
}

#[test]
fn a_bucket_that_is_named_is_a_directory_below() {
    run(async {
        let Some(desk) = Desk::new().await else { return };
        let ended = desk.runs(&["backup", "--bucket", "product"], 6).await;
        assert!(said(&ended).contains("mkdir -p -m 700"), "{}", said(&ended));
        std::fs::create_dir(desk.root().join("product")).expect("a directory");
        desk.runs(&["backup", "--bucket", "product", "--prefix", "p/q"], 0)
            .await;
        assert!(desk.root().join("product/p/q").is_dir());
        for bucket in ["..", "a/b", "."] {
            desk.runs(&["list", "--bucket", bucket], 2).await;
        }
        let mut list = desk.command(&["list", "--json", "--prefix", "p/q"]);
        let root = format!("file://{}", desk.root().display());
        list.env_remove("R2_ENDPOINT_URL")
            .env("S3_ENDPOINT_URL", root)
            .env("S3_BUCKET", "product");
        let listed = json(&output(list).await);
        assert_eq!(listed["backups"].as_array().map(Vec::len), Some(1), "{listed}");
    });
}
