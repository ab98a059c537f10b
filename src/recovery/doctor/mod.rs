//! Everything that would stop a restore tonight, or the next backup: looked for in seconds, each finding with what to do.
//!
//! Every question is asked although others failed, each with a limit of its own. Nothing is changed, and nothing is written
//! but, where that was asked for, a tiny object that is removed again.

mod globals;
mod source;
mod store;
mod target;
mod tools;

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::model::finding::Finding;
use crate::model::selection::Among;
use crate::model::timeline::Observer;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::tools::Tools;
use crate::recovery::backup::Clock;
use crate::recovery::guard::Production;
use crate::store::Store;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(12);

/// What is examined. What is not set is `None`, and its questions are told as skipped.
#[derive(Clone, Copy)]
pub struct Examination<'a> {
    /// PostgreSQL's programs, or why there are none.
    pub tools: &'a Result<Tools>,
    /// Where backups are kept.
    pub store: Option<&'a Store>,
    /// Which backups of it count.
    pub among: &'a Among,
    /// The database that is backed up.
    pub source: Option<&'a Conninfo>,
    /// The database that would be restored into.
    pub target: Option<&'a Conninfo>,
    /// What must not be restored into.
    pub production: &'a Production,
    /// Whether a restore would be one with `--clean`.
    pub clean: bool,
    /// How many connections work side by side.
    pub jobs: usize,
    /// Whether to write a tiny object into the store.
    pub write: bool,
    /// Where a restore keeps the head of the archive.
    pub scratch: &'a Path,
    pub clock: Clock<'a>,
}

/// Examines everything at once and tells what was found, in the order in which a restore would meet it.
pub async fn examine(what: Examination<'_>, observer: &dyn Observer) -> Vec<Finding> {
    let (in_store, source, target) = tokio::join!(
        Box::pin(store::examine(what, observer)),
        Box::pin(source::examine(what.source)),
        Box::pin(target::examine(what.target, what.jobs)),
    );
    let newest = in_store.newest.as_ref();
    let guard = target::examine_guard(what, newest, target.reached.as_ref()).await;
    let rights = target::examine_rights(target.reached.as_ref(), newest).await;
    let globals = globals::examine(what.store, target.reached.as_ref(), newest).await;
    let tools = tools::examine(what, newest, source.facts.as_ref(), target.facts.as_ref());
    let found = [
        tools,
        in_store.found,
        source.found,
        target.found,
        vec![guard, rights],
        globals,
    ];
    found.into_iter().flatten().collect()
}

/// What came of a question that may take [`PATIENCE`]; `kind` is whose fault silence is.
fn within<'a, T: 'a>(
    kind: Kind,
    question: impl Future<Output = Result<T>> + Send + 'a,
) -> impl Future<Output = Result<T>> + Send + 'a {
    // On the heap, as many large questions are asked at once.
    let question = Box::pin(question);
    async move {
        let answer = tokio::time::timeout(PATIENCE, question).await;
        answer.unwrap_or_else(|_| {
            let message = format!("no answer within {} s", PATIENCE.as_secs());
            let hint = "check the address, the network between here and it, and its own health";
            Err(Error::new(kind, message).hint(hint))
        })
    }
}
