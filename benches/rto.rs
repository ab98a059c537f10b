//! Backup and restore beside the shell procedure, in one run, on one database and one store.
//!
//! `make bench-rto ARGS="1GiB 3"`: the size of the database as COPY text, and how often each is measured. The contenders take
//! turns, so that a machine that slows down slows all of them. Prints every median and the ratios, and writes all measurements
//! to `target/bench-rto.json`.

#![allow(clippy::large_futures, reason = "a few of them, each awaited at once")]

use std::error::Error;
use std::process::Stdio;
use std::time::Instant;

use jiff::Timestamp;
use paycraft_dr::drill::cluster::Traits;
use paycraft_dr::drill::substrate::{Ground, Server, Substrate};
use paycraft_dr::drill::workload::Workload;
use paycraft_dr::model::key::{BackupKey, Selector};
use paycraft_dr::model::timeline::{Event, Observer, Phase};
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;
use paycraft_dr::postgres::tools::{Installation, Tools};
use paycraft_dr::recovery::backup;
use paycraft_dr::recovery::guard::{Production, Terms};
use paycraft_dr::recovery::recorder::Recorder;
use paycraft_dr::recovery::restore;
use serde_json::{Value, json};
use tokio::process::Command;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The shell workflow's backup, as the runbook had it.
const SHELL_BACKUP: &str = r#"
    set -e
    "$BIN/pg_dump" -Fc --no-owner --no-acl "$DB_URL" | gzip > "$WORK/backup.dump.gz"
    aws s3 cp --only-show-errors --region auto --endpoint-url "$ENDPOINT" "$WORK/backup.dump.gz" "s3://$BUCKET/shell.dump.gz"
"#;
/// The shell workflow's restore, without its counting.
const SHELL_RESTORE: &str = r#"
    set -e
    aws s3 cp --only-show-errors --region auto --endpoint-url "$ENDPOINT" "s3://$BUCKET/shell.dump.gz" "$WORK/restore.dump.gz"
    gunzip -f "$WORK/restore.dump.gz"
    "$BIN/pg_restore" --clean --if-exists --no-owner --no-acl -d "$DB_URL" "$WORK/restore.dump"
"#;
/// What no backup that runs pg_dump can be faster than.
const DUMP_TO_NOWHERE: &str = r#""$BIN/pg_dump" -Fc --compress=0 --no-owner --no-acl "$DB_URL" > /dev/null"#;

struct Silent;

impl Observer for Silent {
    fn observe(&self, _: Event) {}
}

/// The measurements of one contender, in seconds.
struct Contender {
    name: &'static str,
    seconds: Vec<f64>,
}

impl Contender {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            seconds: Vec::new(),
        }
    }

    async fn measure<T>(&mut self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let began = Instant::now();
        let done = work.await?;
        self.seconds.push(began.elapsed().as_secs_f64());
        Ok(done)
    }

    fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

struct Bench {
    substrate: Substrate,
    tools: Tools,
    installation: Installation,
    server: Server,
    source: Conninfo,
    work: tempfile::TempDir,
    target_number: u32,
}

impl Bench {
    async fn start(size_bytes: u64) -> Outcome<Self> {
        let tools = Tools::find(None, std::env::var_os("PATH").as_deref()).await?;
        let installation = tools.newest_with_server()?.clone();
        let substrate = Ground::prepare(&tools)?.substrate(size_bytes * 2).await?;
        let server = substrate.server("server", Traits { is_durable: true, ..Traits::default() }).await?;
        let source = server.conninfo(Side::Source, "source")?;
        create(&server, "source").await?;
        let session = Session::connect(&source).await?;
        Workload::new(1, size_bytes)
            .load(session.client(), &mut |_| ())
            .await?;
        Ok(Self {
            substrate,
            tools,
            installation,
            server,
            source,
            work: tempfile::tempdir()?,
            target_number: 0,
        })
    }

    async fn shell(&self, script: &str, database: &str) -> Outcome<()> {
        let location = self.substrate.location();
        let bin = self.installation.program("pg_dump");
        let status = Command::new("bash")
            .args(["-o", "pipefail", "-c", script])
            .env("BIN", bin.parent().ok_or("no directory")?)
            .env("DB_URL", self.server.url(database).reveal())
            .env("WORK", self.work.path())
            .env("ENDPOINT", &location.endpoint)
            .env("BUCKET", &location.bucket)
            .env("AWS_ACCESS_KEY_ID", &location.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", location.secret_access_key.reveal())
            .stdin(Stdio::null())
            .status()
            .await?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the shell procedure ended with {status}").into())
        }
    }

    /// A database that is empty each time, as the last one is dropped.
    async fn target(&mut self) -> Outcome<String> {
        let session = Session::connect(&self.server.conninfo(Side::Target, "postgres")?).await?;
        session
            .client()
            .batch_execute(&format!("DROP DATABASE IF EXISTS target_{}", self.target_number))
            .await?;
        self.target_number += 1;
        let name = format!("target_{}", self.target_number);
        create(&self.server, &name).await?;
        session.client().batch_execute("CHECKPOINT").await?;
        Ok(name)
    }

    async fn back_up(&self) -> Outcome<backup::Made> {
        let request = backup::Request {
            source: &self.source,
            tools: &self.tools,
            store: self.substrate.store(),
            clock: &Timestamp::now,
        };
        Ok(backup::backup(request, &Silent).await?)
    }

    async fn restore(
        &self,
        key: BackupKey,
        target: &str,
        observer: &dyn Observer,
    ) -> Outcome<restore::Restored> {
        let request = restore::Request {
            store: self.substrate.store(),
            selector: Selector::Key(key),
            tools: &self.tools,
            terms: Terms {
                production: &Production::default(),
                consent: None,
                clean: false,
            },
            profile: None,
            jobs: 2,
        };
        let target = self.server.conninfo(Side::Target, target)?;
        Ok(restore::restore(request, async |_| Ok(target), observer).await?)
    }
}

async fn create(server: &Server, name: &str) -> Outcome<()> {
    let session = Session::connect(&server.conninfo(Side::Source, "postgres")?).await?;
    Ok(session
        .client()
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .await?)
}

async fn run(size_bytes: u64, rounds: usize) -> Outcome<Value> {
    let mut bench = Bench::start(size_bytes).await?;
    let [mut shell_backup, mut our_backup, mut dump] = [
        "backup: shell procedure",
        "backup: paycraft-dr",
        "backup: pg_dump to nowhere",
    ]
    .map(Contender::new);
    let [mut shell_restore, mut our_restore] = [
        "restore: shell procedure, unverified",
        "restore: paycraft-dr, verified",
    ]
    .map(Contender::new);
    let mut unverified = Contender::new("restore: paycraft-dr, unverified");
    let mut sizes = Value::Null;
    for _ in 0..rounds {
        shell_backup.measure(bench.shell(SHELL_BACKUP, "source")).await?;
        let made = our_backup.measure(bench.back_up()).await?;
        dump.measure(bench.shell(DUMP_TO_NOWHERE, "source")).await?;
        let shell_bytes = std::fs::metadata(bench.work.path().join("backup.dump.gz"))?.len();
        sizes = json!({ "raw": made.manifest.raw_bytes, "stored": made.manifest.stored_bytes, "stored_by_shell": shell_bytes });

        let target = bench.target().await?;
        shell_restore.measure(bench.shell(SHELL_RESTORE, &target)).await?;
        let target = bench.target().await?;
        let recorder = Recorder::new(&Silent);
        let restored = our_restore
            .measure(bench.restore(made.key, &target, &recorder))
            .await?;
        if !restored.verification.verdict.is_proven() {
            return Err(format!("not proven: {:?}", restored.verification.checks).into());
        }
        let spans = recorder.spans();
        unverified.seconds.push(
            spans
                .iter()
                .filter(|span| span.name != Phase::Verify)
                .map(|span| span.seconds)
                .sum(),
        );
    }
    let ratio = |ours: &Contender, other: &Contender| ours.median() / other.median();
    let ratios = json!({
        "backup_vs_shell": ratio(&our_backup, &shell_backup),
        "backup_vs_dump_null": ratio(&our_backup, &dump),
        "restore_vs_shell": ratio(&unverified, &shell_restore),
        "restore_verified_vs_shell": ratio(&our_restore, &shell_restore),
    });
    let contenders = [
        shell_backup,
        our_backup,
        dump,
        shell_restore,
        unverified,
        our_restore,
    ];
    let rows: Vec<Value> = contenders
        .iter()
        .map(|contender| json!({ "name": contender.name, "seconds": contender.seconds, "median": contender.median() }))
        .collect();
    Ok(json!({ "size_bytes": size_bytes, "rounds": rounds, "bytes": sizes, "ratios": ratios, "rows": rows }))
}

/// `1GiB` or `256MiB`.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|mark: char| !mark.is_ascii_digit())?);
    let shift = match unit {
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? << shift)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    // `cargo bench` and `cargo test` run every benchmark; this one is long, and measures only where it is asked to.
    let Some(size_bytes) = arguments.first() else {
        return Ok(());
    };
    let size_bytes = size(size_bytes).ok_or("give a size such as 256MiB or 1GiB")?;
    let rounds = arguments.get(1).map_or(Ok(3), |rounds| rounds.parse())?;
    let measured = tokio::runtime::Runtime::new()?.block_on(run(size_bytes, rounds))?;
    for row in measured["rows"].as_array().into_iter().flatten() {
        println!(
            "{:<40} {:>8.2} s",
            row["name"].as_str().unwrap_or_default(),
            row["median"].as_f64().unwrap_or(f64::NAN)
        );
    }
    println!("{:#}", measured["ratios"]);
    println!("{}", measured["bytes"]);
    std::fs::write("target/bench-rto.json", format!("{measured:#}\n"))?;
    Ok(())
}
