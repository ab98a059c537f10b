//! A product on Supabase: its whole database backed up by the project's owner, and restored into a fresh project.

pub mod project;
mod rules;
mod targets;

use std::process::Command;

use paycraft_dr::model::comparison::ContentComparison;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::manifest::Manifest;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::queries;
use paycraft_dr::postgres::session::Session;
use paycraft_dr::recovery::restore::Restored;
use paycraft_dr::recovery::roles;

use self::project::{Supabase, supabase};
use super::kit::{
    Silent, Warnings, World, assert_proven, execute, failed, json, output, program, query, run,
};

/// Supabase's server, a store, and a backup of the product in it.
async fn backed_up() -> Option<(World, &'static Supabase, Conninfo)> {
    let world = World::new().await?;
    let supabase = supabase(world.postgres);
    let product = supabase.product(Side::Source).await;
    world.back_up(&product).await.expect("a backup");
    Some((world, supabase, product))
}

async fn restored(world: &World, target: &Conninfo) -> Restored {
    let restored = world.restore_into(Selector::Latest, target.clone()).await;
    let restored = restored.unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
    let verification = &restored.verification;
    assert_proven(verification);
    restored
}

/// Makes the roles of a backup on a plain server, where others may make the same ones meanwhile.
async fn make_roles(target: &Conninfo, manifest: &Manifest) {
    let session = Session::connect(target).await.expect("a connection");
    let missing = queries::missing_roles(&session, &manifest.needed_roles()).await;
    let missing = missing.expect("an answer");
    roles::create(&session, manifest, &missing, &Silent)
        .await
        .expect("roles");
}

#[test]
fn the_plain_tools_fail_here_as_on_the_real_thing() {
    run(async {
        let Some(world) = World::new().await else { return };
        let supabase = supabase(world.postgres);
        let (product, fresh) = (
            supabase.product(Side::Source).await,
            supabase.fresh(Side::Target).await,
        );
        let directory = tempfile::tempdir().expect("a directory");
        let archive = directory.path().join("archive");
        let dump = |more: &[&str]| {
            let mut dump = Command::new(world.postgres.installation.program("pg_dump"));
            dump.args(["--format=custom", "--file"]).arg(&archive).args(more);
            dump.args(["--dbname", &supabase.url(&product)]);
            dump
        };
        let refused = output(dump(&[])).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("permission denied for table migrations"), "{said}");
        assert!(
            output(dump(&["--exclude-table=storage.migrations"]))
                .await
                .status
                .success()
        );
        let mut restore = Command::new(world.postgres.installation.program("pg_restore"));
        restore.args(["--clean", "--if-exists", "--no-owner", "--no-acl"]);
        restore.args(["--dbname", &supabase.url(&fresh)]).arg(&archive);
        let ended = output(restore).await;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1));
        let ignored = said.lines().last().and_then(|line| line.rsplit_once(": "));
        let ignored: u32 = ignored.expect("a count").1.parse().expect("a number");
        assert!(ignored > 200, "{said}");
        for complaint in [
            "must be owner of table users",
            "permission denied for schema auth",
            "must be owner of extension pgcrypto",
            "permission denied to create event trigger",
            "permission denied for table secrets",
        ] {
            assert!(said.contains(complaint), "{complaint}: {said}");
        }
    });
}

#[test]
fn a_product_comes_back_in_a_fresh_project() {
    run(async {
        let Some((world, supabase, product)) = backed_up().await else {
            return;
        };
        let fresh = supabase.fresh(Side::Target).await;
        let restored = restored(&world, &fresh).await;
        for rows in [
            "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM auth.users u",
            "SELECT md5(string_agg(i::text, ',' ORDER BY id)) FROM auth.identities i",
            // The trigger on auth.users writes these: had it fired, they would have other times, or be there twice.
            "SELECT md5(string_agg(p::text, ',' ORDER BY id)) FROM public.profiles p",
            // The platform's own trigger marks what it has seen.
            "SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM storage.objects o",
            "SELECT md5(string_agg(m::text, ',' ORDER BY version)) FROM supabase_migrations.schema_migrations m",
            "SELECT last_value::text FROM auth.refresh_tokens_id_seq",
            "SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = 'supabase_realtime'",
            "SELECT string_agg(tgname::text, ',' ORDER BY tgname) FROM pg_trigger
              WHERE tgrelid IN ('auth.users'::regclass, 'public.tenants'::regclass) AND NOT tgisinternal",
            "SELECT count(*)::text FROM pg_constraint WHERE contype = 'f' AND convalidated",
            "SELECT has_table_privilege('anon', 'public.tenants', 'SELECT')::text",
        ] {
            assert_eq!(query(&fresh, rows).await, query(&product, rows).await, "{rows}");
        }
        let migrations = "SELECT string_agg(version, ',' ORDER BY version) FROM auth.schema_migrations";
        assert_eq!(
            query(&fresh, migrations).await,
            query(&supabase.fresh(Side::Target).await, migrations).await
        );
        let content = |schema: &str, name: &str| {
            let mut tables = restored.verification.tables.iter();
            let table = tables.find(|table| (table.schema.as_str(), table.name.as_str()) == (schema, name));
            table.map(|table| table.content)
        };
        assert_eq!(content("auth", "users"), Some(ContentComparison::Equal));
        assert_eq!(
            content("auth", "schema_migrations"),
            Some(ContentComparison::NotCompared)
        );
        assert_eq!(
            content("storage", "migrations"),
            None,
            "the owner may not read it"
        );
        let again = world.verify(&fresh).await;
        assert_proven(&again);
        // A user who signs up from now on is greeted, once.
        execute(
            &fresh,
            "INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'new@example.com')",
        )
        .await;
        let greeted = "SELECT count(*)::text FROM public.profiles WHERE email = 'new@example.com'";
        assert_eq!(query(&fresh, greeted).await, "1");
    });
}

#[test]
fn what_is_left_out_is_listed_with_rule_and_reason() {
    run(async {
        let Some((world, supabase, product)) = backed_up().await else {
            return;
        };
        let restored = restored(&world, &supabase.fresh(Side::Target).await).await;
        let mut by_rule: Vec<(&str, &str, Vec<String>)> = Vec::new();
        for skipped in &restored.skipped {
            let place = by_rule.iter().position(|(rule, ..)| *rule == skipped.rule);
            let place = place.unwrap_or_else(|| {
                by_rule.push((skipped.rule, skipped.reason, Vec::new()));
                by_rule.len() - 1
            });
            let entry = skipped.entry.replace(product.database(), "product");
            by_rule[place].2.push(format!("    {entry}\n"));
        }
        let listed: String = by_rule
            .iter()
            .map(|(rule, reason, entries)| format!("{rule}: {reason}\n{}", entries.concat()))
            .collect();
        let golden = include_str!("supabase/left_out.txt");
        assert!(listed == golden, "the list is now:\n{listed}");
    });
}

#[test]
fn a_plain_target_gets_everything_but_what_only_supabase_has() {
    run(async {
        let Some(world) = World::new().await else { return };
        let supabase = supabase(world.postgres);
        let product = supabase.product(Side::Source).await;
        let secret = "INSERT INTO vault.secrets (name, secret) VALUES ('app.encryption_key', 'bm9uc2Vuc2U=')";
        execute(&supabase.admin(product.database()), secret).await;
        let target = world.postgres.database(Side::Target).await;
        let made = world.back_up(&product).await.expect("a backup");
        make_roles(&target, &made.manifest).await;
        let restored = restored(&world, &target).await;
        let skipped: Vec<(&str, &str)> = restored
            .skipped
            .iter()
            .filter(|skipped| skipped.rule != "database")
            .map(|skipped| (skipped.entry.as_str(), skipped.rule))
            .collect();
        assert_eq!(
            skipped,
            [
                ("EXTENSION supabase_vault", "platform extension"),
                ("COMMENT EXTENSION supabase_vault", "platform extension"),
                ("TABLE DATA vault.secrets", "platform extension")
            ]
        );
        assert_eq!(
            query(&target, "SELECT count(*)::text FROM pg_event_trigger").await,
            "6"
        );
        assert_eq!(
            query(&target, "SELECT count(*)::text FROM storage.prefixes").await,
            "20"
        );
        // It has Supabase's names and is none of its projects.
        let again = world.verify(&target).await;
        assert_proven(&again);
        assert!(
            again
                .checks
                .iter()
                .any(|check| check.name == "left out" && check.detail.starts_with("3 entries"))
        );
    });
}

#[test]
fn secrets_that_are_left_out_are_warned_of() {
    run(async {
        let Some(world) = World::new().await else { return };
        let supabase = supabase(world.postgres);
        let product = supabase.product(Side::Source).await;
        let secret = "INSERT INTO vault.secrets (name, secret) VALUES ('app.encryption_key', 'bm9uc2Vuc2U=')";
        execute(&supabase.admin(product.database()), secret).await;
        world.back_up(&product).await.expect("a backup");
        let (fresh, warnings) = (supabase.fresh(Side::Target).await, Warnings::default());
        let restored = world
            .restore_watched(Selector::Latest, fresh, &warnings)
            .await
            .expect("a restore");
        assert_proven(&restored.verification);
        let warnings = warnings.0.into_inner().expect("no panic");
        assert!(
            warnings.len() == 1 && warnings[0].contains("vault.secrets") && warnings[0].contains("1 row"),
            "{warnings:?}"
        );
    });
}

#[test]
fn a_backup_of_the_shells_comes_back_too() {
    run(async {
        let Some(world) = World::new().await else { return };
        let supabase = supabase(world.postgres);
        let product = supabase.product(Side::Source).await;
        let mut dump = Command::new("/bin/sh");
        let command = "\"$PG_DUMP\" \"$URL\" -Fc --exclude-table=storage.migrations | gzip";
        dump.args(["-c", command]).env("URL", supabase.url(&product));
        dump.env("PG_DUMP", world.postgres.installation.program("pg_dump"));
        let object = output(dump).await.stdout;
        let key = "2026/11/23/backup-20261123-020000.dump.gz";
        world.bucket.put(key, &object);
        let restored = restored(&world, &supabase.fresh(Side::Target).await).await;
        assert!(!restored.is_attested);
        let golden = include_str!("supabase/left_out.txt");
        let ours = ["database", "database setting", "grant"];
        for skipped in restored
            .skipped
            .iter()
            .filter(|skipped| !ours.contains(&skipped.rule))
        {
            assert!(
                golden.contains(&format!("    {}\n", skipped.entry)),
                "{}",
                skipped.entry
            );
        }
        assert!(restored.skipped.iter().any(|skipped| skipped.rule == "grant"));
    });
}

#[test]
fn partitions_that_the_platform_makes_by_the_day_are_left_to_it() {
    run(async {
        let Some(world) = World::new().await else { return };
        let supabase = supabase(world.postgres);
        let product = supabase.product(Side::Source).await;
        let days = "SET ROLE supabase_realtime_admin;
            CREATE TABLE realtime.messages_2026_11_22 PARTITION OF realtime.messages FOR VALUES FROM ('2026-11-22') TO ('2026-11-23');
            CREATE TABLE realtime.messages_2026_11_23 PARTITION OF realtime.messages FOR VALUES FROM ('2026-11-23') TO ('2026-11-24');
            INSERT INTO realtime.messages (topic, extension, inserted_at) VALUES ('room', 'broadcast', '2026-11-22'), ('room', 'broadcast', '2026-11-23');
            GRANT SELECT ON realtime.messages_2026_11_23 TO postgres";
        execute(&supabase.admin(product.database()), days).await;
        let made = world.back_up(&product).await.expect("a backup");
        let held = |name: &str| made.manifest.tables.iter().any(|table| table.name == name);
        assert!(!held("messages_2026_11_22"), "the owner may not read it");
        assert!(held("messages_2026_11_23"));
        let restored = restored(&world, &supabase.fresh(Side::Target).await).await;
        let rule = |entry: &str| {
            let skipped = restored.skipped.iter().find(|skipped| skipped.entry == entry);
            skipped.map(|skipped| skipped.rule)
        };
        assert_eq!(
            rule("TABLE realtime.messages_2026_11_23"),
            Some("definition the platform lacks")
        );
        assert_eq!(
            rule("TABLE DATA realtime.messages_2026_11_23"),
            Some("passing platform rows"),
            "the platform drops them after some days"
        );
    });
}

#[test]
fn changes_in_the_platforms_tables_are_found() {
    run(async {
        let Some((world, supabase, _)) = backed_up().await else {
            return;
        };
        for (change, fails) in [
            (
                "UPDATE auth.users SET encrypted_password = 'x' WHERE id = (SELECT min(id::text)::uuid FROM auth.users)",
                vec!["content"],
            ),
            ("DROP TRIGGER on_auth_user_created ON auth.users", vec!["schema"]),
            (
                "DROP TABLE public.profiles CASCADE",
                vec!["rows", "content", "schema"],
            ),
            ("CREATE TABLE public.extra ()", vec!["schema"]),
            (
                "ALTER PUBLICATION supabase_realtime DROP TABLE public.profiles",
                vec!["schema"],
            ),
            (
                "SET session_replication_role = replica; DELETE FROM storage.buckets WHERE id = 'invoices'",
                vec!["rows", "content", "platform references"],
            ),
            (
                "SELECT setval('auth.refresh_tokens_id_seq', 1)",
                vec!["sequences"],
            ),
        ] {
            let target = supabase.fresh(Side::Target).await;
            restored(&world, &target).await;
            execute(&supabase.admin(target.database()), change).await;
            let verification = world.verify(&target).await;
            assert_eq!(
                failed(&verification),
                fails,
                "{change}: {:?}",
                verification.checks
            );
        }
    });
}

#[test]
fn the_program_says_what_was_and_was_not_restored() {
    run(async {
        let Some((world, supabase, _)) = backed_up().await else {
            return;
        };
        let fresh = supabase.fresh(Side::Target).await;
        let command = |arguments: &[&str]| {
            let mut command = program(arguments);
            command
                .envs(world.bucket.environment())
                .env("TARGET_DB_URL", supabase.url(&fresh));
            command
        };
        let refused = output(command(&["restore", "--profile", "plain", "--json"])).await;
        assert_eq!(json(&refused)["exit_code"], 4);
        let restored = output(command(&["restore", "--json"])).await;
        let document = json(&restored);
        assert_eq!(document["exit_code"], 0, "{document}");
        assert_eq!(document["skipped_entries"][0]["rule"], "database");
        let checks = document["checks"].as_array().expect("checks");
        let left_out = checks
            .iter()
            .find(|check| check["name"] == "left out")
            .expect("it is said");
        assert!(
            left_out["detail"]
                .as_str()
                .expect("a detail")
                .contains("platform migration rows: 3"),
            "{left_out}"
        );
        let unread = document["tables"]
            .as_array()
            .expect("tables")
            .iter()
            .find(|table| table["name"] == "secrets");
        assert_eq!(unread.expect("a table")["content"], "not compared");
        let verified = output(command(&["verify"])).await;
        let text = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert_eq!(verified.status.code(), Some(0), "{text}");
        assert!(text.contains("left out"), "{text}");
    });
}
