//! `paycraft-dr completions`.

use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::{Value, json};

use crate::cli::outcome::{Outcome, Report};

/// Print what a shell needs to complete commands and flags.
#[derive(Args, Debug)]
pub struct CompletionsArguments {
    /// The shell that is to complete
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Writes the script for `program`.
pub fn run(own: &CompletionsArguments, program: &Command) -> Report {
    let mut script = Vec::new();
    clap_complete::generate(own.shell, &mut offered(program), "paycraft-dr", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if own.shell == Shell::Bash {
        // The generator spells a hyphen of the program's name in two ways, and then completes nothing behind a command.
        script = script.replace("paycraft__subcmd__dr", "paycraft__dr");
    }
    Report::done(Completions {
        shell: own.shell,
        script,
    })
}

/// What is offered: the commands that people type, and the names of scenarios where one is wanted. Days and keys are not: each press
/// of the key would ask the store, with its credentials.
fn offered(program: &Command) -> Command {
    let visible = program.get_subcommands().filter(|command| !command.is_hide_set());
    let offered = Command::new("paycraft-dr")
        .disable_help_subcommand(true)
        .args(program.get_arguments().cloned())
        .subcommands(visible.cloned());
    with_scenarios(offered)
}

#[cfg(feature = "drill")]
fn with_scenarios(program: Command) -> Command {
    use crate::drill::scenario::{RANDOM, names};

    let names: Vec<&str> = names().collect();
    let played: Vec<&str> = names.iter().copied().chain([super::drill::ALL, RANDOM]).collect();
    program
        .mut_subcommand("drill", |drill| {
            drill.mut_arg("scenario", |scenario| scenario.value_parser(played))
        })
        .mut_subcommand("scenarios", |scenarios| {
            scenarios.mut_arg("name", |name| name.value_parser(names))
        })
}

#[cfg(not(feature = "drill"))]
fn with_scenarios(program: Command) -> Command {
    program
}

#[derive(Debug)]
struct Completions {
    shell: Shell,
    script: String,
}

impl Outcome for Completions {
    fn fields(&self) -> Value {
        json!({ "shell": self.shell.to_string(), "script": self.script })
    }

    fn text(&self, _: bool) -> String {
        self.script.clone()
    }
}
