//! What a program of PostgreSQL writes, where all of it is wanted at once.

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::child::Child;
use crate::error::{Error, Result};
use crate::postgres::conninfo::Conninfo;

/// Runs `program`, which works on `database`, and takes all that it writes. Its idle timeout is the database's; then the
/// program is ended.
pub(super) async fn answer(program: &str, command: Command, database: &Conninfo) -> Result<Vec<u8>> {
    let (side, patience) = (database.side(), database.patience());
    let unreadable = |cause| Error::new(side.kind(), format!("cannot read from {program}")).caused_by(cause);
    let mut child = Child::start(program, command)?;
    let mut written = Vec::new();
    if let Some(mut output) = child.take_output() {
        while patience
            .with_timeout(side, program, output.read_buf(&mut written))
            .await?
            .map_err(unreadable)?
            > 0
        {}
    }
    let ended = patience.with_timeout(side, program, child.ended()).await??;
    ended.well(side.kind())?;
    Ok(written)
}
