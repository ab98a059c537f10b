//! Every verb on a shop's database, and no word in what they say that only PayCraft's users know.

use std::process::Output;

use super::Shop;
use crate::kit::{json, output, query, run, said};

/// What no user of another product has heard of. The program's own name is no such word.
fn foreign_words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let text = text.replace("paycraft-dr", "").replace("paycraft_dr", "");
    let words = text.split(|mark: char| !mark.is_ascii_alphanumeric());
    let is_foreign = |word: &&str| {
        *word == "r2"
            || ["supabase", "tenant", "paycraft"]
                .iter()
                .any(|known| word.contains(known))
    };
    words.filter(is_foreign).map(str::to_owned).collect()
}

#[test]
fn words_of_paycraft_are_found() {
    assert_eq!(
        foreign_words("set R2_BUCKET in paycraft-dr.toml of PayCraft's tenants"),
        ["r2", "paycraft", "tenants"]
    );
    assert!(foreign_words("PAYCRAFT_DR_CONFIG, paycraft-dr r2d2").is_empty());
}

#[track_caller]
fn assert_plain(what: &[&str], ended: &Output, code: i32) {
    let said = said(ended);
    assert_eq!(ended.status.code(), Some(code), "{what:?}: {said}");
    let found = foreign_words(&said);
    assert!(found.is_empty(), "{what:?} says {found:?}:\n{said}");
}

#[test]
fn a_shop_is_backed_up_restored_verified_and_drilled_in_its_own_words() {
    run(async {
        let Some(shop) = Shop::open().await else { return };
        shop.configure("databases = [\"shop\"]");
        for arguments in [&["backup", "--json", "-v"][..], &["backup", "-v"]] {
            assert_plain(arguments, &output(shop.command(arguments)).await, 0);
        }
        let target = shop.target().await;
        let restored = output(shop.onto(&target, &["restore", "--json"])).await;
        assert_plain(&["restore", "--json"], &restored, 0);
        let document = json(&restored);
        assert_eq!(document["verdict"], "proven");
        assert_eq!(
            document["canonical_counts"],
            serde_json::json!({ "auth_user": 100, "shop_order": 400, "shop_country": 3, "billing.invoice": 30 })
        );
        let names: Vec<&str> = document["checks"]
            .as_array()
            .expect("checks")
            .iter()
            .filter_map(|check| check["name"].as_str())
            .collect();
        assert!(names.contains(&"counts"), "{names:?}");
        assert_eq!(
            query(&target, "SELECT count(*)::text FROM shop_order").await,
            "400"
        );

        for (arguments, code) in [
            (&["list"][..], 0),
            (&["list", "--json", "-v"], 0),
            (&["verify", "-v"], 0),
            (&["verify", "--against", "--json"], 0),
            (&["verify", "--object"], 0),
            (&["status", "--no-drill"], 0),
            (&["status", "--json"], 3),
            // The target holds something.
            (&["doctor"], 3),
            (&["doctor", "--write", "--json"], 3),
            (&["restore"], 4),
            (&["restore", "--clean", "-v"], 0),
            (&["prune", "--dry-run"], 0),
            (&["config", "show"], 0),
        ] {
            assert_plain(arguments, &output(shop.onto(&target, arguments)).await, code);
        }
        let drill = [
            "drill",
            "--from-store",
            "--substrate",
            "local",
            "--log",
            "log.md",
            "--json",
        ];
        let drilled = output(shop.command(&drill)).await;
        assert_plain(&drill, &drilled, 0);
        assert_plain(&drill[..4], &output(shop.command(&drill[..4])).await, 0);
        let kept = std::fs::read_dir(shop.path().join("drills"))
            .expect("a directory")
            .flatten();
        let mut looked_at = 0;
        for path in kept.map(|entry| entry.path()).chain([shop.path().join("log.md")]) {
            let text = std::fs::read_to_string(&path).expect("evidence");
            assert!(foreign_words(&text).is_empty(), "{}: {text}", path.display());
            looked_at += 1;
        }
        assert_eq!(looked_at, 3);
        // Its own promises are what is held.
        assert_eq!(json(&drilled)["rto"]["objective_seconds"], 7200.0);
        assert_eq!(json(&drilled)["rpo"]["objective_seconds"], 43_200.0);
        let status = json(&output(shop.command(&["status", "--json", "--log", "log.md"])).await);
        assert_eq!(status["rpo"]["objective_seconds"], 43_200);
        let rpo = status["checks"][0]["detail"].as_str().expect("a detail");
        assert!(rpo.contains("03:30 UTC"), "{rpo}");
    });
}

#[test]
fn what_goes_wrong_is_told_in_the_names_that_a_shop_sets() {
    run(async {
        let Some(shop) = Shop::open().await else { return };
        shop.configure("");
        for (arguments, unset, code, says) in [
            (&["backup"][..], "SOURCE_DB_URL", 2, "set SOURCE_DB_URL"),
            (&["list"], "S3_SECRET_ACCESS_KEY", 2, "S3_SECRET_ACCESS_KEY"),
            (&["doctor"], "S3_SECRET_ACCESS_KEY", 3, "S3_SECRET_ACCESS_KEY"),
            (&["doctor", "--json"], "SOURCE_DB_URL", 3, "SOURCE_DB_URL"),
            (&["backup", "--endpoint", "ftp://x"], "NONE", 2, "https://"),
            (
                &["list", "--endpoint", "http://127.0.0.1:1"],
                "NONE",
                6,
                "S3_ENDPOINT_URL",
            ),
            (
                &["verify", "--object", "--bucket", "other"],
                "NONE",
                6,
                "S3_BUCKET",
            ),
            (&["verify", "--object"], "NONE", 6, "backup"),
        ] {
            let mut command = shop.command(arguments);
            command.env_remove(unset);
            let ended = output(command).await;
            assert_plain(arguments, &ended, code);
            assert!(said(&ended).contains(says), "{arguments:?}: {}", said(&ended));
        }
        let mut wrong = shop.command(&["list"]);
        wrong.env("S3_SECRET_ACCESS_KEY", "guess");
        let ended = output(wrong).await;
        assert_plain(&["list"], &ended, 6);
        assert!(
            said(&ended).contains("check S3_SECRET_ACCESS_KEY"),
            "{}",
            said(&ended)
        );

        // A backup that lost much, and one of another source.
        assert_plain(&["backup"], &output(shop.command(&["backup"])).await, 0);
        shop.execute(
            "DELETE FROM billing.invoice; DELETE FROM shop_order; DELETE FROM shop_country WHERE code = 'CH'",
        )
        .await;
        let ended = output(shop.command(&["backup"])).await;
        assert_plain(&["backup"], &ended, 0);
        let told = said(&ended);
        for reason in [
            "public.shop_order holds no row instead of 400",
            "public.shop_country holds 2 rows, and always held 3",
            "billing.invoice holds no row instead of 30",
        ] {
            assert!(told.contains(reason), "{reason}: {told}");
        }
        let ended = output(shop.command(&["status", "--no-drill"])).await;
        assert_plain(&["status"], &ended, 3);
        assert!(
            said(&ended).contains("check what SOURCE_DB_URL leads to"),
            "{}",
            said(&ended)
        );
        assert_plain(&["doctor"], &output(shop.command(&["doctor"])).await, 3);
        let other = shop.target().await;
        let mut foreign = shop.command(&["verify", "--object"]);
        foreign.env("SOURCE_DB_URL", shop.postgres.url(&other));
        let ended = output(foreign).await;
        assert_plain(&["verify"], &ended, 4);
        assert!(
            said(&ended).contains("SOURCE_DB_URL and the key prefix (S3_PREFIX)"),
            "{}",
            said(&ended)
        );
    });
}

#[test]
fn production_by_each_of_its_names_is_never_written() {
    run(async {
        let Some(shop) = Shop::open().await else { return };
        shop.configure("");
        assert_plain(&["backup"], &output(shop.command(&["backup"])).await, 0);
        let target = shop.target().await;
        let cluster = query(&target, "SELECT system_identifier::text FROM pg_control_system()").await;
        let database = target.database().to_owned();
        for (production, says) in [
            (
                "hosts = [\"127.0.0.1\"]".to_owned(),
                "is on the production host 127.0.0.1",
            ),
            (
                format!("databases = [{database:?}]"),
                "has the name of the production database",
            ),
            (
                format!("system_identifiers = [{cluster:?}]"),
                "is in the production cluster",
            ),
        ] {
            shop.configure(&production);
            for arguments in [&["restore"][..], &["restore", "--clean"]] {
                let ended = output(shop.onto(&target, arguments)).await;
                assert_plain(arguments, &ended, 4);
                assert!(said(&ended).contains(says), "{arguments:?}: {}", said(&ended));
            }
        }
        let tables = "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(query(&target, tables).await, "0");
        // With consent it may be written.
        let arguments = ["restore", "--confirm-prod-restore=YES", "--yes-really", &database];
        assert_plain(&arguments, &output(shop.onto(&target, &arguments)).await, 0);

        // PayCraft's own production is refused under any profile.
        shop.configure("projects = [\"abcdefghijklmnopqrst\"]");
        let mut command = shop.command(&["restore"]);
        command.env(
            "TARGET_DB_URL",
            "postgresql://postgres:pw@db.mlwfgytjxlqyfxcgpysm.supabase.co:5432/postgres",
        );
        let ended = output(command).await;
        assert_eq!(ended.status.code(), Some(4), "{}", said(&ended));
    });
}
