//! Backup and restore beside the shell procedure, in one run, on the same databases and one store: next to it, with 40 MB/s for
//! each connection, and 50 ms away.
//!
//! `make bench-rto ARGS="1GiB 3"`: the size of each database as COPY text, and how often each is measured. The contenders take
//! turns, so that a machine that slows down slows all of them, and each begins with nothing left to write. Prints every median
//! and the ratios, and writes all measurements to `target/bench-rto.json`. Ours is the program itself, as a process of its own:
//! what it takes of memory and cores is its own, and what this process takes is the store's server.

#![allow(clippy::large_futures, reason = "a few of them, each awaited at once")]

mod contenders;
mod limit;
mod measured;
mod place;
mod program;
mod report;
mod sets;
mod shell;

use std::error::Error;

use measured::{Case, Measurements, Name};
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
    for round in 0..asked.rounds {
        for (set, line) in [
            (Set::Many, Line::Free),
            (Set::Skewed, Line::Free),
            (Set::Skewed, Line::Throttled),
            (Set::Skewed, Line::FarAway),
        ] {
            for name in in_turn(round, contenders::backups(line)) {
                contenders::back_up(&mut place, Case { name, set, line }, &mut measurements).await?;
            }
            if line == Line::Free {
                contenders::unpack(&place, set, &mut measurements).await?;
            }
            for name in in_turn(round, contenders::restores(line)) {
                contenders::restore(&mut place, Case { name, set, line }, &mut measurements).await?;
            }
        }
    }
    Ok(measurements)
}

/// Another one begins in each round: the later ones find the server warmer.
fn in_turn(round: usize, names: &[Name]) -> impl Iterator<Item = Name> {
    let (last, first) = names.split_at(round % names.len());
    first.iter().chain(last).copied()
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
