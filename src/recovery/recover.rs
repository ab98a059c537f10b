//! Disaster recovery in one go: restore, verify, cut over, on one clock.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::backup::Clock;
use super::cutover::{Applied, Prepared};
use super::restore::{self, Restored};
use crate::error::Result;
use crate::model::manifest::Manifest;
use crate::model::objective::{Measured, Objectives};
use crate::model::timeline::{Event, Observer};
use crate::model::verdict::Verdict;
use crate::postgres::conninfo::Conninfo;

/// What is recovered and how.
pub struct RecoverRequest<'a> {
    /// The backup and what works on it.
    pub restore: restore::RestoreRequest<'a>,
    /// The way into service, with nothing in its way.
    pub cutover: Prepared<'a>,
    /// When the disaster was declared.
    pub declared_at: Timestamp,
    pub objectives: Objectives,
    pub clock: Clock<'a>,
}

/// A recovery that came to its end, or stopped before the target was in service.
#[derive(Debug)]
pub struct Recovered {
    /// The backup that was restored and compared.
    pub restored: Restored,
    /// What was done to put the target into service; nothing where it was not proven first.
    pub cutover: Option<Applied>,
    /// From the declared disaster until the recovery ended.
    pub rto: Measured,
    /// Age of the data at the declared disaster.
    pub rpo: Measured,
    /// What it adds up to.
    pub verdict: Verdict,
}

/// Restores and verifies a backup in the database that `provision` makes ready, and puts that into service if it is proven.
pub async fn recover(
    request: RecoverRequest<'_>,
    provision: impl AsyncFnOnce(&Manifest) -> Result<Conninfo>,
    observer: &dyn Observer,
) -> Result<Recovered> {
    let began = Instant::now();
    let before = between(request.declared_at, (request.clock)());
    let restored = restore::restore(request.restore, provision, observer).await?;
    let is_proven = restored.verification.verdict.is_proven();
    let cutover = if is_proven {
        let advice = "the target is restored and proven: go on with `paycraft-dr cutover apply`";
        observer.observe(Event::Advised(advice.to_owned()));
        Some(request.cutover.apply(observer).await?)
    } else {
        None
    };
    let rto = Measured::against(before + began.elapsed(), request.objectives.rto);
    let age = between(restored.manifest.started_at, request.declared_at);
    let rpo = Measured::against(age, request.objectives.rpo);
    let is_in_service = cutover.as_ref().is_some_and(|applied| applied.failure.is_none());
    let verdict = if is_in_service && rto.met && rpo.met {
        restored.verification.verdict
    } else {
        Verdict::NotProven
    };
    Ok(Recovered {
        restored,
        cutover,
        rto,
        rpo,
        verdict,
    })
}

/// The time from one instant to a later one.
fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}
