//! `init`: the profile of a product, from its database.

use std::os::unix::fs::PermissionsExt;

use paycraft_dr::cli::config::Config;

use super::{BUCKET, Shop};
use crate::kit::{json, output, query, run, said};

#[test]
fn a_profile_is_written_and_the_product_is_backed_up_with_it() {
    run(async {
        let Some(shop) = Shop::open().await else { return };
        let endpoint = shop.server.endpoint();
        let arguments = [
            "init",
            "--yes",
            "--name",
            "shop",
            "--endpoint",
            &endpoint,
            "--bucket",
            BUCKET,
            "--json",
        ];
        let written = output(shop.command(&arguments)).await;
        assert_eq!(written.status.code(), Some(0), "{}", said(&written));
        let document = json(&written);
        let tables: Vec<&str> = document["tables"]
            .as_array()
            .expect("tables")
            .iter()
            .filter_map(|table| table.as_str())
            .collect();
        assert_eq!(tables.len(), 6, "{tables:?}");
        assert!(tables[..4].contains(&"public.auth_user"), "{tables:?}");
        assert!(tables[..4].contains(&"public.shop_order"), "{tables:?}");
        assert_eq!(document["next"][0], "paycraft-dr doctor");
        let file = shop.path().join("paycraft-dr.toml");
        let permissions = std::fs::metadata(&file).expect("a file").permissions();
        assert_eq!(permissions.mode() & 0o777, 0o644);
        let text = std::fs::read_to_string(&file).expect("a file");
        let password = shop.postgres.url(&shop.source);
        let password = password.split([':', '@']).nth(2).expect("a password");
        assert!(!text.contains(password), "{text}");
        let product = Config::read(&file).expect("a configuration").product;
        let cluster = query(
            &shop.source,
            "SELECT system_identifier::text FROM pg_control_system()",
        )
        .await;
        assert!(product.production.system_identifiers.contains(&cluster));
        // A new server's database is often called the same.
        assert!(product.production.databases.is_empty());
        // A loopback address is another machine for each that uses it.
        assert!(product.production.hosts.is_empty());

        let made = output(shop.command(&["backup"])).await;
        assert_eq!(made.status.code(), Some(0), "{}", said(&made));
        assert!(!said(&made).contains("has no table"), "{}", said(&made));
        let target = shop.target().await;
        let refused = output(shop.onto(&target, &["restore"])).await;
        assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));

        // What is there stays.
        let again = output(shop.command(&arguments)).await;
        assert_eq!(again.status.code(), Some(4), "{}", said(&again));
        assert!(said(&again).contains("--force"));
        assert_eq!(std::fs::read_to_string(&file).expect("a file"), text);
        let mut forced = shop.command(&arguments);
        forced.args(["--force", "--table", "shop_order", "--table", "billing.invoice"]);
        let forced = output(forced).await;
        assert_eq!(forced.status.code(), Some(0), "{}", said(&forced));
        assert_eq!(
            json(&forced)["tables"],
            serde_json::json!(["public.shop_order", "billing.invoice"])
        );
    });
}

#[test]
fn what_is_not_known_is_asked_for_by_name() {
    run(async {
        let Some(shop) = Shop::open().await else { return };
        for (arguments, code, says) in [
            (&["init"][..], 2, "--yes"),
            (&["init", "--yes"], 2, "--bucket NAME"),
            (
                &["init", "--yes", "--bucket", "b", "--table", "orders"],
                2,
                "no table \"orders\"",
            ),
            (
                &[
                    "init",
                    "--yes",
                    "--bucket",
                    "b",
                    "--endpoint",
                    "https://me:secret@host",
                ],
                2,
                "S3_ACCESS_KEY_ID",
            ),
            (
                &["init", "--yes", "--bucket", "b", "--output", "no/such/place.toml"],
                2,
                "--output",
            ),
            (
                &["init", "--yes", "--source", "postgresql://me@127.0.0.1:1/x"],
                5,
                "cannot connect",
            ),
        ] {
            let ended = output(shop.command(arguments)).await;
            assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {}", said(&ended));
            assert!(said(&ended).contains(says), "{arguments:?}: {}", said(&ended));
        }
        let mut without = shop.command(&["init", "--yes"]);
        without.env_remove("SOURCE_DB_URL");
        assert!(said(&output(without).await).contains("set SOURCE_DB_URL"));
        assert!(!shop.path().join("paycraft-dr.toml").exists());
    });
}
