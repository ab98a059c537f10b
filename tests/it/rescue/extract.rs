//! What is fetched for a table, what damage does to it, and how little it takes.

use super::{Rescue, bytes_read};
use crate::kit::{World, json, output, program, run, said};

/// Stored bytes of the blocks that hold this run of the archive.
fn stored(rescue: &Rescue, (offset, bytes): (u64, u64)) -> u64 {
    let mut start = 0;
    let mut sum = 0;
    for block in rescue.made.manifest.blocks.iter() {
        let end = start + block.raw_bytes;
        if offset < end && offset + bytes > start {
            sum += block.stored_bytes;
        }
        start = end;
    }
    sum
}

#[test]
fn only_the_blocks_of_the_table_and_the_head_are_fetched() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        let manifest = &rescue.made.manifest;
        assert!(manifest.blocks.len() > 5, "{} blocks", manifest.blocks.len());
        for table in ["users", "filler", "single", "events"] {
            let parts: &[&str] = match table {
                "events" => &["events_old", "events_new", "events_rest_all"],
                table => &[table],
            };
            let command = rescue.command(&["extract", &format!("public.{table}")]);
            let (ran, read) = bytes_read(command).await;
            assert!(ran.status.success(), "{}", said(&ran));
            let key = rescue.made.key.to_string();
            let fetched: u64 = read
                .iter()
                .filter(|(read, _)| *read == key)
                .map(|(_, bytes)| bytes)
                .sum();
            let ranges = parts.iter().map(|part| rescue.range(part));
            let start = ranges.clone().map(|(offset, _)| offset).min().expect("a part");
            let end = ranges
                .map(|(offset, bytes)| offset + bytes)
                .max()
                .expect("a part");
            let needed = stored(&rescue, (0, manifest.head_bytes)) + stored(&rescue, (start, end - start));
            assert!(fetched > 0 && fetched <= needed, "{table}: {fetched} of {needed}");
        }
    });
}

#[test]
fn a_damaged_block_ends_a_table_before_a_wrong_row_and_no_other_table() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        let whole = rescue.rows(&["filler"]).await;
        let (offset, bytes) = rescue.range("filler");
        rescue.damage(offset + bytes / 2);
        let broken = rescue.run(&["extract", "filler"]).await;
        assert_eq!(broken.status.code(), Some(8), "{}", said(&broken));
        assert!(whole.starts_with(&broken.stdout), "only right rows");
        assert!(
            broken.stdout.is_empty() || broken.stdout.ends_with(b"\n"),
            "only whole rows"
        );
        let told = String::from_utf8_lossy(&broken.stderr).into_owned();
        assert!(
            told.contains("bytes differ from those that were stored"),
            "{told}"
        );
        for table in ["users", "events"] {
            rescue.rows(&[table]).await;
        }

        // Damage before the first row leaves nothing at all, and no file.
        rescue.damage(offset + 1);
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("rows.csv");
        let mut command = rescue.command(&["extract", "filler", "--format", "csv", "--output"]);
        command.arg(&file);
        assert_eq!(output(command).await.status.code(), Some(8));
        assert_eq!(std::fs::read_dir(place.path()).expect("a directory").count(), 0);
        let broken = rescue.run(&["extract", "filler", "--format", "csv"]).await;
        assert_eq!((broken.status.code(), broken.stdout.len()), (Some(8), 0));
    });
}

#[test]
fn a_backup_without_ranges_is_read_from_its_beginning_and_says_so() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        let tables = ["users", "events", "single", "filler"];
        let mut expected = Vec::new();
        for table in tables {
            expected.push(rescue.rows(&[&format!("public.{table}")]).await);
        }
        rescue.forget_ranges();
        for (table, expected) in tables.iter().zip(&expected) {
            let ran = rescue.run(&["extract", &format!("public.{table}")]).await;
            assert!(ran.stdout == *expected, "{table}: {}", said(&ran));
            let told = String::from_utf8_lossy(&ran.stderr);
            assert!(
                told.contains("was made before backups recorded where tables are"),
                "{told}"
            );
        }

        // The same bytes as a foreign object without a manifest.
        let object = rescue.world.bucket.bytes(&rescue.made.key.to_string());
        let legacy = "2026/11/22/backup-20261122-020004.dump.gz";
        rescue.world.bucket.put(legacy, &object);
        for (table, expected) in tables.iter().zip(&expected) {
            let ran = rescue.run(&["extract", &format!("public.{table}"), legacy]).await;
            assert!(ran.stdout == *expected, "{table}: {}", said(&ran));
            let told = String::from_utf8_lossy(&ran.stderr);
            assert!(
                told.contains("is one stream, and is read from its beginning to the end of"),
                "{told}"
            );
            assert!(told.contains(" MiB of "), "what it costs: {told}");
        }
        let cut = &object[..object.len() - 1000];
        rescue.world.bucket.put(legacy, cut);
        let ran = rescue.run(&["extract", "public.users", legacy]).await;
        assert_eq!(
            (ran.status.code(), ran.stdout.len()),
            (Some(8), 0),
            "{}",
            said(&ran)
        );
    });
}

#[test]
fn a_pipe_that_closes_ends_it_quietly() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        let extract = rescue.command(&["extract", "filler"]);
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", "{ \"$0\" \"$@\"; echo \"ended with $?\" >&2; } | head -n 2"])
            .arg(extract.get_program())
            .args(extract.get_args())
            .env_clear()
            .envs(
                extract
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        let ran = output(shell).await;
        let told = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(
            ran.stdout.split(|byte| *byte == b'\n').count(),
            3,
            "{}",
            said(&ran)
        );
        assert!(told.contains("ended with 0") && !told.contains("error"), "{told}");
    });
}

#[test]
fn rows_go_into_a_file_that_appears_whole() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("users.csv");
        let name = file.to_str().expect("a path");
        let arguments = ["extract", "users", "--format", "csv", "--output", name, "--json"];
        let ran = rescue.run(&arguments).await;
        assert!(ran.status.success(), "{}", said(&ran));
        let document = json(&ran);
        assert_eq!(
            (&document["rows_read"], &document["rows_written"]),
            (&302.into(), &302.into())
        );
        assert_eq!(
            (&document["schema"], &document["table"]),
            (&"public".into(), &"users".into())
        );
        assert_eq!(document["backup_key"], rescue.made.key.to_string());
        let written = std::fs::read(&file).expect("a file");
        assert_eq!(written, rescue.rows(&["users", "--format", "csv"]).await);
        let again = rescue.run(&arguments).await;
        super::assert_refused(&again, 2, &["is there already", "--force"]);
        let forced = rescue
            .run(&[&arguments[..], &["--force", "--where", "id=1"]].concat())
            .await;
        assert!(forced.status.success(), "{}", said(&forced));
        assert_eq!(std::fs::read_to_string(&file).expect("a file").lines().count(), 2);
        let nowhere = rescue.run(&["extract", "users", "--json"]).await;
        super::assert_refused(&nowhere, 2, &["--output"]);
    });
}

/// Without a limit for data, as on other systems, there is nothing to see.
#[cfg(target_os = "linux")]
#[test]
fn a_table_larger_than_memory_is_written_in_little() {
    run(async {
        let Some(world) = World::new().await else { return };
        let rows = "CREATE TABLE notes AS SELECT n AS id, repeat(md5((n % 97)::text), 30) AS note FROM generate_series(1, 200000) AS n";
        let source = world.postgres.source(rows).await;
        let made = world.back_up(&source).await.expect("a backup");
        assert!(made.manifest.raw_bytes > 180 << 20, "{}", made.manifest.raw_bytes);
        for format in ["copy", "csv", "jsonl", "sql"] {
            let arguments = ["extract", "notes", "--format", format];
            let free = program(&arguments);
            let mut bound = std::process::Command::new("sh");
            bound
                .args(["-c", "ulimit -d 98304 && \"$0\" \"$@\" | wc -l"])
                .arg(free.get_program())
                .args(free.get_args())
                .env_clear()
                .envs(free.get_envs().filter_map(|(name, value)| Some((name, value?))))
                .envs(world.bucket.environment());
            let ran = output(bound).await;
            let lines: u32 = String::from_utf8_lossy(&ran.stdout)
                .trim()
                .parse()
                .expect("a number");
            assert!((200_000..=200_003).contains(&lines), "{format}: {}", said(&ran));
        }
    });
}
