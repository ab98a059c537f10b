//! The phases that a command goes through, so that each can be shown as one of how many.

use crate::cli::args::Command;
use crate::model::timeline::Phase;

/// The phases in their order; none for a command that has no more than one.
pub(in crate::cli) fn steps(command: &Command) -> Vec<Phase> {
    match command {
        #[cfg(feature = "drill")]
        Command::Backup(own) if own.prove.is_some() => {
            let mut steps = vec![Phase::Backup];
            steps.extend(restoring(true));
            steps
        }
        Command::Restore(own) => restoring(!own.no_analyze),
        Command::Recover(own) => {
            let mut steps = restoring(!own.restore.no_analyze);
            steps.push(Phase::Cutover);
            steps
        }
        #[cfg(feature = "drill")]
        Command::Drill(own) if own.from_store => restoring(true),
        #[cfg(feature = "drill")]
        Command::Drill(_) => {
            let mut steps = vec![Phase::Seed, Phase::Backup];
            steps.extend(restoring(true));
            steps
        }
        _ => Vec::new(),
    }
}

fn restoring(analyzes: bool) -> Vec<Phase> {
    let all = [
        Phase::Select,
        Phase::Provision,
        Phase::Transfer,
        Phase::Finish,
        Phase::Analyze,
        Phase::Verify,
    ];
    all.into_iter()
        .filter(|phase| analyzes || *phase != Phase::Analyze)
        .collect()
}
