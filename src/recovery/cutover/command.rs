//! A step that is a program.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::{StepContext, StepFailure};
use crate::child::{Child, shown};
use crate::model::cutover::step::{CommandLine, SecretSource};
use crate::model::secret::Secret;

/// Runs the program to its end. What it said is told only where it failed, and without the secrets that are known.
pub(super) async fn run(line: &CommandLine, means: &StepContext<'_>) -> Result<String, StepFailure> {
    let mut command = Command::new(&line.program);
    command.args(&line.arguments);
    for name in means.withheld {
        command.env_remove(name);
    }
    command.envs(&line.environment);
    let secret = |source: &SecretSource| means.secrets.get(source).map(Secret::reveal);
    for (name, source) in &line.secret_environment {
        if let Some(value) = secret(source) {
            command.env(name, value);
        }
    }
    if let Some(directory) = &line.directory {
        command.current_dir(directory);
    }
    let input = line.input.as_ref().and_then(secret);
    let started = Child::start_fed(&line.program, command, input);
    let (what, said) = match async { started?.ended_within(line.timeout).await }.await {
        Ok(Ok(ended)) if ended.status.success() => return Ok(String::new()),
        Ok(Ok(ended)) => (
            format!("{} ended with {}", line.program, ended.status),
            ended.said,
        ),
        Ok(Err(said)) => (
            format!(
                "{} took longer than {:?} and was ended",
                line.program, line.timeout
            ),
            said,
        ),
        Err(error) => (error.to_string(), error.causes()),
    };
    let said = said
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| shown(&means.redactor.redact(line)));
    Err(StepFailure {
        what: means.redactor.redact(&what),
        said: said.collect(),
    })
}

/// What would keep the program from being started as it must be.
pub(super) fn problem(line: &CommandLine, means: &StepContext<'_>) -> Option<String> {
    let mut words = [&line.program].into_iter().chain(&line.arguments);
    if words.any(|word| means.redactor.finds(word)) {
        return Some("its command repeats a secret; give that with secret_env or stdin".to_owned());
    }
    if line.environment.values().any(|value| means.redactor.finds(value)) {
        return Some("its env repeats a secret; give that with secret_env".to_owned());
    }
    let directory = line.directory.as_deref().unwrap_or(Path::new("."));
    if !directory.is_dir() {
        return Some(format!("there is no directory {}", directory.display()));
    }
    (!is_there(line, directory, means)).then(|| format!("there is no program {:?}", line.program))
}

fn is_there(line: &CommandLine, directory: &Path, means: &StepContext<'_>) -> bool {
    if line.program.contains('/') {
        return is_program(&directory.join(&line.program));
    }
    let own = line.environment.get("PATH").map(std::ffi::OsStr::new);
    let places = own.or(means.path).map(std::env::split_paths);
    let mut places = places.into_iter().flatten();
    places.any(|place: PathBuf| is_program(&place.join(&line.program)))
}

fn is_program(path: &Path) -> bool {
    const EXECUTABLE: u32 = 0o111;
    std::fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & EXECUTABLE != 0)
}
