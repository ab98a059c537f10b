//! Rules about the tree itself, with their reasons.

mod circles;
mod names;

use std::path::{Path, PathBuf};

use paycraft_dr::error::Kind;

/// Who may name whom. A layer may name itself and those listed; everything may name `error`.
const LAYERS: [(&str, &[&str]); 13] = [
    ("error", &[]),
    ("deadline", &[]),
    ("worker", &[]),
    ("log", &["model"]),
    ("child", &["deadline", "log", "model", "worker"]),
    ("http", &["log"]),
    ("model", &[]),
    ("archive", &[]),
    ("postgres", &["log", "model"]),
    ("store", &["log", "model"]),
    (
        "recovery",
        &[
            "archive", "child", "deadline", "http", "log", "model", "postgres", "store",
        ],
    ),
    (
        "drill",
        &[
            "archive", "child", "deadline", "model", "postgres", "recovery", "store",
        ],
    ),
    (
        "cli",
        &[
            "archive", "child", "drill", "http", "log", "model", "postgres", "recovery", "store", "worker",
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

/// Words that a reader must translate first, with plain ones for them.
const ODD_WORDS: [(&str, &str); 10] = [
    ("in the stead", "instead of, in place of"),
    ("whatever", "any, all that"),
    ("whoever", "the person, role or program that is meant"),
    ("nobody", "no role, no program; or leave it out"),
    ("what of", "which part of"),
    ("stands", "is"),
    ("bears", "has, holds"),
    ("mends", "repairs"),
    ("lest", "so that … not"),
    ("has had its time", "is expired"),
];

/// Whether the text has the word, and not as a part of another one or between backticks.
fn has_word(text: &str, word: &str) -> bool {
    let text = text.to_lowercase();
    let unquoted = text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let is_letter = |letter: Option<char>| letter.is_some_and(char::is_alphabetic);
    unquoted.match_indices(word).any(|(at, found)| {
        let (before, after) = (&unquoted[..at], &unquoted[at + found.len()..]);
        !is_letter(before.chars().next_back()) && !is_letter(after.chars().next())
    })
}

#[test]
fn comments_and_pages_are_in_plain_words() {
    let mut found = Vec::new();
    let mut look = |path: &Path, number: usize, text: &str| {
        for (word, plain) in ODD_WORDS {
            if has_word(text, word) {
                let place = path.strip_prefix(root()).unwrap_or(path).display();
                found.push(format!("{place}:{}: {word:?}: write {plain}", number + 1));
            }
        }
    };
    let code = ["src", "tests", "benches"].map(|place| sources(&root().join(place)));
    for path in code.into_iter().flatten() {
        let text = std::fs::read_to_string(&path).expect("a file");
        let comments = text.lines().map(str::trim_start).enumerate();
        for (number, line) in comments.filter(|(_, line)| line.starts_with("//")) {
            look(&path, number, line);
        }
    }
    let pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(|page| root().join(page));
    let docs = std::fs::read_dir(root().join("docs"))
        .expect("a directory")
        .flatten();
    for path in pages.into_iter().chain(docs.map(|entry| entry.path())) {
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a page");
        for (number, line) in text.lines().enumerate() {
            look(&path, number, line);
        }
    }
    assert!(
        found.is_empty(),
        "a reader at 3 a.m. must not have to translate:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_word_is_found_where_it_is_one() {
    assert!(has_word("It has nobody's name.", "nobody"));
    assert!(!has_word("an understandsable text, `nobody` the user", "nobody"));
    assert!(!has_word("understands", "stands"));
    assert!(has_word("what of\tit", "what of"));
}

#[test]
fn names_of_checks_are_constants() {
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).expect("a file");
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let text = text.split_whitespace().collect::<String>();
        for made in ["Check::none_of(\"", "Check::skipped(\""] {
            assert!(
                !text.contains(made),
                "{}: the name of a check is written out: others refer to it, so it belongs into model/check_names.rs",
                path.display()
            );
        }
    }
}
