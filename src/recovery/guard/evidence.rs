//! What the source and the target say when the guard asks them whether they are one database.

use std::time::Duration;

use super::production::Production;
use crate::error::{Error, Result};
use crate::model::identity::{Challenge, DatabaseFacts, SourceAnswer, TargetEvidence};
use crate::model::manifest;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::identity::{Sight, Token, database_facts, hold, look_for};
use crate::postgres::queries::{self, ServerFacts};
use crate::postgres::session::Session;

/// Timeout for the source to say who it is. In a real disaster it does not answer at all.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(5);

/// The source as it answered. It holds a lock as long as this lives.
struct AnsweringSource {
    session: Session,
    facts: DatabaseFacts,
    /// The lock, or why none can be held.
    lock: Result<Token, String>,
}

/// Asks both databases. The target is only read; the source holds an advisory lock meanwhile.
pub(super) async fn gather(
    target: &Conninfo,
    session: &Session,
    facts: &ServerFacts,
    backup: &manifest::Source,
    production: &Production,
) -> Result<TargetEvidence> {
    let is_other_project_than_backup = target.leads_to_another_project(backup.project_ref.as_deref());
    let project = production.source.as_ref().and_then(Conninfo::leads_to_project);
    let is_other_project_than_source = target.leads_to_another_project(project.as_deref());
    // A target that certainly is another project need not wait for a source that may be gone.
    let asked = production
        .source
        .as_ref()
        .filter(|_| !is_other_project_than_source);
    let source = match asked {
        None => None,
        Some(source) => Some(answer_within(SOURCE_TIMEOUT, source).await),
    };
    // Counters grow, so the source's are read before the target's.
    let target_facts = database_facts(session, facts).await?;
    let source = match (source, &production.source) {
        (None, None) => SourceAnswer::NotConfigured,
        (None, Some(_)) => SourceAnswer::Silent("it was not asked".to_owned()),
        (Some(Err(why)), _) => SourceAnswer::Silent(why),
        (Some(Ok(source)), _) => SourceAnswer::Answered {
            challenge: challenge(&source, session).await,
            facts: Box::new(source.facts),
        },
    };
    Ok(TargetEvidence {
        backup: backup.facts(),
        target: target_facts,
        source,
        is_other_project_than_backup,
        is_other_project_than_source,
    })
}

async fn answer_within(limit: Duration, source: &Conninfo) -> Result<AnsweringSource, String> {
    let answer = tokio::time::timeout(limit, ask(source)).await;
    match answer {
        Ok(Ok(source)) => Ok(source),
        Ok(Err(error)) => Err(worded(&error)),
        Err(_) => Err(format!("{source} did not answer within {} s", limit.as_secs())),
    }
}

async fn ask(source: &Conninfo) -> Result<AnsweringSource> {
    let session = Session::connect(source).await?;
    let facts = database_facts(&session, &queries::facts(&session).await?).await?;
    let lock = match hold(&session).await {
        Ok(token) => Ok(token),
        Err(error) => Err(worded(&error)),
    };
    Ok(AnsweringSource { session, facts, lock })
}

/// Looks for the source's lock in the target. A standby does not see its primary's locks, nor the primary a standby's.
async fn challenge(source: &AnsweringSource, target: &Session) -> Challenge {
    let token = match &source.lock {
        Ok(token) => *token,
        Err(why) => return Challenge::Undecided(format!("the source gave no lock ({why})")),
    };
    let seen = look_for(target, token).await;
    // Asked afterwards, so that a lock that ended meanwhile is not taken for one that was never there.
    let own = tokio::time::timeout(SOURCE_TIMEOUT, look_for(&source.session, token)).await;
    match (own, seen) {
        (
            _,
            Ok(Sight {
                in_database: true, ..
            }),
        ) => Challenge::Found,
        (_, Ok(Sight { on_server: true, .. })) => Challenge::FoundInOtherDatabase,
        (_, Err(error)) => {
            Challenge::Undecided(format!("the target does not show its locks ({})", worded(&error)))
        }
        (
            Ok(
                Ok(Sight {
                    in_database: false, ..
                })
                | Err(_),
            )
            | Err(_),
            _,
        ) => Challenge::Undecided("the source does not show its own locks".to_owned()),
        (Ok(Ok(own)), Ok(seen)) if own.is_standby || seen.is_standby => {
            Challenge::Undecided("one of them is a standby, whose locks its primary does not see".to_owned())
        }
        _ => Challenge::NotFound,
    }
}

/// An error in one line.
fn worded(error: &Error) -> String {
    match error.causes().first() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
