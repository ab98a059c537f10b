//! Rights: recorded with a backup, made equal in its target, and compared there.
//!
//! Replaying an archive's grants is not enough. They are differences from PostgreSQL's defaults, and a target's own default
//! privileges have granted to others before they are replayed. So what the target has is compared with what the source had, and the
//! difference is granted and revoked.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::attempt::BackupFailure;
use super::readers::Readers;
use super::snapshot::SourceSnapshot;
use crate::error::{Error, Kind, Result};
use crate::model::access::{
    Access, Comparison, Effective, Grantee, Privileges, UnknownRightsAccepted, checks, compare, unknown,
};
use crate::model::profile::Profile;
use crate::model::timeline::{Event, Observer};
use crate::model::verdict::Check;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::access::{
    self as queries, PrivilegeQuery, Reach, RefusedStatement, ServerAccess, ask, collect, of_changes,
    of_defaults, of_owners,
};
use crate::postgres::queries::be_patient;
use crate::postgres::session::Session;

/// A change may undo another: a table's revoke takes its columns' grants along. More rounds than these change nothing more.
const ROUNDS: usize = 4;
/// What a restore says where the backup records no rights.
pub(super) const NOT_RECORDED: &str = "the backup does not record who might do what: owners and grants are those that the target gave by itself; look at them before the target is reached by others";
/// How many refused statements a warning names.
const NAMED: usize = 3;

/// Reads who may do what in the source's snapshot, and asks its server about each role and object. The server answers of its newest
/// state. Where that is another one by then, the attempt fails.
pub(super) async fn record(
    source: &Conninfo,
    snapshot: &SourceSnapshot,
    observer: &dyn Observer,
) -> Result<Access, BackupFailure> {
    let session = snapshot.open().await?;
    let read = queries::read(&session).await?;
    let (roles, questions) = queries::questions(&read, &read.access);
    let mut access = read.access;
    if questions.is_empty() && !roles.is_empty() {
        let what = "the source has too many roles and objects to ask what each role may do: the backup records grants and owners alone";
        observer.observe(Event::Warned(what.to_owned()));
        return Ok(access);
    }
    let mut answers = Vec::new();
    for question in &questions {
        answers.extend(ask(&session, question).await?);
    }
    access.effective = Some(collect(roles, access.objects.len(), answers));
    drop(session);
    let session = Session::connect(source).await?;
    be_patient(&session).await?;
    let now = queries::read(&session).await?.access;
    if is_alike(&access, &now) {
        return Ok(access);
    }
    let error = Error::new(
        Kind::Source,
        "rights were changed while the source was asked about them",
    );
    Err(BackupFailure::Retryable(error.hint(
        "back up while no migration runs, or allow more attempts with --attempts",
    )))
}

fn is_alike(then: &Access, now: &Access) -> bool {
    let comparison = compare(then, now, Profile::Plain, "");
    comparison.changes.is_empty() && comparison.owners.is_empty()
}

/// Takes from everybody but the session's own role what the source did not grant, on all that is there now. Called before any row
/// is there. Nothing is granted yet, and no owner changed: the role that loads the rows loses nothing.
pub(super) async fn close(target: &Conninfo, expected: &Access, profile: Profile) -> Result<()> {
    let session = Session::connect(target).await?;
    be_patient(&session).await?;
    let reach = queries::reach(&session).await?;
    let expected = expected.clone().expanded();
    let found = queries::read(&session).await?.access.expanded();
    let mut comparison = compare(&expected, &found, profile, &reach.name);
    comparison.changes.retain(|change| {
        let is_own = match change.grantee {
            Grantee::Owner => true,
            Grantee::Role(name) => name == reach.name,
            Grantee::Public => false,
        };
        let is_in_database = change.object.initial.is_none() && !change.object.kind.is_beyond_the_database();
        !change.verb.is_grant() && !is_own && is_in_database
    });
    let statements = of_changes(&comparison.changes, &reach);
    in_transaction(&session, async || {
        queries::apply(&session, &statements).await.map(drop)
    })
    .await
}

/// Makes owners, grants and default privileges equal to the source's, as far as the target's role may. What could not be done is
/// warned of here, and found by the checks.
///
/// The `session` has the settings of a new one: names are not in the archive's encoding.
pub(super) async fn equalize(
    session: &Session,
    expected: &Access,
    profile: Profile,
    observer: &dyn Observer,
) -> Result<()> {
    let expected = expected.clone().expanded();
    let refused = in_transaction(session, async || change_all(session, &expected, profile).await).await?;
    if refused.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = refused
        .iter()
        .take(NAMED)
        .map(|refused| format!("{} ({})", refused.sql, refused.why))
        .collect();
    let more = match refused.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let what = format!("the target refused: {}{more}", named.join("; "));
    observer.observe(Event::Warned(what));
    Ok(())
}

async fn change_all(session: &Session, expected: &Access, profile: Profile) -> Result<Vec<RefusedStatement>> {
    let reach = queries::reach(session).await?;
    let mut refused = Vec::new();
    let mut before: Option<Vec<queries::AccessStatement>> = None;
    for _ in 0..ROUNDS {
        let found = queries::read(session).await?.access.expanded();
        let owners = of_owners(&compare(expected, &found, profile, &reach.name).owners, &reach);
        let found = if owners.is_empty() {
            found
        } else {
            refused.extend(queries::apply(session, &owners).await?);
            queries::read(session).await?.access.expanded()
        };
        let comparison = compare(expected, &found, profile, &reach.name);
        let statements = statements(&comparison, &reach);
        if statements.is_empty() || before.as_ref() == Some(&statements) {
            break;
        }
        refused = queries::apply(session, &statements).await?;
        before = Some(statements);
    }
    Ok(refused)
}

fn statements(comparison: &Comparison<'_>, reach: &Reach) -> Vec<queries::AccessStatement> {
    let mut statements = of_changes(&comparison.changes, reach);
    statements.extend(of_defaults(&comparison.defaults, reach));
    statements
}

pub(super) async fn in_transaction<T>(session: &Session, work: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
    queries::begin(session).await?;
    let done = work().await;
    if done.is_err() {
        queries::roll_back(session).await;
        return done;
    }
    queries::commit(session).await?;
    done
}

/// What the session's role could not make in the target as it was in the source, before anything is restored.
pub(super) async fn foretell(session: &Session, expected: &Access, profile: Profile) -> Result<Vec<String>> {
    let reach = queries::reach(session).await?;
    let acting = expected.acting_roles(profile);
    let without = |what: &str, roles: BTreeSet<&str>| {
        let names: Vec<&str> = roles.into_iter().collect();
        (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
    };
    let is_missing = |role: &&str| !role.starts_with("pg_") && !reach.is_there(role);
    let all = acting
        .owners
        .iter()
        .chain(&acting.grantors)
        .chain(&acting.defaults);
    let missing: BTreeSet<&str> = all.copied().filter(is_missing).collect();
    let is_there = |role: &&str| reach.is_there(role) && *role != reach.name && !role.starts_with("pg_");
    let owners = acting.owners.into_iter().filter(is_there);
    let owners = owners.filter(|role| !reach.may_give_to(role)).collect();
    let grantors = acting.grantors.into_iter().filter(is_there);
    let grantors = grantors.filter(|role| !reach.may_become(role)).collect();
    let defaults = acting.defaults.into_iter().filter(is_there);
    let defaults = defaults.filter(|role| !reach.has_rights_of(role)).collect();
    let found = [
        without("these roles are missing", missing),
        without("nothing can be given to these owners", owners),
        without("nothing can be granted in the name of", grantors),
        without("default privileges cannot be changed of", defaults),
    ];
    Ok(found.into_iter().flatten().collect())
}

/// What is asked about the rights in a target.
#[derive(Clone, Copy)]
pub(super) struct AccessCheckOptions<'a> {
    /// The source's; nothing where the backup does not record them.
    pub(super) expected: Option<&'a Access>,
    /// Who owns what in the target.
    pub(super) profile: Profile,
    /// Whether the operator accepts that they are not known.
    pub(super) accepted: UnknownRightsAccepted,
}

/// The checks over the rights in a target, and what is wrong with its row security.
pub(super) async fn verify(
    asked: AccessCheckOptions<'_>,
    session: &Session,
    readers: &Readers,
) -> Result<(Vec<Check>, Vec<String>)> {
    let Some(expected) = asked.expected else {
        return Ok((unknown(asked.accepted), Vec::new()));
    };
    let expected = expected.clone().expanded();
    let read = queries::read(session).await?;
    let effective = match expected.effective.is_some() {
        true => answers(&read, &expected, session, readers).await?,
        false => None,
    };
    let mut found = read.access;
    found.effective = effective;
    let found = found.expanded();
    let own_role = queries::reach(session).await?.name;
    let comparison = compare(&expected, &found, asked.profile, &own_role);
    Ok((checks(&comparison, asked.accepted), comparison.row_security))
}

/// Asks the target's server over several connections, each taking the next question when it is done.
async fn answers(
    read: &ServerAccess,
    of: &Access,
    session: &Session,
    readers: &Readers,
) -> Result<Option<Effective>> {
    let (roles, questions) = queries::questions(read, of);
    if questions.is_empty() && !roles.is_empty() {
        return Ok(None);
    }
    let connections = readers.count(session, questions.len()).await?;
    let queue = Arc::new(Mutex::new(VecDeque::from(questions)));
    let mut askers = JoinSet::new();
    for _ in 0..connections {
        let (queue, readers) = (Arc::clone(&queue), readers.clone());
        askers.spawn(async move {
            let session = readers.take().await?;
            let mut answers: Vec<(usize, usize, Privileges)> = Vec::new();
            while let Some(question) = next(&queue) {
                answers.extend(ask(&session, &question).await?);
            }
            readers.give_back(session);
            Ok::<_, Error>(answers)
        });
    }
    let mut answers = Vec::new();
    while let Some(done) = askers.join_next().await {
        let done =
            done.map_err(|cause| Error::new(Kind::Internal, "a question was not answered").caused_by(cause))?;
        answers.extend(done?);
    }
    Ok(Some(collect(roles, read.access.objects.len(), answers)))
}

fn next(queue: &Mutex<VecDeque<PrivilegeQuery>>) -> Option<PrivilegeQuery> {
    queue.lock().pop_front()
}
