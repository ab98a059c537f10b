//! Running many statements in one transaction, of which some may be refused.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::ops::Range;

use super::WHAT;
use super::statements::Statement;
use crate::error::Result;
use crate::postgres::queries::{all, batch, identifier, one};
use crate::postgres::session::Session;

/// So many statements go to the server at once.
const AT_ONCE: usize = 500;

/// What the role of a session may do in another's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Its own name.
    pub name: String,
    /// The database's name.
    pub database: String,
    /// Whether it is a superuser.
    pub is_superuser: bool,
    /// The role that owns what PostgreSQL itself made.
    pub catalog_owner: String,
    /// Each role that is there: whether its rights are the session's, and whether the session may become it.
    roles: HashMap<String, (bool, bool)>,
}

impl Reach {
    /// Whether there is such a role.
    pub fn is_there(&self, role: &str) -> bool {
        self.roles.contains_key(role)
    }

    /// Whether the session has its rights.
    pub fn has_rights_of(&self, role: &str) -> bool {
        self.roles.get(role).is_some_and(|(has_rights, _)| *has_rights)
    }

    /// Whether the session may become it.
    pub fn may_become(&self, role: &str) -> bool {
        self.roles.get(role).is_some_and(|(_, may_become)| *may_become)
    }

    /// Whether the session may make it an owner, and keeps its own rights where it does.
    pub fn may_give_to(&self, role: &str) -> bool {
        self.is_superuser && self.is_there(role) || self.may_become(role) && self.has_rights_of(role)
    }
}

/// Reads what the session's role may do in another's name. Before version 16 a member may always become what it is a member of.
pub async fn reach(session: &Session) -> Result<Reach> {
    let sql = "SELECT rolname::text, pg_has_role(oid, 'USAGE'),
                pg_has_role(oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END),
                rolsuper AND rolname = current_user
           FROM pg_catalog.pg_roles";
    let rows = all(session, WHAT, sql, &[]).await?;
    let own = one(
        session,
        WHAT,
        "SELECT current_user::text, current_database()::text, pg_get_userbyid(relowner)::text FROM pg_catalog.pg_class WHERE oid = 'pg_catalog.pg_class'::regclass",
        &[],
    )
    .await?;
    let is_superuser = rows.iter().any(|row| row.get::<_, bool>(3));
    Ok(Reach {
        name: own.get(0),
        database: own.get(1),
        is_superuser,
        catalog_owner: own.get(2),
        roles: rows
            .iter()
            .map(|row| (row.get(0), (row.get(1), row.get(2))))
            .collect(),
    })
}

/// A statement that the server refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The statement.
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

/// Ends it.
pub async fn commit(session: &Session) -> Result<()> {
    batch(session, "cannot commit the rights", "COMMIT").await
}

/// Gives it up.
pub async fn roll_back(session: &Session) {
    let _ = batch(session, "cannot roll back the rights", "ROLLBACK").await;
}

/// Runs the statements in the transaction under way, many at once. What is refused is found by halves, and the others are run.
pub async fn apply(session: &Session, statements: &[Statement]) -> Result<Vec<Refused>> {
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
            refused.push(Refused {
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
fn together(statements: &[Statement]) -> String {
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
