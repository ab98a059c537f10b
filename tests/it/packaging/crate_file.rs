//! The crate as `cargo package` would send it, and the licences and sources of what it is built from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::docs::page::read;

/// Twice what it is: a crate that grew that much took something along. Compressed it is a quarter.
const MOST_BYTES: u64 = 8 << 20;

fn cargo(arguments: &[&str]) -> String {
    asked(arguments).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// What cargo answers, or what it says where it cannot.
fn asked(arguments: &[&str]) -> Result<String, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    let ran = cargo
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    match ran.status.success() {
        true => Ok(String::from_utf8(ran.stdout).expect("text")),
        false => Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
    }
}

#[test]
fn the_crate_holds_what_it_is_built_and_tested_from() {
    let files = cargo(&["package", "--list", "--locked", "--offline", "--allow-dirty"]);
    let files: Vec<&str> = files.lines().collect();
    for needed in [
        "src/main.rs",
        "fixtures/schema/1-tables.sql",
        "fixtures/paycraft-dr.toml",
        "tests/it/main.rs",
        "benches/codecs.rs",
        "Cargo.lock",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "SECURITY.md",
    ] {
        assert!(files.contains(&needed), "the crate lacks {needed}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sizes = files
        .iter()
        .filter_map(|file| std::fs::metadata(root.join(file)).ok());
    let bytes: u64 = sizes.map(|facts| facts.len()).sum();
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
}

/// The licences that `deny.toml` allows, and the crates it makes an exception for.
fn allowed() -> (Vec<String>, Vec<(String, String)>) {
    let document: toml::Table = read("deny.toml").parse().expect("TOML");
    let licenses = document["licenses"].as_table().expect("a table");
    let text = |value: &toml::Value| value.as_str().expect("text").to_owned();
    let list = |value: &toml::Value| {
        value
            .as_array()
            .expect("a list")
            .iter()
            .map(text)
            .collect::<Vec<_>>()
    };
    let exceptions = licenses
        .get("exceptions")
        .and_then(toml::Value::as_array)
        .cloned()
        .unwrap_or_default();
    let exceptions = exceptions
        .iter()
        .flat_map(|exception| {
            list(&exception["allow"])
                .into_iter()
                .map(|licence| (text(&exception["crate"]), licence))
        })
        .collect();
    (list(&licenses["allow"]), exceptions)
}

/// Whether an SPDX expression holds with the licences given: no more of its grammar than crates use.
fn holds(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    // Without its brackets, an expression that holds holds still where all of its parts are ANDed ones of ORs.
    expression
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|licence| allowed(licence.trim())))
}

#[test]
fn everything_that_is_built_in_comes_from_the_registry_under_a_licence_that_is_allowed() {
    let (licenses, exceptions) = allowed();
    let metadata = cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--offline",
        "--filter-platform=x86_64-unknown-linux-gnu",
    ]);
    let metadata: Value = serde_json::from_str(&metadata).expect("a document");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100);
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        if name == "paycraft-dr" {
            continue;
        }
        let source = package["source"].as_str().unwrap_or_default();
        if source != "registry+https://github.com/rust-lang/crates.io-index" {
            wrong.push(format!("{name} comes from {source:?}"));
        }
        let licence = package["license"].as_str().unwrap_or("nothing");
        let is_allowed = |asked: &str| {
            licenses.iter().any(|known| known == asked)
                || exceptions.iter().any(|(of, known)| of == name && known == asked)
        };
        if !holds(licence, &is_allowed) {
            wrong.push(format!("{name} is under {licence}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn licences_are_read_as_they_are_written() {
    let only = |known: &'static str| move |asked: &str| asked == known;
    assert!(holds("MIT OR Apache-2.0", &only("MIT")));
    assert!(holds("MIT/Apache-2.0", &only("MIT")));
    assert!(!holds("MIT AND ISC", &only("MIT")));
    assert!(!holds("(MIT OR Apache-2.0) AND Unicode-3.0", &only("MIT")));
    assert!(!holds("GPL-3.0", &only("MIT")));
}

/// Every crate that is built in, in each of its versions, for the targets and with the features that `deny.toml` names.
///
/// `cargo metadata` would not do: it also tells of what a feature would bring that is not asked for.
fn built_in(deny: &toml::Table) -> BTreeSet<(String, String)> {
    let graph = deny["graph"].as_table().expect("a table");
    assert_eq!(graph["all-features"].as_bool(), Some(true));
    let targets = graph["targets"].as_array().expect("a list").iter();
    let trees: Vec<String> = targets
        .filter_map(|target| {
            let mut arguments = vec!["tree", "--locked", "--offline", "--all-features", "--prefix=none"];
            let target = format!("--target={}", target.as_str().expect("text"));
            arguments.extend(["--edges=normal,build", "--no-dedupe", "--format={p}", &target]);
            // Crates of a target that nothing was built for here were never fetched; cargo-deny itself looks at all targets.
            let tree = asked(&arguments);
            tree.inspect_err(|why| assert!(why.contains("--offline"), "{why}"))
                .ok()
        })
        .collect();
    assert!(!trees.is_empty(), "no target is known here");
    let lines = trees.iter().flat_map(|tree| tree.lines());
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
            Some((name.to_owned(), version.to_owned()))
        })
        .collect()
}

#[test]
fn what_is_built_in_twice_is_skipped_by_name_and_nothing_else_is() {
    let deny: toml::Table = read("deny.toml").parse().expect("TOML");
    let bans = deny["bans"].as_table().expect("a table");
    assert_eq!(bans["multiple-versions"].as_str(), Some("deny"));
    let skipped = bans["skip"].as_array().expect("a list").iter();
    let skipped: BTreeSet<&str> = skipped
        .map(|skipped| skipped["crate"].as_str().expect("text"))
        .collect();
    let built_in = built_in(&deny);
    assert!(built_in.len() > 100, "{built_in:?}");
    let is_excused =
        |name: &str, version: &str| skipped.iter().any(|skipped| is_skipped(skipped, name, version));
    let mut plain = BTreeMap::new();
    for (name, version) in built_in
        .iter()
        .filter(|(name, version)| !is_excused(name, version))
    {
        plain
            .entry(name.as_str())
            .or_insert_with(Vec::new)
            .push(version.as_str());
    }
    let twice: Vec<_> = plain.iter().filter(|(_, versions)| versions.len() > 1).collect();
    assert!(
        twice.is_empty(),
        "built in twice, and not skipped in deny.toml: {twice:?}"
    );
    // Beside what is skipped there is a version that is not.
    let is_needed = |skipped: &str| {
        let mut meant = built_in
            .iter()
            .filter(|(name, version)| is_skipped(skipped, name, version));
        meant.any(|(name, _)| plain.contains_key(name.as_str()))
    };
    let idle: Vec<_> = skipped.iter().filter(|skipped| !is_needed(skipped)).collect();
    assert!(
        idle.is_empty(),
        "skipped in deny.toml, and not built in twice: {idle:?}"
    );
}

/// Whether `deny.toml` means this version, of which it gives as many numbers as matter.
fn is_skipped(skipped: &str, name: &str, version: &str) -> bool {
    let (of, numbers) = skipped.split_once('@').expect("a version");
    let rest = version.strip_prefix(numbers);
    of == name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[test]
fn every_exception_has_its_reason() {
    let deny = read("deny.toml");
    let lines: Vec<&str> = deny.lines().map(str::trim).collect();
    for (at, line) in lines.iter().enumerate() {
        let is_exception = line.starts_with("{ ") || line.starts_with("\"RUSTSEC-");
        assert!(
            !is_exception || lines[at - 1].starts_with('#') || line.contains("reason = "),
            "deny.toml:{}: no reason: {line}",
            at + 1
        );
    }
}

#[test]
fn the_oldest_rust_is_said_once_and_nowhere_otherwise() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let rust = manifest["package"]["rust-version"].as_str().expect("a version");
    for (path, said) in [
        ("README.md", format!("Rust {rust}")),
        ("CONTRIBUTING.md", format!("Rust {rust}")),
    ] {
        assert!(read(path).contains(&said), "{path} does not say {said}");
    }
}
