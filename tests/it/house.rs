//! Rules about the tree itself, with their reasons.

use std::path::{Path, PathBuf};

use paycraft_dr::error::Kind;

/// Who may name whom. A layer may name itself and those listed; everything may name `error`.
const LAYERS: [(&str, &[&str]); 11] = [
    ("error", &[]),
    ("log", &[]),
    ("child", &["log", "model"]),
    ("http", &["log"]),
    ("model", &[]),
    ("archive", &[]),
    ("postgres", &["log", "model"]),
    ("store", &["log", "model"]),
    (
        "recovery",
        &["archive", "child", "http", "log", "model", "postgres", "store"],
    ),
    (
        "drill",
        &["archive", "child", "model", "postgres", "recovery", "store"],
    ),
    (
        "cli",
        &[
            "archive", "drill", "http", "log", "model", "postgres", "recovery", "store",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory").flatten();
    let mut found: Vec<PathBuf> = entries
        .flat_map(|entry| {
            if entry.path().is_dir() {
                sources(&entry.path())
            } else {
                vec![entry.path()]
            }
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    found.sort();
    found
}

fn layer_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("a source file");
    let first = inside
        .components()
        .next()
        .expect("a name")
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let layer = layer_of(&path);
        if layer == "main" || layer == "lib" {
            continue;
        }
        let (_, allowed) = LAYERS
            .iter()
            .find(|(name, _)| *name == layer)
            .expect("every folder is a layer");
        let text = std::fs::read_to_string(&path).expect("a file");
        for (number, line) in text.lines().enumerate() {
            for used in line.split("crate::").skip(1) {
                let used = used
                    .split(|mark: char| !mark.is_alphanumeric() && mark != '_')
                    .next()
                    .unwrap_or_default();
                if used != layer && used != "error" && !allowed.contains(&used) {
                    wrong.push(format!("{}:{} names crate::{used}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "cli → recovery → {{archive, child, http, model, postgres, store}} → error, so that each can be read without those above it:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn pure_layers_do_no_io_and_read_no_clock() {
    const IMPURE: [&str; 9] = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "tokio",
        "Instant::now",
        "Timestamp::now",
        "SystemTime",
        "println!",
    ];
    let mut wrong = Vec::new();
    for layer in ["model", "archive"] {
        for path in sources(&root().join("src").join(layer)) {
            let text = std::fs::read_to_string(&path).expect("a file");
            let used = IMPURE.iter().filter(|name| text.contains(**name));
            wrong.extend(used.map(|name| format!("{} uses {name}", path.display())));
        }
    }
    assert!(
        wrong.is_empty(),
        "what is pure can be tested in microseconds and read without surprise:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn only_the_command_line_prints() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).expect("a file");
        let prints = ["println!", "eprintln!", "print!(", "io::stdout", "io::stderr"];
        if layer_of(&path) != "cli" && prints.iter().any(|name| text.contains(name)) {
            wrong.push(path.display().to_string());
        }
    }
    assert!(
        wrong.is_empty(),
        "a verb returns values, so that --json has one document on stdout:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_readme_and_the_help_tell_the_same_exit_codes() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    let help = super::kit::program(&["--help"])
        .output()
        .expect("the program starts");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for kind in Kind::ALL {
        let row = format!(
            "| {} | {} | {} |",
            kind.exit_code(),
            kind.meaning(),
            kind.advice()
        );
        assert!(readme.contains(&row), "README.md lacks the row {row}");
        let line = format!("{:>3}  {}", kind.exit_code(), kind.meaning());
        assert!(help.contains(&line), "--help lacks the line {line}");
    }
}

#[test]
fn exit_codes_are_distinct() {
    let mut codes: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Kind::ALL.len());
    assert!(!codes.contains(&0));
}
