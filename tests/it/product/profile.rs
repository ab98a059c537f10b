//! What a profile may say, and what it is without saying it.

use std::time::Duration;

use paycraft_dr::cli::config::Config;
use paycraft_dr::model::comparison::counts_against;
use paycraft_dr::model::product::{CountRule, CountedTables, Product, TableCounts};
use paycraft_dr::model::verdict::CheckOutcome;

use crate::docs::page::read;

fn parse(text: &str) -> Result<Product, String> {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("profile.toml");
    std::fs::write(&file, text).expect("a file");
    let read = Config::read(&file).map(|config| config.product);
    read.map_err(|error| error.causes().join("; "))
}

#[test]
fn without_a_name_it_is_paycrafts_and_with_one_nothing_of_it_is() {
    let paycraft = Product::default();
    assert_eq!(parse("").expect("a profile"), paycraft);
    assert_eq!(
        parse("[product]\nname = \"paycraft\"").expect("a profile"),
        paycraft
    );
    let slower = parse("[product]\nrto = \"8h\"").expect("a profile");
    assert_eq!(slower.tables, CountedTables::PAYCRAFT);
    assert_eq!(slower.objectives.rto, Duration::from_hours(8));
    let shop = parse("[product]\nname = \"shop\"").expect("a profile");
    assert_eq!(shop.tables, CountedTables::NONE);
    // But its production is refused for each.
    assert_eq!(shop.production, paycraft.production);
}

#[test]
fn the_shipped_profile_of_another_product_is_one() {
    let shop = parse(&read("fixtures/django.toml")).expect("a profile");
    assert_eq!((shop.name.as_str(), shop.is_paycraft()), ("shop", false));
    let rules: Vec<(String, CountRule)> = shop
        .tables
        .iter()
        .map(|table| (table.to_string(), table.rule))
        .collect();
    assert_eq!(
        rules,
        [
            ("public.auth_user".to_owned(), CountRule::Exact),
            ("public.shop_order".to_owned(), CountRule::Within(5)),
            ("public.shop_country".to_owned(), CountRule::Always(3)),
        ]
    );
    assert!(shop.production.hosts.contains("db.shop.example"));
    assert_eq!(shop.schedule.drills.to_string(), "first Tuesday");
}

#[test]
fn what_means_nothing_is_refused() {
    for (text, says) in [
        ("nonsense = 1", "unknown field `nonsense`"),
        ("name = \"\"", "a name of one line"),
        ("rpo = \"soon\"", "rpo"),
        ("backup_at = \"25:00\"", "backup_at"),
        ("drills = \"second Monday\"", "first Monday"),
        ("[product.production]\nhost = \"x\"", "unknown field `host`"),
        ("[[product.table]]\nexact = true", "missing field `name`"),
        ("[[product.table]]\nname = \"\"", "not empty"),
        // Each is known by its short name: one of two would not be compared.
        (
            "[[product.table]]\nname = \"t\"\n[[product.table]]\nname = \"t\"\nwithin = 1",
            "two counted tables are called \"t\"",
        ),
        (
            "[[product.table]]\nname = \"a.t\"\n[[product.table]]\nschema = \"a\"\nname = \"t\"",
            "two counted tables are called \"a.t\"",
        ),
        (
            "[[product.table]]\nname = \"t\"\nexact = true\nwithin = 1",
            "one of exact",
        ),
        ("[[product.table]]\nname = \"t\"\nexact = false", "one of exact"),
        ("[[product.table]]\nname = \"t\"\nwithin = -1", "within"),
        (
            "[[product.table]]\nname = \"t\"\nat_most = 1",
            "unknown field `at_most`",
        ),
    ] {
        let refused = parse(&format!("[product]\n{text}")).expect_err(text);
        assert!(refused.contains(says), "{text}: {refused}");
    }
}

#[test]
fn each_table_is_held_to_its_rule() {
    let counts = |rows: [Option<u64>; 3]| -> TableCounts {
        ["auth_user", "shop_order", "shop_country"]
            .map(str::to_owned)
            .into_iter()
            .zip(rows)
            .collect()
    };
    let shop = parse(&read("fixtures/django.toml")).expect("a profile");
    for (found, other, outcome) in [
        (
            [Some(7), Some(100), Some(3)],
            [Some(7), Some(105), Some(3)],
            CheckOutcome::Passed,
        ),
        (
            [Some(7), Some(100), Some(3)],
            [Some(8), Some(100), Some(3)],
            CheckOutcome::Failed,
        ),
        (
            [Some(7), Some(100), Some(3)],
            [Some(7), Some(94), Some(3)],
            CheckOutcome::Failed,
        ),
        (
            [Some(7), Some(100), Some(4)],
            [Some(7), Some(100), Some(4)],
            CheckOutcome::Failed,
        ),
        (
            [None, Some(100), Some(3)],
            [Some(7), Some(100), Some(3)],
            CheckOutcome::Failed,
        ),
        (
            [Some(7), Some(100), Some(3)],
            [Some(7), None, Some(3)],
            CheckOutcome::Failed,
        ),
    ] {
        let check = counts_against(&shop.tables, &counts(found), &counts(other));
        assert_eq!(
            check.outcome, outcome,
            "{found:?} and {other:?}: {}",
            check.detail
        );
    }
}

#[test]
fn settings_are_named_as_a_products_users_know_them() {
    let told = "set R2_ACCESS_KEY_ID_FILE, or SUPABASE_DB_URL";
    assert_eq!(Product::default().worded(told), told);
    assert_eq!(
        Product::named("shop").worded(told),
        "set S3_ACCESS_KEY_ID_FILE, or SOURCE_DB_URL"
    );
}
