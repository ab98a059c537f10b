//! The shell procedure and PostgreSQL's own programs.

use std::process::Stdio;
use std::time::Instant;

use tokio::process::Command;

use super::Outcome;
use super::measured::Taken;
use super::place::{Line, Place};
use super::program::own_cpu_seconds;

/// The shell workflow's backup, as the runbook had it.
pub(super) const BACKUP: &str = r#"
    "$BIN/pg_dump" -Fc --no-owner --no-acl "$DB_URL" | gzip > "$WORK/backup.dump.gz"
    aws s3 cp --only-show-errors --region auto --endpoint-url "$ENDPOINT" "$WORK/backup.dump.gz" "s3://$BUCKET/shell.dump.gz"
"#;
/// The shell workflow's restore, without its counting.
pub(super) const RESTORE: &str = r#"
    aws s3 cp --only-show-errors --region auto --endpoint-url "$ENDPOINT" "s3://$BUCKET/shell.dump.gz" "$WORK/restore.dump.gz"
    gunzip -f "$WORK/restore.dump.gz"
    "$BIN/pg_restore" --clean --if-exists --no-owner --no-acl -d "$DB_URL" "$WORK/restore.dump"
"#;
/// What no backup that runs pg_dump can be faster than. Unpacking is not measured.
pub(super) const DUMP_TO_NOWHERE: &str =
    r#""$BIN/pg_dump" -Fc --compress=0 --no-owner --no-acl "$DB_URL" > /dev/null"#;
/// The plain tools at their best: nothing is downloaded, nothing unpacked.
pub(super) const PG_RESTORE: &str =
    r#""$BIN/pg_restore" -j2 --clean --if-exists --no-owner --no-acl -d "$DB_URL" "$WORK/unpacked.dump""#;
/// The file that the last one reads.
pub(super) const UNPACK: &str =
    r#""$BIN/pg_dump" -Fc --compress=0 --no-owner --no-acl -f "$WORK/unpacked.dump" "$DB_URL""#;

/// What the object's size is held against.
pub(super) const GZIP: &str = r#"gzip -6 < "$WORK/unpacked.dump" > "$WORK/unpacked.dump.gz""#;

/// Runs what needs no store, or has it next to itself.
pub(super) async fn run(place: &Place, script: &str, database: &str) -> Outcome<Taken> {
    run_over(Line::Free, place, script, database).await
}

pub(super) async fn run_over(line: Line, place: &Place, script: &str, database: &str) -> Outcome<Taken> {
    let location = place.substrate.location();
    let bin = place.installation.program("pg_dump");
    let (began, store_before) = (Instant::now(), own_cpu_seconds());
    let status = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", script])
        .env("BIN", bin.parent().ok_or("no directory")?)
        .env("DB_URL", place.server.url(database).reveal())
        .env("WORK", place.work.path())
        .env("ENDPOINT", place.endpoint(line))
        .env("BUCKET", &location.bucket)
        // Newer clients send and ask for checksums that R2 refuses.
        .env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        .env("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
        .env("AWS_ACCESS_KEY_ID", &location.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", location.secret_access_key.reveal())
        .stdin(Stdio::null())
        .status()
        .await?;
    if !status.success() {
        return Err(format!("the shell procedure ended with {status}").into());
    }
    Ok(Taken {
        seconds: began.elapsed().as_secs_f64(),
        store_cpu_seconds: own_cpu_seconds() - store_before,
        ..Taken::default()
    })
}
