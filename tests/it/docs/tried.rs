//! The pages' commands, run as they stand there, one after another as in one terminal.
//!
//! The words behind a block's fence say what it meets: `tried` runs it; `exits=N` is the exit code it must end with (0 unless
//! said); `kept` leaves the target as the block before it left it, where otherwise it is new and empty; `into=` names another
//! kind of target; `with=` names what is another way before. A `text` block right behind is what it must print: line by line when
//! it is `exact`, and otherwise in words, as numbers differ from run to run.

use std::collections::BTreeSet;
use std::process::Command;

use super::desk::Desk;
use super::page::{Block, blocks, read};
use crate::kit::{run, said, skip};

/// Blocks of shell that are not run, by their first line, and why not.
const NOT_TRIED: [(&str, &str); 6] = [
    (
        "git clone https://github.com/paycraft/paycraft-dr",
        "it clones and builds this program, as the workflows do; the tests run the one that was built here",
    ),
    (
        "nix run github:paycraft/paycraft-dr#drill",
        "nixpkgs is needed; the workflow runs it",
    ),
    ("make drill   #", "the workflows run it, and the tests run in it"),
    ("make drill ARGS=", "the same, for longer"),
    (
        "make scenarios",
        "every scenario takes minutes, and CI plays them; a file of one's own and the soak have tests of their own",
    ),
    (
        "export SUPABASE_DB_URL_FILE=/run/secrets/source",
        "whoever follows the page has files of their own; the test gives the settings",
    ),
];

/// Runs a page from its first block to its last.
async fn try_page(path: &str) {
    let Some(mut desk) = Desk::new().await else { return };
    let page = read(path);
    let blocks = blocks(&page);
    if let Some(template) = blocks.iter().find(|block| block.language() == "ini") {
        desk.fill_settings(&template.text);
    }
    let mut target = None;
    for (place, block) in blocks.iter().enumerate() {
        if block.language() != "sh" || !block.says("tried") {
            continue;
        }
        let at = format!("{path}:{}\n{}", block.line, block.text);
        if !block.says("kept") || target.is_none() {
            target = Some(desk.target(block).await);
        }
        let target = target.as_deref().expect("a target");
        let ran = desk.run(block, target).await;
        let said = said(&ran);
        let code: i32 = block
            .setting("exits")
            .map_or(0, |code| code.parse().expect("a number"));
        assert_eq!(ran.status.code(), Some(code), "{at}\n{said}");
        if let Some(shown) = blocks.get(place + 1)
            && shown.language() == "text"
        {
            let missing = missing(shown, &said);
            assert!(
                missing.is_empty(),
                "{at}\nshows {missing:?}, and it said:\n{said}"
            );
        }
    }
}

/// The lines of `shown` that `said` has none like.
fn missing(shown: &Block, said: &str) -> Vec<String> {
    let is_like = |line: &str, said: &str| match shown.says("exact") {
        true => line.trim() == said.trim(),
        false => lasting(line) == lasting(said),
    };
    let unlike = |line: &&str| !said.lines().any(|said| is_like(line, said));
    shown.text.lines().filter(unlike).map(str::to_owned).collect()
}

/// The words of a line that are the same whenever and wherever it is printed: no number, unit, rule or name with a digit.
fn lasting(line: &str) -> Vec<&str> {
    const UNITS: [&str; 7] = ["B", "s", "min", "h", "days", "-", "|"];
    let is_size = |word: &str| word.ends_with("iB") || word.ends_with("iB/s") || word.ends_with("B/s");
    let lasts = |word: &&str| {
        !word.contains(|mark: char| mark.is_ascii_digit()) && !UNITS.contains(word) && !is_size(word)
    };
    // A source has the name of its database, which is another one here.
    let words = match line.strip_prefix("source ") {
        Some(_) => "source",
        None => line,
    };
    words.split_whitespace().filter(lasts).collect()
}

#[test]
fn the_page_about_plain_tools_is_true() {
    run(async {
        for tool in ["aws", "jq", "python3"] {
            if Command::new(tool).arg("--version").output().is_err() {
                skip(tool, "it is not on the path: `make setup-test` installs it");
                return;
            }
        }
        try_page("docs/WITHOUT-THIS-PROGRAM.md").await;
    });
}

#[test]
fn the_readme_is_true() {
    run(try_page("README.md"));
}

#[test]
fn the_runbook_is_true() {
    run(try_page("docs/RUNBOOK.md"));
}

#[test]
fn every_block_of_shell_is_tried_or_says_why_not() {
    let mut untried = Vec::new();
    let mut excused = BTreeSet::new();
    for path in ["README.md", "docs/RUNBOOK.md", "docs/WITHOUT-THIS-PROGRAM.md"] {
        for block in blocks(&read(path)) {
            assert!(
                ["sh", "text", "toml", "ini", "sql"].contains(&block.language()),
                "{path}:{}: say what the block is",
                block.line
            );
            let excuse = NOT_TRIED.iter().find(|(start, _)| block.text.starts_with(start));
            excused.extend(excuse.map(|(start, _)| *start));
            let is_excused = excuse.is_some();
            if block.language() == "sh" && block.says("tried") == is_excused {
                untried.push(format!("{path}:{}", block.line));
            }
        }
    }
    assert!(
        untried.is_empty(),
        "a command that nobody ran is a guess; mark it tried, or excuse it in NOT_TRIED: {untried:?}"
    );
    let starts = NOT_TRIED.iter().map(|(start, _)| *start);
    let idle: Vec<_> = starts.filter(|start| !excused.contains(start)).collect();
    assert!(idle.is_empty(), "excused, and on no page: {idle:?}");
}
