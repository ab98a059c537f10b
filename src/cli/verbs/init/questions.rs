//! Questions to an operator at a terminal.

use std::io::{IsTerminal, Write};

use crate::cli::progress;
use crate::error::{Error, Kind, Result};

/// Asks, or takes what is proposed.
pub(super) struct Questions {
    takes_proposals: bool,
}

impl Questions {
    /// Fails where something is to be asked and there is no terminal.
    pub(super) fn new(takes_proposals: bool) -> Result<Self> {
        if !takes_proposals && !std::io::stdin().is_terminal() {
            return Err(Error::new(Kind::Usage, "there is no terminal to ask at")
                .hint("add --yes to take what is proposed; flags say the rest"));
        }
        Ok(Self { takes_proposals })
    }

    /// What was `given` by a flag, otherwise what is typed, otherwise the proposal. Nothing where all are empty.
    pub(super) async fn ask(
        &mut self,
        question: &str,
        given: Option<String>,
        proposed: Option<String>,
    ) -> Result<Option<String>> {
        if given.is_some() || self.takes_proposals {
            return Ok(given.or(proposed).filter(|answer| !answer.is_empty()));
        }
        let shown = match &proposed {
            Some(proposed) => format!("{question} [{proposed}]: "),
            None => format!("{question}: "),
        };
        let typed = tokio::task::spawn_blocking(move || type_answer(&shown)).await;
        let typed = typed.map_err(std::io::Error::other).and_then(|typed| typed);
        let typed = typed.map_err(|cause| {
            Error::new(Kind::Usage, "nothing could be asked on this terminal")
                .caused_by(cause)
                .hint("add --yes to take what is proposed; flags say the rest")
        })?;
        Ok(Some(typed)
            .filter(|typed| !typed.is_empty())
            .or(proposed)
            .filter(|answer| !answer.is_empty()))
    }
}

fn type_answer(shown: &str) -> std::io::Result<String> {
    progress::clear();
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{shown}")?;
    stderr.flush()?;
    drop(stderr);
    let mut typed = String::new();
    match std::io::stdin().read_line(&mut typed)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(typed.trim().to_owned()),
    }
}
