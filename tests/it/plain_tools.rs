//! A backup is restorable with the plain tools when this program is lost.

use std::path::Path;
use std::process::Command;

use paycraft_dr::postgres::conninfo::{Conninfo, Side};

use super::kit::{BUCKET, SMALL_SCHEMA, World, assert_proven, output, run, skip};

/// `gunzip < object | pg_restore`, as the runbook has it.
async fn restore_plainly(world: &World, object: &Path) -> Conninfo {
    let target = world.postgres.database(Side::Target).await;
    let mut command = Command::new("/bin/sh");
    command
        .args([
            "-c",
            "gunzip < \"$1\" | \"$2\" --exit-on-error --no-owner --no-acl -d \"$3\"",
            "sh",
        ])
        .arg(object)
        .arg(world.postgres.installation.program("pg_restore"))
        .arg(world.postgres.url(&target));
    let output = output(command).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    target
}

#[test]
fn gunzip_and_pg_restore_read_a_backup() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        let directory = tempfile::tempdir().expect("a directory");
        let object = directory.path().join("backup.dump.gz");
        std::fs::write(
            &object,
            world
                .bucket
                .server
                .read(&made.key.to_string())
                .expect("the object"),
        )
        .expect("a file");
        let target = restore_plainly(&world, &object).await;
        let verification = world.verify(&target).await;
        assert_proven(&verification);
    });
}

#[test]
fn aws_s3_cp_fetches_a_backup() {
    run(async {
        let Some(world) = World::new().await else { return };
        let aws = std::env::var("PAYCRAFT_AWS").unwrap_or_else(|_| "aws".to_owned());
        if Command::new(&aws).arg("--version").output().is_err() {
            skip("aws", "`aws` is not on the path: `make setup-test` installs it");
            return;
        }
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        let directory = tempfile::tempdir().expect("a directory");
        let object = directory.path().join("backup.dump.gz");
        let environment = world.bucket.environment();
        let value = |name: &str| {
            environment
                .iter()
                .find(|(known, _)| *known == name)
                .expect("a variable")
                .1
                .clone()
        };
        let mut command = Command::new(aws);
        command
            .args([
                "s3",
                "cp",
                "--only-show-errors",
                "--region",
                "auto",
                "--endpoint-url",
            ])
            .arg(value("R2_ENDPOINT_URL"))
            .arg(format!("s3://{BUCKET}/{}", made.key))
            .arg(&object)
            // R2 refuses the checksums that new versions send of their own accord.
            .env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
            .env("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
            .env("AWS_ACCESS_KEY_ID", value("R2_ACCESS_KEY_ID"))
            .env("AWS_SECRET_ACCESS_KEY", value("R2_SECRET_ACCESS_KEY"));
        let fetched = output(command).await;
        assert!(
            fetched.status.success(),
            "{}",
            String::from_utf8_lossy(&fetched.stderr)
        );
        let target = restore_plainly(&world, &object).await;
        assert!(world.verify(&target).await.verdict.is_proven());
    });
}
