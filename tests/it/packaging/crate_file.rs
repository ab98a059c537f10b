//! The crate as `cargo package` would send it, and the licences and sources of what it is built from.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::docs::page::read;

/// Twice what it is: a crate that grew that much took something along. Compressed it is a quarter.
const MOST_BYTES: u64 = 4 << 20;

fn cargo(arguments: &[&str]) -> String {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    let ran = cargo
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
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
        ("scripts/setup.sh", format!("Rust {rust}")),
    ] {
        assert!(read(path).contains(&said), "{path} does not say {said}");
    }
}
