//! The operator's consent to write production: a flag with an exact value, and the name of the database typed.

use std::io::{IsTerminal, Write};

use futures_util::future::BoxFuture;

use super::progress;
use crate::error::{Error, Kind, Result};
use crate::postgres::conninfo::Conninfo;

/// What `--confirm-prod-restore` must say.
const EXACTLY: &str = "YES";

/// Reads the value of `--confirm-prod-restore`; nothing but `YES` is one.
pub(super) fn parse_confirmation(text: &str) -> Result<(), String> {
    if text == EXACTLY {
        Ok(())
    } else {
        Err(format!("only --confirm-prod-restore={EXACTLY} confirms"))
    }
}

/// The name of the database as the operator gave it: by flag, or typed on the terminal. While it waits, a signal still ends the
/// run.
pub(super) fn ask(target: &Conninfo, flag: Option<&str>) -> BoxFuture<'static, Result<String>> {
    let (target, flag) = (target.to_string(), flag.map(str::to_owned));
    Box::pin(async move {
        if let Some(name) = flag {
            return Ok(name);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Error::new(
                Kind::Refused,
                format!("{target} is production, and there is no terminal to ask at"),
            )
            .hint("run it on a terminal, or in a script give the database's name with --yes-really NAME"));
        }
        let typed = tokio::task::spawn_blocking(move || type_name(&target)).await;
        let typed = typed.map_err(std::io::Error::other).and_then(|typed| typed);
        typed.map_err(|cause| {
            Error::new(Kind::Refused, "nothing could be asked on this terminal")
                .caused_by(cause)
                .hint("give the database's name with --yes-really NAME")
        })
    })
}

fn type_name(target: &str) -> std::io::Result<String> {
    progress::clear();
    let mut stderr = std::io::stderr().lock();
    write!(
        stderr,
        "\n{target} is PRODUCTION. What it holds may be lost.\nType the name of the database to go on: "
    )?;
    stderr.flush()?;
    // A signal that ends the run meanwhile is told there.
    drop(stderr);
    let mut name = String::new();
    std::io::stdin().read_line(&mut name)?;
    Ok(name.trim_end_matches(['\r', '\n']).to_owned())
}
