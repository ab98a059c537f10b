//! Every command's help shows how it is typed, and what it shows can be typed.

use clap::{Command, CommandFactory, Parser};
use paycraft_dr::cli::args::Arguments;

/// The program's commands that people type, each with its words: what has no commands of its own, and what has.
pub fn commands() -> Vec<(String, Command)> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    let mut found = vec![(String::new(), program)];
    let mut at = 0;
    while let Some((words, command)) = found.get(at).cloned() {
        // What is hidden is typed by the program alone.
        let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set());
        found.extend(inner.map(|inner| (format!("{words} {}", inner.get_name()), inner.clone())));
        at += 1;
    }
    found
}

/// The lines under `Examples:`, without what they are set in.
fn examples(command: &Command) -> Vec<String> {
    let help = command.get_after_long_help().or(command.get_after_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let lines = help
        .lines()
        .skip_while(|line| !matches!(*line, "Example:" | "Examples:"))
        .skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// Whether a line can be typed: variables, the program, its arguments, and where its output goes.
fn check(line: &str, command: &str) -> Result<(), String> {
    let typed = line.split(" > ").next().unwrap_or_default();
    let is_variable = |word: &&str| {
        word.split_once('=').is_some_and(|(name, _)| {
            name.chars()
                .all(|mark| mark.is_ascii_uppercase() || "_0123456789".contains(mark))
        })
    };
    let words: Vec<&str> = typed.split_whitespace().skip_while(is_variable).collect();
    if words.first() != Some(&"paycraft-dr") {
        return Err("does not run this program".to_owned());
    }
    let parsed = Arguments::try_parse_from(&words).map_err(|refusal| refusal.to_string())?;
    let own = command.split_whitespace().next();
    if own.is_some_and(|own| own != parsed.command.name()) {
        return Err(format!("shows `{}`", parsed.command.name()));
    }
    Ok(())
}

#[test]
fn every_command_shows_examples_that_can_be_typed() {
    let mut wrong = Vec::new();
    let mut typed = 0;
    for (words, command) in commands() {
        let lines = examples(&command);
        let (comments, lines): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.starts_with('#'));
        if lines.is_empty() || comments.is_empty() {
            wrong.push(format!("`paycraft-dr{words} --help` teaches nothing"));
        }
        typed += lines.len();
        for line in lines {
            if let Err(why) = check(line, &words) {
                wrong.push(format!("{words}: `{line}`: {why}"));
            }
        }
    }
    assert!(typed > 30, "only {typed} examples were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_example_that_cannot_be_typed_is_found() {
    assert!(check("paycraft-dr restore --frobnicate", " restore").is_err());
    assert!(check("paycraft-dr list", " restore").is_err());
    assert!(check("pg_dump", " restore").is_err());
    assert!(check("A_B=c paycraft-dr list > file", " list").is_ok());
}

#[test]
fn every_flag_says_what_it_is_for() {
    let mut silent = Vec::new();
    for (words, command) in commands() {
        let arguments = command
            .get_arguments()
            .filter(|argument| argument.get_help().is_none());
        silent.extend(arguments.map(|argument| format!("{words} {}", argument.get_id())));
    }
    assert!(silent.is_empty(), "{silent:?}");
}
