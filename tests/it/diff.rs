//! What changed between two backups of a real database, as the command tells it.

use std::process::Output;

use super::kit::{SMALL_SCHEMA, World, execute, json, output, program, query, run, said};

/// Everything between the two backups that must be told, and nothing else.
const CHANGES: &str = "
    DELETE FROM subscriptions WHERE id <= 3;
    UPDATE tenants SET note = 'changed' WHERE id = 7;
    CREATE TABLE extra (id int);
    CREATE INDEX by_note ON tenants (note);
    GRANT SELECT ON tenants TO PUBLIC;
    ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
    REFRESH MATERIALIZED VIEW totals;
    SELECT nextval('receipts');
    SELECT lo_unlink(4711);
";

#[test]
fn two_backups_are_told_apart_by_their_manifests() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world
            .back_up_at(&source, "2026-11-22T02:00:00Z")
            .await
            .expect("a backup");
        execute(&source, CHANGES).await;
        world
            .back_up_at(&source, "2026-11-23T02:00:00Z")
            .await
            .expect("a backup");
        let owner = query(&source, "SELECT current_user::text").await;
        let diff = async |arguments: &[&str]| -> Output {
            let mut command = program(&[&["diff"], arguments].concat());
            command.envs(world.bucket.environment());
            output(command).await
        };
        let told = diff(&["2026/11/22"]).await;
        assert_eq!(told.status.code(), Some(0), "{}", said(&told));
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        let below: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
        let owner_line = format!("  + owner of table public.extra: {owner}");
        for expected in [
            "  + public.extra (0 rows)",
            "  ~ public.subscriptions (500 → 497 rows, -3)",
            "  ~ public.tenants (200 rows, as many with other content)",
            "  ~ large objects (1 → 0 rows, -1)",
            "  ~ public.totals (200 rows, as many with other content)",
            "  + TABLE public.extra",
            "  + INDEX public.by_note",
            "  + ROW SECURITY public.tenants",
            "  ~ public.receipts: 41 → 42",
            "  + PUBLIC on table public.tenants: SELECT",
            "  + row security of public.tenants: on",
            &owner_line,
        ] {
            assert!(below.contains(&expected), "{expected}\n{text}");
        }

        let told = json(&diff(&["2026/11/22", "2026/11/23", "--json"]).await);
        assert_eq!(told["equal"], false);
        assert_eq!(
            told["content"][0],
            serde_json::json!({"name": "large objects", "rows_before": 1, "rows_after": 0})
        );

        let reversed = diff(&["latest", "2026/11/22", "--exit-code"]).await;
        assert_eq!(reversed.status.code(), Some(3), "{}", said(&reversed));
        assert!(said(&reversed).contains("- INDEX public.by_note"));
        let same = diff(&["2026/11/23", "--exit-code"]).await;
        assert_eq!(same.status.code(), Some(0), "{}", said(&same));
        assert!(said(&same).contains("nothing that both record differs"));
    });
}
