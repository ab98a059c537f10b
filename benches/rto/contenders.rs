//! Who is measured at what, and how each is called.

use super::Outcome;
use super::measured::{Case, Measurements, Name};
use super::place::{Line, Place};
use super::sets::Set;
use super::{limit, program, shell};

/// Who backs up over this line: a dump to nowhere needs none.
pub(super) const fn backups(line: Line) -> &'static [Name] {
    match line {
        Line::Free => &[Name::ShellBackup, Name::OurBackup, Name::DumpToNowhere],
        Line::Throttled | Line::FarAway => &[Name::ShellBackup, Name::OurBackup],
    }
}

/// Who restores over this line: what reads a local file needs none.
pub(super) const fn restores(line: Line) -> &'static [Name] {
    match line {
        Line::Free => &[
            Name::ShellRestore,
            Name::PgRestore,
            Name::Limit,
            Name::OurRestore,
            Name::OurAnalyzedRestore,
        ],
        Line::Throttled | Line::FarAway => &[Name::ShellRestore, Name::OurRestore],
    }
}

pub(super) async fn back_up(place: &mut Place, case: Case, measurements: &mut Measurements) -> Outcome<()> {
    let source = case.set.database();
    place.settle().await?;
    let taken = match case.name {
        Name::ShellBackup => {
            let taken = shell::run_over(case.line, place, shell::BACKUP, source).await?;
            measurements.size(case.set, "stored_by_shell", place.file_bytes("backup.dump.gz")?);
            taken
        }
        Name::OurBackup => {
            let (taken, document) = program::back_up(case.line, place, source).await?;
            let made = &document["backup"];
            for (what, bytes) in [("raw", &made["raw_bytes"]), ("stored", &made["stored_bytes"])] {
                let bytes = bytes.as_u64().ok_or("a backup without a size")?;
                measurements.size(case.set, what, bytes);
            }
            let key = made["key"].as_str().ok_or("a backup without a key")?;
            key.clone_into(&mut place.key);
            taken
        }
        Name::DumpToNowhere => shell::run(place, shell::DUMP_TO_NOWHERE, source).await?,
        _ => return Err("not a backup".into()),
    };
    measurements.take(case, taken);
    Ok(())
}

/// The file that plain loaders read, unmeasured, and how large `gzip -6` makes it.
pub(super) async fn unpack(place: &Place, set: Set, measurements: &mut Measurements) -> Outcome<()> {
    shell::run(place, shell::UNPACK, set.database()).await?;
    if !measurements.has_size(set, "by_gzip_6") {
        shell::run(place, shell::GZIP, set.database()).await?;
        measurements.size(set, "by_gzip_6", place.file_bytes("unpacked.dump.gz")?);
    }
    Ok(())
}

pub(super) async fn restore(place: &mut Place, case: Case, measurements: &mut Measurements) -> Outcome<()> {
    let target = place.target().await?;
    let taken = match case.name {
        Name::ShellRestore => shell::run_over(case.line, place, shell::RESTORE, &target).await?,
        Name::PgRestore => shell::run(place, shell::PG_RESTORE, &target).await?,
        Name::Limit => limit::run(place, &target).await?,
        Name::OurRestore => {
            // The others gather no planner statistics.
            let (verified, unverified) =
                program::restore(case.line, place, &target, &["--no-analyze"]).await?;
            let name = Name::OurVerifiedRestore;
            measurements.take(Case { name, ..case }, verified);
            unverified
        }
        Name::OurAnalyzedRestore => program::restore(case.line, place, &target, &[]).await?.1,
        _ => return Err("not a restore".into()),
    };
    measurements.take(case, taken);
    Ok(())
}
