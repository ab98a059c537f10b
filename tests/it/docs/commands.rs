//! Every command and every flag that a page, a workflow or the README names is one that the program knows.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;

use paycraft_dr::cli::config::Config;

use super::page::{invocations, read};
use crate::kit::program;

const NAMED_IN: [&str; 11] = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/RUNBOOK.md",
    "docs/WITHOUT-THIS-PROGRAM.md",
    "docs/drill-log.md",
    ".github/workflows/ci.yml",
    ".github/workflows/daily-backup.yml",
    ".github/workflows/monthly-drill.yml",
    ".github/workflows/release.yml",
    ".github/workflows/restore-regression.yml",
];

/// What `--help` of a command shows, or of the program where it is empty.
fn help(command: &str) -> Option<String> {
    let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    let shown = program(&arguments).output().expect("the program starts");
    shown
        .status
        .success()
        .then(|| String::from_utf8_lossy(&shown.stdout).into_owned())
}

fn flags(help: &str) -> BTreeSet<&str> {
    let words = help.split(|mark: char| mark.is_whitespace() || "=,[]`".contains(mark));
    words.filter(|word| word.starts_with("--")).collect()
}

#[test]
fn every_command_and_flag_that_is_named_exists() {
    let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for path in NAMED_IN {
        for named in invocations(&read(path)) {
            looked_at += 1;
            let help = known
                .entry(named.command.clone())
                .or_insert_with(|| help(&named.command));
            let Some(help) = help else {
                wrong.push(format!("{path}: no command `{}`", named.command));
                continue;
            };
            let unknown = named
                .flags
                .iter()
                .filter(|flag| !flags(help).contains(flag.as_str()));
            wrong.extend(unknown.map(|flag| format!("{path}: {} has no {flag}", named.command)));
        }
    }
    assert!(looked_at > 20, "only {looked_at} commands were found");
    assert!(
        wrong.is_empty(),
        "what is typed at night must not end with exit code 2:\n{}",
        wrong.join("\n")
    );
}

/// The words right behind `start` in what somebody is to type: a span, or a block, as three backticks are a backtick, too.
fn typed_behind(start: &str, page: &str) -> BTreeSet<String> {
    let typed = page.split('`').skip(1).step_by(2).flat_map(str::lines);
    let behind = typed.filter_map(|line| line.split_once(start));
    let word = |(_, rest): (&str, &str)| {
        let end = rest.find(|mark: char| !mark.is_ascii_lowercase() && mark != '-');
        rest[..end.unwrap_or(rest.len())].to_owned()
    };
    behind.map(word).filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_target_and_output_that_is_named_exists() {
    let (makefile, flake) = (read("Makefile"), read("flake.nix"));
    let mut looked_at = 0;
    for page in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/RUNBOOK.md",
        "deploy/README.md",
    ] {
        let text = read(page);
        for target in typed_behind("make ", &text) {
            looked_at += 1;
            assert!(
                makefile.contains(&format!("\n{target}:")),
                "{page}: no `make {target}`"
            );
        }
        for output in typed_behind("#", &text) {
            looked_at += 1;
            assert!(
                flake.contains(&format!(" {output} = ")),
                "{page}: no output {output}"
            );
        }
    }
    assert!(looked_at > 8, "only {looked_at} were found");
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let repository = manifest["package"]["repository"].as_str().expect("an address");
    assert!(
        read("README.md").contains(&format!("cargo install --locked --git {repository}`")),
        "what is installed with cargo comes from {repository}"
    );
}

/// The keys that the program knows below a header, or the sections where it is empty: what it says when it meets another.
fn known_keys(header: &str) -> Vec<String> {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("paycraft-dr.toml");
    std::fs::write(&file, format!("{header}\nnot_a_setting = 1\n")).expect("a file");
    let refused = Config::read(&file).expect_err("an unknown key");
    let said = refused.source().expect("what is wrong").to_string();
    let (_, expected) = said.split_once("expected ").expect("what is known");
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_shipped_configuration_shows_every_setting() {
    let configuration = read("fixtures/paycraft-dr.toml");
    let shows = |line: &str| {
        let mut lines = configuration.lines();
        lines.any(|shown| shown.trim_start_matches("# ").starts_with(line))
    };
    let sections = known_keys("");
    assert!(sections.len() > 5, "{sections:?}");
    let mut missing = Vec::new();
    let mut sections = sections;
    while let Some(section) = sections.pop() {
        let is_table = shows(&format!("[{section}]"));
        if !is_table && !shows(&format!("[[{section}]]")) {
            missing.push(section);
            continue;
        }
        let header = match is_table {
            true => format!("[{section}]"),
            false => format!("[[{section}]]"),
        };
        for key in known_keys(&header) {
            let inner = format!("{section}.{key}");
            if shows(&format!("[{inner}]")) || shows(&format!("[[{inner}]]")) {
                // A step of a cutover is of one of several kinds, which have a test of their own.
                sections.extend((inner != "cutover.step").then_some(inner));
            } else if !shows(&format!("{key} = ")) {
                missing.push(inner);
            }
        }
    }
    assert!(
        missing.is_empty(),
        "nobody finds a setting that is not shown: {missing:?}"
    );
}
