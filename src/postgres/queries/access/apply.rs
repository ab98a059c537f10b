//! Running many statements in one transaction, of which some may be refused.

use std::collections::VecDeque;
use std::fmt::Write;
use std::ops::Range;

use super::statements::AccessStatement;
use crate::error::Result;
use crate::postgres::queries::{batch, identifier};
use crate::postgres::session::Session;

/// So many statements go to the server at once.
const AT_ONCE: usize = 500;

/// A statement that the server refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedStatement {
    pub sql: String,
    /// The server's words.
    pub why: String,
}

/// Begins a transaction for [`apply`].
pub async fn begin(session: &Session) -> Result<()> {
    let sql = format!(
        "BEGIN; SET LOCAL lock_timeout = '{}ms'; SET LOCAL client_min_messages = error",
        session.patience().lock.as_millis()
    );
    batch(session, "cannot begin to make the rights equal", &sql).await
}

pub async fn commit(session: &Session) -> Result<()> {
    batch(session, "cannot commit the rights", "COMMIT").await
}

pub async fn roll_back(session: &Session) {
    let _ = batch(session, "cannot roll back the rights", "ROLLBACK").await;
}

/// Runs the statements in the transaction under way, many at once. What is refused is found by halves, and the others are run.
pub async fn apply(session: &Session, statements: &[AccessStatement]) -> Result<Vec<RefusedStatement>> {
    let mut refused = Vec::new();
    let starts = (0..statements.len()).step_by(AT_ONCE);
    let mut waiting: VecDeque<Range<usize>> = starts
        .map(|start| start..(start + AT_ONCE).min(statements.len()))
        .collect();
    while let Some(range) = waiting.pop_front() {
        let some = &statements[range.clone()];
        let sql = together(some);
        let Err(cause) = session.with_timeout(session.batch_execute(&sql)).await? else {
            continue;
        };
        if cause.as_db_error().is_none() {
            return Err(session.failed("cannot make the rights equal", cause));
        }
        batch(session, "cannot go on", "ROLLBACK TO SAVEPOINT paycraft_rights").await?;
        if some.len() == 1 {
            let why = cause
                .as_db_error()
                .map_or_else(String::new, |error| error.message().to_owned());
            refused.push(RefusedStatement {
                sql: some[0].sql.clone(),
                why,
            });
        } else {
            let middle = usize::midpoint(range.start, range.end);
            // Their order is kept: a later one may need an earlier one.
            waiting.push_front(middle..range.end);
            waiting.push_front(range.start..middle);
        }
    }
    Ok(refused)
}

/// The statements as one, behind a savepoint, each in its role's name.
fn together(statements: &[AccessStatement]) -> String {
    let mut sql = String::from("SAVEPOINT paycraft_rights");
    let mut role: Option<&str> = None;
    for statement in statements {
        if statement.role.as_deref() != role {
            role = statement.role.as_deref();
            let name = role.map_or_else(|| "NONE".to_owned(), identifier);
            let _ = write!(sql, ";SET LOCAL ROLE {name}");
        }
        sql.push(';');
        sql.push_str(&statement.sql);
    }
    if role.is_some() {
        sql.push_str(";SET LOCAL ROLE NONE");
    }
    sql.push_str(";RELEASE SAVEPOINT paycraft_rights");
    sql
}
