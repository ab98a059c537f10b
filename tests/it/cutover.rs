//! The way back into service: steps that are real programs, a journal that outlives kill -9, and no secret anywhere.

mod children;
mod configuration;
mod going_on;
mod waiting;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Instant;

use paycraft_dr::model::cutover::journal::{JournalRecord, read, whole_lines};
use tempfile::TempDir;

use super::kit::{json, output, program, said};

const TARGET: &str = "postgresql://app:hunter2%2Fsecret@127.0.0.1:1/paycraft";

/// A directory with a configuration of steps.
struct Site {
    directory: TempDir,
}

impl Site {
    fn new(steps: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let site = Self { directory };
        site.configure(steps);
        site
    }

    /// `HERE` in the steps is this directory.
    fn configure(&self, steps: &str) {
        let steps = steps.replace("HERE", &self.path("").display().to_string());
        std::fs::write(self.path("dr.toml"), steps).expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&["--config", "dr.toml", "cutover"]);
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("TARGET_DB_URL", TARGET);
        command
    }

    async fn cutover(&self, arguments: &[&str]) -> Output {
        output(self.command(arguments)).await
    }

    /// What the steps wrote down.
    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn journal(&self) -> Vec<JournalRecord> {
        let text = std::fs::read(self.path("cutover-journal.jsonl")).expect("a journal");
        read(whole_lines(&text)).expect("records")
    }

    async fn until_there(&self, name: &str) {
        let patience = Instant::now();
        while !self.path(name).exists() {
            assert!(patience.elapsed().as_secs() < 60, "{name} never came");
            tokio::task::yield_now().await;
        }
    }
}

fn step(name: &str, script: &str, more: &str) -> String {
    format!(
        "[[cutover.step]]\nname = \"{name}\"\nwhy = \"It has to be.\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n{more}\n"
    )
}

fn logging(name: &str) -> String {
    step(name, &format!("echo {name} >>log"), "")
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, says: &[&str]) {
    let told = said(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for words in says {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
    assert!(!told.contains("hunter2"), "a secret was printed:\n{told}");
}

fn outcomes(output: &Output) -> Vec<String> {
    let document = json(output);
    let steps = document["steps"].as_array().expect("steps");
    steps
        .iter()
        .map(|step| step["outcome"].as_str().expect("an outcome").to_owned())
        .collect()
}
