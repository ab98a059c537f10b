//! `paycraft-dr completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::{Value, json};

use crate::cli::args::Arguments;
use crate::cli::outcome::{Outcome, Report};

/// Print what a shell needs to complete commands and flags.
#[derive(Args, Debug)]
pub struct CompletionsArguments {
    /// The shell that is to complete
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Writes the script.
pub fn run(own: &CompletionsArguments) -> Report {
    let mut script = Vec::new();
    clap_complete::generate(own.shell, &mut Arguments::command(), "paycraft-dr", &mut script);
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

/// A shell's script.
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
