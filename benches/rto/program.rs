//! Our own program, as a process of its own.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::Command;

use super::Outcome;
use super::measured::Taken;
use super::place::{Line, Place};

const POLL: Duration = Duration::from_millis(50);
/// What the kernel counts the time of processes in.
const TICKS_PER_SECOND: f64 = 100.0;

/// Backs up, and returns what the program told.
pub(super) async fn back_up(line: Line, place: &Place, source: &str) -> Outcome<(Taken, Value)> {
    let mut command = command(place, line, &["backup"]);
    command.env("SUPABASE_DB_URL", place.server.url(source).reveal());
    run(command).await
}

/// Restores the last backup into an empty database and verifies it: how long all of it took, and how long without the verification.
pub(super) async fn restore(
    line: Line,
    place: &Place,
    target: &str,
    flags: &[&str],
) -> Outcome<(Taken, Taken)> {
    let mut command = command(place, line, &["--jobs", "2", "restore", &place.key]);
    command.args(flags);
    command.env("TARGET_DB_URL", place.server.url(target).reveal());
    let (verified, document) = run(command).await?;
    if document["verdict"] != "proven" {
        return Err(format!("not proven: {}", document["checks"]).into());
    }
    let verifying: f64 = document["phases"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|phase| phase["name"] == "verify")
        .filter_map(|phase| phase["seconds"].as_f64())
        .sum();
    let unverified = Taken {
        seconds: verified.seconds - verifying,
        phases: document["phases"].clone(),
        ..verified.clone()
    };
    Ok((verified, unverified))
}

fn command(place: &Place, line: Line, arguments: &[&str]) -> Command {
    let location = place.substrate.location();
    let mut command = Command::new(env!("CARGO_BIN_EXE_paycraft-dr"));
    command
        .args(["--json", "--quiet"])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("R2_ENDPOINT_URL", place.endpoint(line))
        .env("R2_BUCKET", &location.bucket)
        .env("R2_ACCESS_KEY_ID", &location.access_key_id)
        .env("R2_SECRET_ACCESS_KEY", location.secret_access_key.reveal());
    command
}

async fn run(mut command: Command) -> Outcome<(Taken, Value)> {
    let (began, store_before) = (Instant::now(), own_cpu_seconds());
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let number = child.id().unwrap_or_default();
    let output = child.wait_with_output();
    tokio::pin!(output);
    let mut peak = None;
    let output = loop {
        tokio::select! {
            output = &mut output => break output?,
            () = tokio::time::sleep(POLL) => peak = peak_rss_bytes(number).or(peak),
        }
    };
    let taken = Taken {
        seconds: began.elapsed().as_secs_f64(),
        store_cpu_seconds: own_cpu_seconds() - store_before,
        peak_rss_bytes: peak,
        phases: Value::Null,
    };
    let document: Value = serde_json::from_slice(&output.stdout)?;
    if !output.status.success() {
        return Err(format!("the program ended with {}: {document}", output.status).into());
    }
    Ok((taken, document))
}

/// What the process had at most, as far as the kernel has counted.
fn peak_rss_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// What this process took of the cores: it serves the store, and waits otherwise.
pub(super) fn own_cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: f64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    ticks / TICKS_PER_SECOND
}
