//! Statements that hold a password.

use std::os::unix::fs::PermissionsExt;

use crate::kit::{World, execute, output, program, run, said};
use paycraft_dr::postgres::conninfo::Side;

#[test]
fn a_statement_that_holds_a_password_is_never_printed() {
    run(async {
        let Some(world) = World::new().await else { return };
        let role = format!("only_there_{:08x}", rand::random::<u32>());
        let source = world
            .postgres
            .source(&format!(
                "CREATE ROLE {role}; CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
                 CREATE USER MAPPING FOR {role} SERVER s OPTIONS (\"user\" 'x', password 'hunter2-4711')"
            ))
            .await;
        world.back_up(&source).await.expect("a backup");
        execute(
            &source,
            &format!("DROP USER MAPPING FOR {role} SERVER s; DROP ROLE {role}"),
        )
        .await;
        let target = world.postgres.database(Side::Target).await;
        let place = tempfile::tempdir().expect("a directory");
        let missing = place.path().join("missing.sql");
        let mut command = program(&["restore", "--json", "--missing-sql"]);
        command
            .arg(&missing)
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", world.postgres.url(&target));
        let told = said(&output(command).await);
        assert!(!told.contains("4711"), "{told}");
        assert!(
            told.contains(&format!("role \\\"{role}\\\" does not exist")),
            "{told}"
        );
        // The SQL of what is missing is for its owner alone.
        let script = std::fs::read_to_string(&missing).expect("a file");
        assert!(script.contains("4711"), "{script}");
        let mode = std::fs::metadata(&missing).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    });
}
