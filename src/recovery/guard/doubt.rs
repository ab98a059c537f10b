//! A target that may be production: what nothing showed, the operator must say.

use crate::error::{Error, Kind, Result};
use crate::postgres::conninfo::Conninfo;

/// Refuses the wrong name behind `--target-is-not-production`, also where none would have been asked for.
pub(super) fn check_name(target: &Conninfo, name: Option<&str>) -> Result<()> {
    match name {
        Some(name) if name != target.database() => {
            let message =
                format!("--target-is-not-production names {name:?}, which is not the database of {target}");
            Err(Error::new(Kind::Refused, message)
                .hint("look at the target again: give the name of its database, or another target"))
        }
        _ => Ok(()),
    }
}

/// Refuses a target that holds `loses` and may be production because of `doubts`; nothing where there are none.
pub(super) fn refuse(target: &Conninfo, loses: &str, doubts: &[String]) -> Result<()> {
    if doubts.is_empty() {
        return Ok(());
    }
    let message = format!("{target} may be production, and --clean would drop what it holds: {loses}");
    Err(Error::new(Kind::Refused, message)
        .caused_by(doubts.join("; "))
        .hint(format!(
            "restore into an empty database. Or look where {target} leads, and if you are certain that it is not production, \
             type its database's name: --target-is-not-production NAME"
        )))
}
