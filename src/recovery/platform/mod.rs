//! Which parts of a backup the target's platform brings itself.
//!
//! A Supabase project has its own schemas, tables and functions before anything is restored, and its owner may neither make
//! nor drop them. Each entry of a backup that is the platform's is left out by a rule with a name and a reason. Rows of the
//! platform's tables, such as the product's users, are loaded where the role may. What then remains must restore without
//! an error, and the verification asks for all of it.

mod judge;
mod rule;
mod scope;
mod selection;

use std::sync::Arc;

pub use judge::{KnownTarget, is_platforms, rule};
pub use rule::OmissionRule;
pub use scope::RestoreScope;
pub use selection::Selection;

use crate::archive::Contents;
use crate::error::{Error, Kind, Result};
use crate::model::manifest::Manifest;
use crate::model::profile::{PLATFORM_EXTENSIONS, Profile};
use crate::postgres::queries;
use crate::postgres::rights;
use crate::postgres::session::Session;

/// Decides which parts of the backup are restored into a target of this profile. `definitions` dumps what a target on a platform
/// defines now. Nothing is changed.
pub async fn select(
    session: &Session,
    profile: Profile,
    contents: &Contents,
    definitions: impl AsyncFnOnce() -> Result<Arc<Contents>>,
) -> Result<Selection> {
    if profile == Profile::Plain {
        let platforms = PLATFORM_EXTENSIONS.map(str::to_owned);
        let missing = queries::missing_extensions(session, &platforms).await?;
        return Ok(Selection::without(contents, &missing));
    }
    let target = KnownTarget::new(&*definitions().await?, rights::rights(session).await?);
    Ok(Selection::of(contents, &target))
}

/// Refuses a selection whose rows could not be loaded, and readies the session to load them: triggers of the platform's tables
/// must not fire, as what they would do was done when the rows were written first.
pub async fn check(
    session: &Session,
    selection: &Selection,
    contents: &Contents,
    manifest: &Manifest,
    makes_room: bool,
) -> Result<()> {
    selection.check_needed(contents, manifest)?;
    if selection.filled().is_empty() {
        return Ok(());
    }
    let configured = queries::configuration::configuration_tables(session).await?;
    for table in selection.filled() {
        let condition = configured.get(table).map(String::as_str);
        if !makes_room && queries::platform::holds_rows(session, table, condition).await? {
            let message = format!("the target's {}.{} holds rows already", table.0, table.1);
            return Err(Error::new(Kind::Refused, message).hint(
                "restore into a new project, or add --clean to replace the rows of the platform's tables too",
            ));
        }
    }
    let kept = queries::platform::fire_no_triggers(session).await;
    kept.map_err(|cause| {
        let message = "the target's role may not load rows without firing the platform's triggers";
        Error::new(Kind::Refused, message).caused_by(cause).hint(
            "connect as `postgres`, or let the role: GRANT SET ON PARAMETER session_replication_role TO …",
        )
    })
}
