//! What is written is what the server itself writes, and what it takes.

use std::process::Command;

use futures_util::TryStreamExt;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::queries;
use paycraft_dr::postgres::session::Session;

use super::{Rescue, TABLES};
use crate::kit::{execute, output, query, run, said};

/// What `COPY … TO STDOUT` of the database says, in a session like the dump's.
async fn copied(rescue: &Rescue, database: &Conninfo, copy: &str) -> Vec<u8> {
    let session = Session::connect(database).await.expect("a connection");
    let settings = &rescue.made.manifest.copy_settings;
    queries::apply_copy_settings(&session, settings)
        .await
        .expect("settings");
    let rows = session
        .client()
        .copy_out(copy)
        .await
        .unwrap_or_else(|error| panic!("{copy}: {error}"));
    let pieces: Vec<bytes::Bytes> = rows.try_collect().await.expect("rows");
    pieces.concat()
}

fn sorted(rows: &[u8]) -> Vec<&[u8]> {
    let mut rows: Vec<&[u8]> = rows.split_inclusive(|byte| *byte == b'\n').collect();
    rows.sort_unstable();
    rows
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const COLUMNS: &str = "(id, name, note, balance, ratio, active, data, raw, tags, at, cost)";

#[test]
fn copy_and_csv_are_the_bytes_of_the_server() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        for (typed, table) in [
            ("public.users", format!("public.users {COLUMNS}")),
            ("users", format!("public.users {COLUMNS}")),
            (
                "\"Odd.Schema\".\"Ta\"\"ble, x\"",
                "\"Odd.Schema\".\"Ta\"\"ble, x\"".to_owned(),
            ),
            ("public.single", "public.single".to_owned()),
            ("nothing", "public.nothing".to_owned()),
            ("empty", "public.empty".to_owned()),
            ("filler", "public.filler".to_owned()),
            ("events_new", "public.events_new".to_owned()),
        ] {
            let plain = rescue.rows(&[typed]).await;
            let expected = copied(&rescue, &rescue.source, &format!("COPY {table} TO STDOUT")).await;
            assert!(
                plain == expected,
                "{typed}: {} or {}",
                text(&plain),
                text(&expected)
            );
            let csv = rescue.rows(&[typed, "--format", "csv"]).await;
            let copy = format!("COPY {table} TO STDOUT (FORMAT csv, HEADER)");
            let expected = copied(&rescue, &rescue.source, &copy).await;
            assert!(csv == expected, "{typed}: {} or {}", text(&csv), text(&expected));
        }
    });
}

#[test]
fn a_partitioned_table_is_all_its_partitions_with_its_own_columns() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        for (typed, query) in [
            ("public.events", "SELECT * FROM public.events"),
            ("events_rest", "SELECT * FROM public.events_rest"),
        ] {
            let rows = rescue.rows(&[typed]).await;
            let expected = copied(&rescue, &rescue.source, &format!("COPY ({query}) TO STDOUT")).await;
            assert!(!rows.is_empty(), "{typed}");
            assert_eq!(sorted(&rows), sorted(&expected), "{typed}");
        }
    });
}

#[test]
fn conditions_and_columns_pick_the_rows_that_the_server_picks() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        for (arguments, query) in [
            (
                &["users", "--where", "id=17", "--columns", "name,id"][..],
                "SELECT name, id FROM public.users WHERE id = 17",
            ),
            (
                &["users", "--where", "balance<10", "--columns", "id"],
                "SELECT id FROM public.users WHERE balance < 10",
            ),
            (
                &["users", "--where", "balance>=370", "--columns", "id"],
                "SELECT id FROM public.users WHERE balance >= 370",
            ),
            (
                &[
                    "users",
                    "--where",
                    "cost>9",
                    "--where",
                    "active=true",
                    "--columns",
                    "id",
                ],
                "SELECT id FROM public.users WHERE cost > 9 AND active",
            ),
            (
                &["users", "--where", "note IS NULL", "--columns", "id,note"],
                "SELECT id, note FROM public.users WHERE note IS NULL",
            ),
            (
                &["users", "--where", "note=", "--columns", "id,note"],
                "SELECT id, note FROM public.users WHERE note = ''",
            ),
            (
                &["users", "--where", "note!=note 2", "--columns", "id"],
                "SELECT id FROM public.users WHERE note <> 'note 2'",
            ),
            (
                &["users", "--where", "name>user 9"],
                "SELECT id, name, note, balance, ratio, active, data, raw, tags, at, cost FROM public.users WHERE name COLLATE \"C\" > 'user 9'",
            ),
            (
                &[
                    "events",
                    "--where",
                    "id<=40",
                    "--where",
                    "at>2025-12-20",
                    "--columns",
                    "body,at",
                ],
                "SELECT body, at FROM public.events WHERE id <= 40 AND at > '2025-12-20'",
            ),
            (
                &[
                    "\"Odd.Schema\".\"Ta\"\"ble, x\"",
                    "--where",
                    "\"Id\"=2",
                    "--columns",
                    "\"a b, c\",\"Id\"",
                ],
                "SELECT \"a b, c\", \"Id\" FROM \"Odd.Schema\".\"Ta\"\"ble, x\" WHERE \"Id\" = 2",
            ),
        ] {
            let rows = rescue.rows(arguments).await;
            let expected = copied(&rescue, &rescue.source, &format!("COPY ({query}) TO STDOUT")).await;
            assert!(!expected.is_empty(), "{query}");
            assert_eq!(
                text(&rows).lines().collect::<std::collections::BTreeSet<_>>(),
                text(&expected).lines().collect(),
                "{arguments:?}"
            );
            let csv = rescue.rows(&[arguments, &["--format", "csv"]].concat()).await;
            let copy = format!("COPY ({query}) TO STDOUT (FORMAT csv, HEADER)");
            let expected = copied(&rescue, &rescue.source, &copy).await;
            assert_eq!(sorted(&csv), sorted(&expected), "{arguments:?}");
        }
        let ran = rescue
            .run(&["extract", "users", "--where", "id=17", "--where", "name=x"])
            .await;
        let told = text(&ran.stderr);
        assert!(told.contains("id = 17, compared as numbers"), "{told}");
        assert!(told.contains("name = x, compared as text"), "{told}");
    });
}

#[test]
fn inserts_that_psql_takes_make_an_equal_table() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        let target = rescue.world.postgres.database(Side::Target).await;
        execute(&target, TABLES).await;
        let place = tempfile::tempdir().expect("a directory");
        for (typed, select) in [
            (
                "public.users",
                "SELECT id, name, note, balance, ratio, active, data, raw, tags, at, cost, doubled FROM public.users",
            ),
            (
                "\"Odd.Schema\".\"Ta\"\"ble, x\"",
                "SELECT * FROM \"Odd.Schema\".\"Ta\"\"ble, x\"",
            ),
            ("public.single", "SELECT * FROM public.single"),
            ("nothing", "SELECT * FROM public.nothing"),
            ("events", "SELECT * FROM public.events"),
            ("empty", "SELECT * FROM public.empty"),
        ] {
            let sql = rescue.rows(&[typed, "--format", "sql"]).await;
            assert!(
                text(&sql)
                    .lines()
                    .last()
                    .is_some_and(|line| line.starts_with("-- all ")),
                "{}",
                text(&sql)
            );
            let file = place.path().join("rows.sql");
            std::fs::write(&file, &sql).expect("a file");
            let table = select.rsplit(" FROM ").next().expect("a table");
            execute(&target, &format!("TRUNCATE {table}")).await;
            let mut psql = Command::new(rescue.world.postgres.installation.program("psql"));
            psql.args([
                "--no-psqlrc",
                "--quiet",
                "--single-transaction",
                "--set",
                "ON_ERROR_STOP=1",
                "--file",
            ])
            .arg(&file)
            .arg(rescue.world.postgres.url(&target));
            let loaded = output(psql).await;
            assert!(loaded.status.success(), "{typed}: {}", said(&loaded));
            let copy = format!("COPY ({select}) TO STDOUT");
            let rows = copied(&rescue, &target, &copy).await;
            let expected = copied(&rescue, &rescue.source, &copy).await;
            assert_eq!(sorted(&rows), sorted(&expected), "{typed}");
        }
        assert_eq!(query(&target, "SELECT count(*)::text FROM users").await, "302");
    });
}

#[test]
fn lines_of_json_have_the_types_of_the_columns() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        let rows = rescue.rows(&["users", "--format", "jsonl"]).await;
        let rows: Vec<serde_json::Value> = text(&rows)
            .lines()
            .map(|line| serde_json::from_str(line).expect("an object"))
            .collect();
        assert_eq!(rows.len(), 302);
        let first = &rows[0];
        assert_eq!(first["id"], 1);
        assert_eq!(first["balance"].to_string(), "1.25");
        assert_eq!(first["active"], false);
        assert_eq!(
            (first["note"].as_str(), &rows[2]["note"]),
            (Some(""), &serde_json::Value::Null)
        );
        assert_eq!(first["data"], "{\"n\": 1}");
        assert_eq!(first["tags"], "{a,NULL,\"b \\\"c\\\"\"}");
        // A domain over a domain over bigint.
        assert_eq!(first["cost"], 1);
        let odd = &rows[300];
        assert_eq!(odd["name"], "tab\tnewline\nreturn\rslash\\quote'\"comma,");
        assert_eq!(
            (&odd["balance"], &odd["ratio"]),
            (&"NaN".into(), &"-Infinity".into())
        );
        assert_eq!(rows[301]["name"], "\u{8}\u{c}\u{b} é 🌍");
        assert_eq!(rows[301]["note"], "\\N");
        assert!(
            first.get("doubled").is_none(),
            "a generated column is not stored: {first}"
        );
        let names: Vec<&String> = first.as_object().expect("an object").keys().collect();
        assert_eq!(names.len(), 11);
    });
}
