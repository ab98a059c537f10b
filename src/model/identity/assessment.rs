//! Whether a target is production, told from all evidence at once.
//!
//! There are two claims: the target is not the database that the backup was made of, and it is not the configured source. Each is
//! shown to be false, shown to be true, or unknown. One that is false makes the target production; one that is unknown leaves the
//! whole unknown.

use super::DatabaseFacts;
use super::likeness::{Likeness, is_certainly, likeness};

/// What came of a random advisory lock that the source holds and that was looked for in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// It is there: the same database of the same server.
    Found,
    /// It is there in another database: the same server.
    FoundInOtherDatabase,
    /// It is not there, and both servers are primaries, so they are two servers.
    NotFound,
    /// The question could not be asked so that its answer means anything.
    Undecided(String),
}

/// What the configured source answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceAnswer {
    /// No source is configured.
    NotConfigured,
    /// It did not answer, for this reason.
    Silent(String),
    /// It answered. Its facts were read before the target's.
    Answered {
        /// What it says of itself.
        facts: Box<DatabaseFacts>,
        /// What came of the lock.
        challenge: Challenge,
    },
}

/// All that is known when a target is assessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetEvidence {
    /// What the backup recorded of its source.
    pub backup: DatabaseFacts,
    /// What the target says of itself.
    pub target: DatabaseFacts,
    /// What the configured source answered.
    pub source: SourceAnswer,
    /// Whether the target's address certainly leads to another project than the backup's.
    pub is_other_project_than_backup: bool,
    /// Whether the target's address certainly leads to another project than the source's.
    pub is_other_project_than_source: bool,
}

/// What a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assessment {
    /// Production, for this reason: a sentence that lacks its subject, the target.
    Production(String),
    /// Certainly not production.
    Other,
    /// Possibly production, for these reasons: whole sentences.
    Unknown(Vec<String>),
}

pub fn assess(evidence: &TargetEvidence) -> Assessment {
    let mut unknown = Vec::new();
    for claim in [of_source(evidence), of_backup(evidence)] {
        match claim {
            Likeness::Same(why) => return Assessment::Production(why),
            Likeness::Different(_) => {}
            Likeness::Unknown(why) => unknown.push(why),
        }
    }
    if unknown.is_empty() {
        Assessment::Other
    } else {
        Assessment::Unknown(unknown)
    }
}

/// Whether the target is the database that the backup was made of.
fn of_backup(evidence: &TargetEvidence) -> Likeness {
    if evidence.is_other_project_than_backup {
        return Likeness::Different("its project is another".into());
    }
    let (backup, target) = (&evidence.backup, &evidence.target);
    let own = likeness(backup, target);
    let told = |why: &str| format!("the target {why}");
    let SourceAnswer::Answered {
        facts: source,
        challenge,
    } = &evidence.source
    else {
        return worded(own, told);
    };
    match (&own, challenge) {
        (Likeness::Same(_), Challenge::NotFound)
            if !is_certainly(backup, target) && matches!(likeness(backup, source), Likeness::Same(_)) =>
        {
            let why = "the target and the configured source are two servers, and both look like the database this backup was made of: one is a copy of the other";
            Likeness::Unknown(why.into())
        }
        // The backup is certainly the source's, and the target is certainly not the source.
        (Likeness::Unknown(_), Challenge::NotFound | Challenge::FoundInOtherDatabase)
            if is_certainly(backup, source) =>
        {
            Likeness::Different("the source that the backup was made of is another database".into())
        }
        _ => worded(own, told),
    }
}

fn worded(own: Likeness, told: impl Fn(&str) -> String) -> Likeness {
    match own {
        Likeness::Same(why) => Likeness::Same(format!("is the database this backup was made of: it {why}")),
        Likeness::Different(why) => Likeness::Different(why),
        Likeness::Unknown(why) => Likeness::Unknown(format!(
            "whether it is the database this backup was made of is unknown: {}",
            told(&why)
        )),
    }
}

/// Whether the target is the configured source.
fn of_source(evidence: &TargetEvidence) -> Likeness {
    const NAME: &str = "is the source database by another name";
    let (facts, challenge) = match &evidence.source {
        SourceAnswer::NotConfigured => return Likeness::Different("no source is configured".into()),
        _ if evidence.is_other_project_than_source => {
            return Likeness::Different("its project is another".into());
        }
        SourceAnswer::Silent(why) => {
            return Likeness::Unknown(format!("whether it is the configured source is unknown: {why}"));
        }
        SourceAnswer::Answered { facts, challenge } => (facts, challenge),
    };
    if is_certainly(facts, &evidence.target) {
        return Likeness::Same(format!("{NAME}: the same running server, the same database"));
    }
    match challenge {
        Challenge::Found => Likeness::Same(format!("{NAME}: a lock held there is seen here")),
        Challenge::NotFound => Likeness::Different("it is another server than the source's".into()),
        Challenge::FoundInOtherDatabase => {
            Likeness::Different("it is another database of the source's server".into())
        }
        Challenge::Undecided(why) => match likeness(facts, &evidence.target) {
            Likeness::Same(same) => Likeness::Same(format!("{NAME}: it {same}")),
            Likeness::Different(other) => Likeness::Different(other),
            Likeness::Unknown(other) => Likeness::Unknown(format!(
                "whether it is the configured source is unknown: {why}, and the target {other}"
            )),
        },
    }
}
