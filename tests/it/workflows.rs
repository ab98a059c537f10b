//! The workflows and what they call: rules that a schema does not know, and their scripts at work.
//!
//! `make lint` checks their form and what they may do.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jiff::civil::{Date, Weekday, date};
use tempfile::TempDir;

use super::kit::write_program;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every workflow, as its name and its lines.
fn workflows() -> Vec<(String, Vec<String>)> {
    let entries = std::fs::read_dir(root().join(".github/workflows"))
        .expect("workflows")
        .flatten();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a workflow");
        (
            path.file_name().expect("a name").to_string_lossy().into_owned(),
            text.lines().map(str::to_owned).collect(),
        )
    };
    entries.map(|entry| read(entry.path())).collect()
}

/// The lines of each job, without its name.
fn jobs(lines: &[String]) -> Vec<&[String]> {
    let is_job = |line: &String| {
        line.strip_prefix("  ")
            .is_some_and(|rest| !rest.starts_with([' ', '#', '-']) && rest.ends_with(':'))
    };
    let start = lines.iter().position(|line| line == "jobs:").expect("jobs") + 1;
    let jobs = &lines[start..];
    let heads: Vec<usize> = (0..jobs.len()).filter(|at| is_job(&jobs[*at])).collect();
    let ends = heads.iter().skip(1).copied().chain([jobs.len()]);
    heads
        .iter()
        .zip(ends)
        .map(|(head, end)| &jobs[head + 1..end])
        .collect()
}

#[test]
fn workflows_end_in_time_and_hold_no_more_than_they_need() {
    let mut wrong = Vec::new();
    let workflows = workflows();
    assert_eq!(workflows.len(), 5);
    for (name, lines) in &workflows {
        let mut demand = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{name} {what}"));
            }
        };
        let says = |lines: &[String], line: &str| lines.iter().any(|known| known == line);
        demand(says(lines, "permissions: {}"), "grants something to every job");
        demand(says(lines, "concurrency:"), "may run twice at once");
        let keeps_running = says(lines, "  cancel-in-progress: false");
        demand(
            keeps_running || ["ci.yml", "restore-regression.yml"].contains(&name.as_str()),
            "may cancel a run that is at work",
        );
        for job in jobs(lines) {
            let has = |start: &str| job.iter().any(|line| line.starts_with(start));
            demand(has("    timeout-minutes: "), "has a job that may hang");
            demand(
                has("    permissions:"),
                "has a job that does not say what it may do",
            );
        }
        for line in lines {
            if let Some(action) = line.trim().strip_prefix("uses: ") {
                let (_, pin) = action.split_once('@').unwrap_or_default();
                let (digest, version) = pin.split_once(" # v").unwrap_or_default();
                let is_digest = digest.len() == 40 && digest.bytes().all(|digit| digit.is_ascii_hexdigit());
                demand(
                    is_digest && !version.is_empty(),
                    &format!("does not pin {action}"),
                );
            }
            if line.contains("secrets.") {
                let setting = line
                    .strip_prefix("          ")
                    .and_then(|line| line.split_once(": "));
                let is_for_one_step =
                    setting.is_some_and(|(name, value)| value == format!("${{{{ secrets.{name} }}}}"));
                demand(
                    is_for_one_step,
                    &format!("gives a secret to more than a step: {}", line.trim()),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The services that a test names when it is skipped for want of one.
fn lacking(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            lacking(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).expect("a source");
            let named = text.split("skip(").skip(1).filter_map(|rest| {
                let (service, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
                Some(service.to_owned())
            });
            found.extend(named);
        }
    }
}

#[test]
fn no_test_is_skipped_where_a_change_or_a_release_is_judged() {
    let mut services = BTreeSet::new();
    lacking(&root().join("tests/it"), &mut services);
    assert!(services.len() > 8, "{services:?}");
    // Only root may mount one.
    services.remove("tmpfs");
    let required = |path: &str| -> BTreeSet<String> {
        let text = std::fs::read_to_string(root().join(path)).expect("a file");
        let lines = text
            .lines()
            .filter_map(|line| line.split_once("PAYCRAFT_REQUIRE"));
        let names = lines.flat_map(|(_, list)| list.split([',', ':', '+', '=', ' ']));
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let by_ci = required(".ci/run");
    assert!(by_ci.is_superset(&services), "{by_ci:?}: {services:?}");
    for path in [".github/workflows/ci.yml", ".github/workflows/release.yml"] {
        assert_eq!(required(path), by_ci, "{path}");
    }
}

#[test]
fn one_day_in_a_month_is_its_first_monday() {
    let asks = |day: Date| {
        let mut script = Command::new(root().join("scripts/is-first-monday.sh"));
        let answer = script.arg(day.to_string()).output().expect("a shell");
        answer.status.success()
    };
    for month in 1..=12 {
        let days = (1..=28).map(|day| date(2026, month, day));
        let mondays: Vec<Date> = days.filter(|day| asks(*day)).collect();
        let [monday] = mondays[..] else {
            panic!("{mondays:?}");
        };
        assert!(
            monday.weekday() == Weekday::Monday && monday.day() <= 7,
            "{monday}"
        );
    }
}

#[test]
fn scripts_refuse_what_they_do_not_know() {
    for arguments in [
        &[][..],
        &["client"],
        &["client", "new"],
        &["both", "17"],
        &["client", "17", "18"],
    ] {
        let mut script = Command::new(root().join("scripts/install-postgres.sh"));
        let ran = script.args(arguments).output().expect("a shell");
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}");
    }
}

/// A clone of a repository with a drill log, and a `gh` that writes down what it is asked.
struct Clone(TempDir);

impl Clone {
    fn new() -> Self {
        let clone = Self(tempfile::tempdir().expect("a directory"));
        clone.shell(
            "git init -q --bare origin && git init -q work && cd work && git remote add origin ../origin
             mkdir -p docs scripts ../bin && printf 'bootstrap\\n' > docs/drill-log.md
             git add docs && git -c user.name=t -c user.email=t@example.com commit -qm first
             printf '#!/bin/sh\\necho \"$@\" >> ../asked\\n' > ../bin/gh && chmod +x ../bin/gh",
        );
        let script = root().join("scripts/propose-drill-row.sh");
        std::fs::copy(script, clone.0.path().join("work/scripts/propose-drill-row.sh")).expect("a script");
        clone
    }

    fn shell(&self, script: &str) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        let ran = shell
            .args(["-ec", script])
            .current_dir(self.0.path())
            .env("PATH", format!("{}:{path}", self.0.path().join("bin").display()))
            .env("HOME", self.0.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output();
        ran.expect("a shell")
    }
}

#[test]
fn a_drills_row_is_proposed_on_a_branch_of_its_own() {
    let clone = Clone::new();
    let unchanged =
        clone.shell("cd work && cp docs/drill-log.md ../log && scripts/propose-drill-row.sh ../log 7");
    assert_eq!(unchanged.status.code(), Some(1));
    let told = String::from_utf8_lossy(&unchanged.stderr);
    assert!(told.contains("added no row"), "{told}");

    let proposed = clone.shell("cd work && echo proven > ../log && scripts/propose-drill-row.sh ../log 8");
    assert!(
        proposed.status.success(),
        "{}",
        String::from_utf8_lossy(&proposed.stderr)
    );
    let pushed = clone.shell(
        "cd work && git -C ../origin branch && git -C ../origin show drill-log/run-8:docs/drill-log.md",
    );
    assert_eq!(
        String::from_utf8_lossy(&pushed.stdout).trim(),
        "drill-log/run-8\nproven"
    );
    let asked = std::fs::read_to_string(clone.0.path().join("asked")).expect("what gh was asked");
    assert!(asked.starts_with("auth setup-git\npr create --title"), "{asked}");
}

#[test]
fn a_release_is_packed_alike_whoever_packs_it() {
    let place = tempfile::tempdir().expect("a directory");
    // The program that tests run is large: what is packed is a script that starts it.
    let program = place.path().join("paycraft-dr");
    let script = format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_paycraft-dr"));
    write_program(&program, &script);
    let pack = |directory: &str| {
        let mut script = Command::new(root().join("scripts/pack-release.sh"));
        script
            .arg(&program)
            .args(["v9.9.9", "here"])
            .arg(place.path().join(directory));
        let packed = script.output().expect("a shell");
        assert!(
            packed.status.success(),
            "{}",
            String::from_utf8_lossy(&packed.stderr)
        );
        let archive = place
            .path()
            .join(directory)
            .join("paycraft-dr-v9.9.9-here.tar.gz");
        std::fs::read(archive).expect("an archive")
    };
    let packed = pack("once");
    assert!(packed == pack("again"), "the same files gave other bytes");
    let mut list = Command::new("tar");
    let listed = list
        .arg("-tzf")
        .arg(place.path().join("once/paycraft-dr-v9.9.9-here.tar.gz"))
        .output()
        .expect("tar");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for file in [
        "bin/paycraft-dr",
        "man/man1/paycraft-dr-restore.1",
        "completions/paycraft-dr.zsh",
        "docs/RUNBOOK.md",
        "fixtures/paycraft-dr.toml",
        "deploy/systemd/paycraft-dr-backup.service",
    ] {
        let whole = format!("paycraft-dr-v9.9.9-here/{file}");
        assert!(
            listed.lines().any(|line| line == whole),
            "{file} is not in {listed}"
        );
    }
}

#[test]
fn a_release_says_what_the_changelog_says() {
    let notes = |version: &str| {
        let mut script = Command::new(root().join("scripts/release-notes.sh"));
        script.arg(version).output().expect("a shell")
    };
    let told = String::from_utf8_lossy(&notes("Unreleased").stdout).into_owned();
    assert!(told.contains("- `backup`: "), "{told}");
    assert_eq!(notes("0.0.0").status.code(), Some(1));
}

#[test]
fn every_script_that_is_called_is_there() {
    for (name, lines) in workflows() {
        for line in &lines {
            for called in line
                .split_whitespace()
                .filter(|word| word.starts_with("scripts/"))
            {
                let script = root().join(called.trim_end_matches(';'));
                let mode = std::fs::metadata(&script).map_or(0, |facts| facts.permissions().mode());
                assert!(mode & 0o111 != 0, "{name}: {called} is no program");
            }
        }
    }
}
