//! What the role of a session may do in another's name.

use std::collections::HashMap;

use super::WHAT;
use crate::error::Result;
use crate::postgres::queries::{all, one};
use crate::postgres::session::Session;

/// What the role of a session may do in another's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub name: String,
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
