//! Backup and restore beside the shell procedure, in one run, on the same databases and one store: next to it, with 40 MB/s for
//! each connection, and 50 ms away.
//!
//! `make bench-rto ARGS="1GiB 3"`: the size of each database as COPY text, and how often each is measured. The contenders take
//! turns, so that a machine that slows down slows all of them, and each begins with nothing left to write. Prints every median
//! and the ratios, and writes all measurements to `target/bench-rto.json`. Ours is the program itself, as a process of its own:
//! what it takes of memory and cores is its own, and what this process takes is the store's server.

#![allow(clippy::large_futures, reason = "a few of them, each awaited at once")]

mod limit;
mod measured;
mod place;
mod program;
mod report;
mod sets;
mod shell;

use std::error::Error;

use measured::{Measurements, Name};
use place::{Line, Place};
use sets::Set;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a run is asked for.
struct Asked {
    size_bytes: u64,
    rounds: usize,
}

impl Asked {
    /// Reads `1GiB 3`.
    fn read(words: &[String]) -> Outcome<Self> {
        let size_bytes = size(&words[0]).ok_or("give a size such as 256MiB or 1GiB")?;
        let rounds = words.get(1).map_or(Ok(3), |rounds| rounds.parse())?;
        Ok(Self { size_bytes, rounds })
    }
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

async fn measure(asked: &Asked) -> Outcome<Measurements> {
    let mut place = Place::start(asked.size_bytes).await?;
    let mut measurements = Measurements::default();
    for _ in 0..asked.rounds {
        for set in [Set::Many, Set::Skewed] {
            back_up(&mut place, set, Line::Free, &mut measurements).await?;
            dump(&place, set, &mut measurements).await?;
            restore(&mut place, set, Line::Free, &mut measurements).await?;
            load(&mut place, set, &mut measurements).await?;
        }
        for line in [Line::Throttled, Line::FarAway] {
            back_up(&mut place, Set::Skewed, line, &mut measurements).await?;
            restore(&mut place, Set::Skewed, line, &mut measurements).await?;
        }
    }
    Ok(measurements)
}

/// The shell procedure's backup and ours.
async fn back_up(place: &mut Place, set: Set, line: Line, measurements: &mut Measurements) -> Outcome<()> {
    let source = set.database();
    place.settle().await?;
    let by_shell = shell::run_over(line, place, shell::BACKUP, source).await?;
    measurements.take(Name::ShellBackup, set, line, by_shell);
    let shell_bytes = place.file_bytes("backup.dump.gz")?;
    place.settle().await?;
    let (by_us, document) = program::back_up(line, place, source).await?;
    measurements.take(Name::OurBackup, set, line, by_us);
    let made = &document["backup"];
    for (what, bytes) in [
        ("raw", made["raw_bytes"].as_u64()),
        ("stored", made["stored_bytes"].as_u64()),
        ("stored_by_shell", Some(shell_bytes)),
    ] {
        measurements.size(set, what, bytes.ok_or("a backup without a size")?);
    }
    let key = made["key"].as_str().ok_or("a backup without a key")?;
    key.clone_into(&mut place.key);
    Ok(())
}

/// What no backup is faster than, and, unmeasured, the file that plain loaders read.
async fn dump(place: &Place, set: Set, measurements: &mut Measurements) -> Outcome<()> {
    place.settle().await?;
    let dumped = shell::run(place, shell::DUMP_TO_NOWHERE, set.database()).await?;
    measurements.take(Name::DumpToNowhere, set, Line::Free, dumped);
    shell::run(place, shell::UNPACK, set.database()).await?;
    if !measurements.has_size(set, "by_gzip_6") {
        shell::run(place, shell::GZIP, set.database()).await?;
        measurements.size(set, "by_gzip_6", place.file_bytes("unpacked.dump.gz")?);
    }
    Ok(())
}

/// The shell procedure's restore and ours.
async fn restore(place: &mut Place, set: Set, line: Line, measurements: &mut Measurements) -> Outcome<()> {
    let target = place.target().await?;
    let by_shell = shell::run_over(line, place, shell::RESTORE, &target).await?;
    measurements.take(Name::ShellRestore, set, line, by_shell);
    let (verified, unverified) = program::restore(line, place).await?;
    measurements.take(Name::OurRestore, set, line, unverified);
    measurements.take(Name::OurVerifiedRestore, set, line, verified);
    Ok(())
}

/// What loads a local file that is not packed: nothing is downloaded, nothing inflated.
async fn load(place: &mut Place, set: Set, measurements: &mut Measurements) -> Outcome<()> {
    let target = place.target().await?;
    let by_them = shell::run(place, shell::PG_RESTORE, &target).await?;
    measurements.take(Name::PgRestore, set, Line::Free, by_them);
    let target = place.target().await?;
    let by_us = limit::run(place, &target).await?;
    measurements.take(Name::Limit, set, Line::Free, by_us);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    // `cargo bench` and `cargo test` run every benchmark; this one is long, and measures only where it is asked to.
    if words.is_empty() {
        return Ok(());
    }
    let asked = Asked::read(&words)?;
    let measurements = tokio::runtime::Runtime::new()?.block_on(measure(&asked))?;
    print!("{}", report::table(&measurements));
    let document = report::document(&asked, &measurements);
    println!("{:#}", document["ratios"]);
    println!("{:#}", document["peak_rss_bytes"]);
    std::fs::write("target/bench-rto.json", format!("{document:#}\n"))?;
    Ok(())
}
