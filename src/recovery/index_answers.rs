//! Indexes are asked, not only looked at: amcheck compares each B-tree with its table where it may be used, and rows of a sample are
//! looked up over every index that computes something.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::readers::Readers;
use crate::error::{Error, Kind, Result};
use crate::model::check_names;
use crate::model::verdict::Check;
use crate::postgres::queries::index_answers::{self as queries, IndexLookup, IndexToCheck};
use crate::postgres::session::Session;

/// One thing to ask, over any connection that is free.
enum IndexQuestion {
    /// What amcheck in that schema says of a B-tree.
    Whole { amcheck: String, name: String, oid: u32 },
    /// Whether rows are found.
    Finds(IndexToCheck),
}

enum IndexAnswer {
    /// A B-tree holds every row of its table.
    Whole,
    /// It does not, in the server's words.
    Damaged(String),
    /// Rows were looked up.
    Looked(IndexLookup),
}

#[derive(Default)]
struct Answers {
    problems: Vec<String>,
    whole: usize,
    finding: usize,
    unasked: Vec<String>,
}

/// Asks over the `readers` of the target, which `session` reaches too.
pub(super) async fn verify(session: &Session, readers: &Readers) -> Result<Check> {
    let questions = questions(session).await?;
    let connections = readers.count(session, questions.len()).await?;
    let mut answers = Answers::default();
    if !questions.is_empty() {
        let queue = Arc::new(Mutex::new(questions));
        let mut askers = JoinSet::new();
        for _ in 0..connections {
            askers.spawn(ask(readers.clone(), Arc::clone(&queue)));
        }
        while let Some(done) = askers.join_next().await {
            let done = done.map_err(|cause| {
                Error::new(Kind::Internal, "an index could not be asked").caused_by(cause)
            })??;
            answers.add(done);
        }
    }
    Ok(answers.check())
}

async fn questions(session: &Session) -> Result<VecDeque<IndexQuestion>> {
    let mut questions = VecDeque::new();
    if let Some(amcheck) = queries::amcheck_schema(session).await? {
        let trees = queries::btrees(session).await?;
        questions.extend(trees.into_iter().map(|(name, oid)| IndexQuestion::Whole {
            amcheck: amcheck.clone(),
            name,
            oid,
        }));
    }
    let computed = queries::computed_indexes(session).await?;
    questions.extend(computed.into_iter().map(IndexQuestion::Finds));
    Ok(questions)
}

async fn ask(readers: Readers, queue: Arc<Mutex<VecDeque<IndexQuestion>>>) -> Result<Answers> {
    let session = readers.take().await?;
    queries::prefer_indexes(&session).await?;
    let mut answers = Answers::default();
    loop {
        let next = queue.lock().pop_front();
        let Some(question) = next else {
            queries::prefer_nothing(&session).await?;
            readers.give_back(session);
            return Ok(answers);
        };
        let (name, answer) = match question {
            IndexQuestion::Whole { amcheck, name, oid } => {
                let damage = queries::damage_of_btree(&session, &amcheck, oid).await;
                (
                    name,
                    damage.map(|damage| damage.map_or(IndexAnswer::Whole, IndexAnswer::Damaged)),
                )
            }
            IndexQuestion::Finds(index) => {
                let name = format!("{}.{}", index.schema, index.name);
                (
                    name,
                    queries::ask(&session, &index).await.map(IndexAnswer::Looked),
                )
            }
        };
        match answer {
            Ok(IndexAnswer::Whole) => answers.whole += 1,
            Ok(IndexAnswer::Damaged(how)) => answers
                .problems
                .push(format!("{name}: {how}; run REINDEX INDEX {name}")),
            Ok(IndexAnswer::Looked(IndexLookup::Found)) => answers.finding += 1,
            Ok(IndexAnswer::Looked(IndexLookup::NotFound(rows))) => answers.problems.push(format!(
                "{name} does not find {rows} rows of a sample that are there; run REINDEX INDEX {name}"
            )),
            Err(error) if session.client().is_closed() => return Err(error),
            Ok(IndexAnswer::Looked(IndexLookup::NotUsed)) | Err(_) => answers.unasked.push(name),
        }
    }
}

impl Answers {
    fn add(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.whole += other.whole;
        self.finding += other.finding;
        self.unasked.extend(other.unasked);
    }

    fn check(mut self) -> Check {
        self.problems.sort();
        self.unasked.sort();
        let mut well = vec![format!(
            "{} that compute something find a sample of rows",
            self.finding
        )];
        if self.whole > 0 {
            well.push(format!(
                "{} hold every row of their tables, by amcheck",
                self.whole
            ));
        }
        if !self.unasked.is_empty() {
            well.push(format!("{} could not be asked", self.unasked.len()));
        }
        let told = self.unasked.into_iter();
        let told =
            told.map(|name| format!("{name} could not be asked: no query takes it, or the role may not"));
        Check::none_of(check_names::INDEX_ANSWERS, &self.problems, well.join("; ")).telling(told.collect())
    }
}
