//! Roles and memberships as statements, and what a role may make of them.

use std::fmt::Write;

use super::{OPTIONS_SINCE, constant};
use crate::error::Result;
use crate::model::globals::{Membership, RoleAttributes, RoleRecord};
use crate::postgres::queries::access::AccessStatement;
use crate::postgres::queries::{identifier, one};
use crate::postgres::session::Session;

/// Who would make roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    pub name: String,
    /// The server's major version.
    pub major: u32,
    attributes: RoleAttributes,
}

/// Reads what the session's role may make.
pub async fn maker(session: &Session) -> Result<Maker> {
    let sql = "SELECT current_user::text, current_setting('server_version_num')::int / 10000,
                rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
           FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let row = one(session, "cannot read what the role may create", sql, &[]).await?;
    Ok(Maker {
        name: row.get(0),
        major: u32::try_from(row.get::<_, i32>(1)).unwrap_or(0),
        attributes: RoleAttributes {
            superuser: row.get(2),
            createrole: row.get(3),
            createdb: row.get(4),
            replication: row.get(5),
            bypassrls: row.get(6),
            ..RoleAttributes::default()
        },
    })
}

impl Maker {
    /// Whether it is a superuser.
    pub fn is_superuser(&self) -> bool {
        self.attributes.superuser
    }

    /// Why it may not make this role, where it may not. From version 16 on a role gives only attributes that it has itself.
    pub fn refusal(&self, role: &RoleRecord) -> Option<String> {
        let (own, wanted) = (self.attributes, role.attributes);
        if own.superuser {
            return None;
        }
        if !own.createrole {
            return Some(format!("{} may not create roles", self.name));
        }
        let gives_own = self.major >= OPTIONS_SINCE;
        let denied = [
            ("SUPERUSER", wanted.superuser),
            (
                "REPLICATION",
                wanted.replication && !(gives_own && own.replication),
            ),
            ("BYPASSRLS", wanted.bypassrls && !(gives_own && own.bypassrls)),
            ("CREATEDB", wanted.createdb && gives_own && !own.createdb),
        ];
        let denied: Vec<&str> = denied
            .into_iter()
            .filter(|(_, is)| *is)
            .map(|(word, _)| word)
            .collect();
        (!denied.is_empty()).then(|| {
            format!(
                "{} may not create {} with {}",
                self.name,
                role.name,
                denied.join(", ")
            )
        })
    }
}

/// The statements that make the roles. None may log in: there is no password to let it in by.
pub fn creations<'a>(roles: impl IntoIterator<Item = &'a RoleRecord>) -> Vec<AccessStatement> {
    let created = roles.into_iter().map(|role| {
        let mut sql = format!("CREATE ROLE {} WITH NOLOGIN", identifier(&role.name));
        for (word, is_there) in role.attributes.words() {
            match (word, is_there) {
                ("INHERIT", false) => sql.push_str(" NOINHERIT"),
                ("LOGIN" | "INHERIT", _) | (_, false) => {}
                (word, true) => {
                    let _ = write!(sql, " {word}");
                }
            }
        }
        sql.push_str(&limits(role));
        own(sql)
    });
    created.collect()
}

/// ` CONNECTION LIMIT …` and ` VALID UNTIL …`, where there are any.
pub(super) fn limits(role: &RoleRecord) -> String {
    let mut text = String::new();
    if let Some(limit) = role.connection_limit {
        let _ = write!(text, " CONNECTION LIMIT {limit}");
    }
    if let Some(until) = &role.valid_until {
        let _ = write!(text, " VALID UNTIL {}", constant(until));
    }
    text
}

/// The statements that make the memberships on a server of that version.
pub fn memberships<'a>(
    memberships: impl IntoIterator<Item = &'a Membership>,
    major: u32,
) -> Vec<AccessStatement> {
    let granted = memberships
        .into_iter()
        .map(|membership| own(granting(membership, major)));
    granted.collect()
}

pub(super) fn granting(membership: &Membership, major: u32) -> String {
    let mut options = Vec::new();
    let word = |is: bool| if is { "TRUE" } else { "FALSE" };
    if major >= OPTIONS_SINCE {
        options.extend(membership.admin.then(|| "ADMIN TRUE".to_owned()));
        options.extend(
            membership
                .inherit
                .map(|inherit| format!("INHERIT {}", word(inherit))),
        );
        options.extend(membership.set.map(|set| format!("SET {}", word(set))));
    } else {
        options.extend(membership.admin.then(|| "ADMIN OPTION".to_owned()));
    }
    let (role, member) = (identifier(&membership.role), identifier(&membership.member));
    let with = if options.is_empty() { "" } else { " WITH " };
    format!("GRANT {role} TO {member}{with}{}", options.join(", "))
}

/// Makes the maker a member of roles that it made, so that it can give them what it restores.
pub fn self_memberships<'a>(roles: impl IntoIterator<Item = &'a str>, maker: &Maker) -> Vec<AccessStatement> {
    let with = match maker.major >= OPTIONS_SINCE {
        true => " WITH INHERIT TRUE, SET TRUE",
        false => "",
    };
    let granted = roles
        .into_iter()
        .map(|role| own(format!("GRANT {} TO CURRENT_USER{with}", identifier(role))));
    granted.collect()
}

pub fn reset_memberships<'a>(roles: impl IntoIterator<Item = &'a str>) -> Vec<AccessStatement> {
    let revoked = roles
        .into_iter()
        .map(|role| own(format!("REVOKE {} FROM CURRENT_USER", identifier(role))));
    revoked.collect()
}

fn own(sql: String) -> AccessStatement {
    AccessStatement { role: None, sql }
}
