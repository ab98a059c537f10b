//! The manual's pages and the shells' completions: made by the program itself, so nothing stored can drift from it.

use std::process::Command;

use super::help::commands;
use crate::kit::{program, skip};

#[test]
fn every_command_has_its_page_in_the_manual() {
    let place = tempfile::tempdir().expect("a directory");
    let directory = place.path().join("man1");
    let written = program(&["man"])
        .arg(&directory)
        .output()
        .expect("the program starts");
    assert!(written.status.success());
    for (words, command) in commands() {
        let page = directory.join(format!("paycraft-dr{}.1", words.replace(' ', "-")));
        let page =
            std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        let has = |heading: &str| {
            page.lines()
                .any(|line| line.replace('"', "") == format!(".SH {heading}"))
        };
        assert!(has("EXAMPLES") || has("EXAMPLE"), "{words}: {page}");
        for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(page.contains(&flag.replace('-', "\\-")), "{words} --{flag}");
        }
        assert_eq!(has("EXIT CODES"), words.is_empty(), "{words}");
        assert_eq!(has("ENVIRONMENT"), words.is_empty(), "{words}");
    }
    let pages = std::fs::read_dir(&directory).expect("pages").count();
    assert_eq!(pages, commands().len());

    if Command::new("mandoc")
        .arg("-Tlint")
        .arg("/dev/null")
        .output()
        .is_err()
    {
        skip("mandoc", "it is not on the path: `make setup-test` installs it");
        return;
    }
    let pages = std::fs::read_dir(&directory).expect("pages").flatten();
    let mut mandoc = Command::new("mandoc");
    mandoc
        .args(["-Tlint", "-Werror"])
        .args(pages.map(|page| page.path()));
    let read = mandoc.output().expect("mandoc");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stdout));
}

#[test]
fn a_manual_that_cannot_be_written_is_said_with_the_way_out() {
    let ran = program(&["man", "/dev/null/man1"])
        .output()
        .expect("the program starts");
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(
        said.starts_with("error: the manual cannot be written") && said.contains("hint: "),
        "{said}"
    );
}

#[test]
fn bash_completes_commands_and_flags() {
    let script = program(&["completions", "bash"])
        .output()
        .expect("the program starts");
    assert!(script.status.success());
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("completions");
    std::fs::write(&file, &script.stdout).expect("a file");
    let complete = |words: &[&str]| {
        let line = format!(
            "source \"$1\"; COMP_WORDS=({}); COMP_CWORD={}; \
             $(complete -p paycraft-dr | sed -E 's/.*-F ([^ ]+).*/\\1/') paycraft-dr '{}' '{}'; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1,
            words.last().expect("a word"),
            words[words.len() - 2],
        );
        let mut bash = Command::new("bash");
        let ran = bash
            .args(["-c", &line, "bash"])
            .arg(&file)
            .output()
            .expect("bash");
        let offered = String::from_utf8_lossy(&ran.stdout);
        offered.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["paycraft-dr", "rest"]), ["restore"]);
    assert_eq!(complete(&["paycraft-dr", "cutover", "pl"]), ["plan"]);
    let scenarios = complete(&["paycraft-dr", "drill", "--scenario", "download-re"]);
    assert_eq!(scenarios, ["download-reset"]);
    assert_eq!(complete(&["paycraft-dr", "scenarios", "basel"]), ["baseline"]);
    // What is hidden is for the program alone.
    assert_eq!(complete(&["paycraft-dr", "clear-c"]), [""]);
    let flags = complete(&["paycraft-dr", "restore", "--co"]);
    assert_eq!(flags, ["--confirm-prod-restore", "--config"]);
}

#[test]
fn each_shell_has_a_script() {
    for shell in ["bash", "fish", "zsh", "elvish", "powershell"] {
        let script = program(&["completions", shell])
            .output()
            .expect("the program starts");
        let script = String::from_utf8_lossy(&script.stdout).into_owned();
        assert!(script.contains("confirm-prod-restore"), "{shell}: {script}");
    }
}
