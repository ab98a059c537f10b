//! `config show`: every setting, its value, and where it is set.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::docs::page::read;
use crate::kit::{json, output, program, run, said, secret_file};

fn rows(document: &Value) -> BTreeMap<String, (Value, String)> {
    let rows = document["settings"].as_array().expect("settings").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    rows.map(|row| (text(&row["setting"]), (row["value"].clone(), text(&row["from"]))))
        .collect()
}

#[test]
fn every_value_is_shown_with_its_place_and_no_secret() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        let secret = secret_file(place.path(), "secret", "hunter2-in-a-file");
        let file = place.path().join("shop.toml");
        let text = format!(
            "[product]\nname = \"shop\"\nrpo = \"12h\"\n[[product.table]]\nname = \"auth_user\"\n\
             [store]\nbucket = \"of-the-file\"\nprefix = \"of/the/file\"\nsecret_access_key_file = {secret:?}\n\
             [retention]\nkeep = 9\n"
        );
        std::fs::write(&file, text).expect("a file");
        let shown = |arguments: &[&str]| {
            let mut command = program(&["--config"]);
            command
                .arg(&file)
                .args(["config", "show"])
                .args(arguments)
                .env(
                    "SOURCE_DB_URL",
                    "postgresql://me:hunter2-in-a-url@db.shop.example/shop",
                )
                .env("S3_PREFIX", "of/the/environment")
                .env("S3_ACCESS_KEY_ID", "hunter2-the-key")
                .env("PAYCRAFT_PING_URL", "https://ping.example/hunter2-the-ping");
            output(command)
        };
        let (told, document) = (
            shown(&[]).await,
            shown(&["--json", "--endpoint", "https://s3.shop.example"]).await,
        );
        for ended in [&told, &document] {
            assert_eq!(ended.status.code(), Some(0), "{}", said(ended));
            assert!(!said(ended).contains("hunter2"), "{}", said(ended));
        }
        let rows = rows(&json(&document));
        let in_file = |setting: &str| format!("file {}: {setting}", file.display());
        for (setting, value, from) in [
            (
                "store.endpoint",
                "https://s3.shop.example".into(),
                "flag --endpoint".to_owned(),
            ),
            ("store.bucket", "of-the-file".into(), in_file("store.bucket")),
            (
                "store.prefix",
                "of/the/environment".into(),
                "environment variable S3_PREFIX".to_owned(),
            ),
            (
                "store.access_key_id",
                Value::Null,
                "environment variable S3_ACCESS_KEY_ID".to_owned(),
            ),
            (
                "store.secret_access_key",
                Value::Null,
                in_file("store.secret_access_key_file"),
            ),
            (
                "source",
                "me@db.shop.example:5432/shop".into(),
                "environment variable SOURCE_DB_URL".to_owned(),
            ),
            ("target", Value::Null, "not set".to_owned()),
            ("product.name", "shop".into(), in_file("product.name")),
            ("product.rpo", "12 h 0 min".into(), in_file("product.rpo")),
            ("product.rto", "4 h 0 min".into(), "default".to_owned()),
            (
                "product.table",
                "public.auth_user (exact)".into(),
                in_file("product.table"),
            ),
            ("retention.keep", "9".into(), in_file("retention.keep")),
            ("retention.days", "30".into(), "default".to_owned()),
            (
                "notify.ping_url",
                Value::Null,
                "environment variable PAYCRAFT_PING_URL".to_owned(),
            ),
        ] {
            assert_eq!(rows.get(setting), Some(&(value, from)), "{setting}");
        }
    });
}

#[test]
fn no_setting_is_left_out() {
    run(async {
        let shown = output(program(&["config", "show", "--json", "--config", "/dev/null"])).await;
        let rows = rows(&json(&shown));
        assert_eq!(
            rows["store.bucket"],
            ("paycraft-backups".into(), "default".to_owned())
        );
        let told: BTreeSet<String> = rows.keys().map(|setting| whole(setting)).collect();
        // A line such as `# days = 30`, below `[retention]`, is the setting `retention.days`.
        let (mut section, mut missing) = (String::new(), Vec::new());
        for line in read("fixtures/paycraft-dr.toml").lines() {
            let line = line.trim_start_matches("# ");
            if line.starts_with('[') {
                section = line.trim_matches(['[', ']']).to_owned();
                continue;
            }
            let Some((key, _)) = line.split_once(" = ") else {
                continue;
            };
            if key.contains(' ') {
                continue;
            }
            let setting = match section.as_str() {
                "accept" | "cutover.step" | "product.table" => section.clone(),
                section => whole(&format!("{section}.{key}")),
            };
            missing.extend((!told.contains(&setting)).then_some(setting));
        }
        assert!(missing.is_empty(), "{missing:?}");
    });
}

/// A setting without the ending of one that names a file for it.
fn whole(setting: &str) -> String {
    match setting {
        "source.url_file" => "source".to_owned(),
        "target.url_file" => "target".to_owned(),
        setting => setting.strip_suffix("_file").unwrap_or(setting).to_owned(),
    }
}
