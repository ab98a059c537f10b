//! Access lists as PostgreSQL writes them, read into grants between known roles.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::privileges::Privileges;
use super::{Access, Grant, RoleId};

/// One item of an access list, with names instead of positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclItem {
    /// The grantee; none means PUBLIC.
    pub grantee: Option<String>,
    pub privileges: Privileges,
    /// The part that the grantee may grant to others.
    pub grantable: Privileges,
    pub grantor: String,
}

/// Reads `"odd name"=arw*/postgres`, an `aclitem` as text. No name before `=` means PUBLIC, which no role can be mistaken for.
pub fn parse(item: &str) -> Option<AclItem> {
    let (grantee, rest) = identifier(item)?;
    let rest = rest.strip_prefix('=')?;
    let (letters, grantor) = rest.split_once('/')?;
    let (grantor, rest) = identifier(grantor)?;
    if grantor.is_empty() || !rest.is_empty() {
        return None;
    }
    let (mut privileges, mut grantable) = (Privileges::NONE, Privileges::NONE);
    let mut letters = letters.chars().peekable();
    while let Some(letter) = letters.next() {
        let privilege = Privileges::of_letter(letter);
        privileges = privileges.and(privilege);
        if letters.next_if_eq(&'*').is_some() {
            grantable = grantable.and(privilege);
        }
    }
    Some(AclItem {
        grantee: Some(grantee).filter(|name| !name.is_empty()),
        privileges,
        grantable,
        grantor,
    })
}

/// The name at the beginning, unquoted, and what follows it.
fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['=', '/']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

/// A role of a server, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    /// Whether it is a superuser, which may do everything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_superuser: bool,
}

/// Fills an [`Access`], in which each role and each list of grants is written once.
#[derive(Debug, Default)]
pub struct AccessBuilder {
    access: Access,
    positions: HashMap<String, RoleId>,
    lists: HashMap<Vec<Grant>, usize>,
    /// Names and numbers in access lists that are no roles any more.
    gone: usize,
}

impl AccessBuilder {
    /// An access of a server with these roles.
    pub fn new(server_major: u32, roles: Vec<Role>) -> Self {
        let named = roles.iter().zip(0..);
        let positions = named.map(|(role, position)| (role.name.clone(), RoleId(position)));
        Self {
            positions: positions.collect(),
            access: Access {
                server_major,
                roles,
                ..Access::default()
            },
            ..Self::default()
        }
    }

    /// The role's position; nothing for one that is gone.
    pub fn role(&self, name: &str) -> Option<RoleId> {
        self.positions.get(name).copied()
    }

    /// The position of a list of `aclitem`s. Items of roles that are gone grant nothing to anybody, and are passed over.
    pub fn grants(&mut self, items: &[String]) -> usize {
        let mut grants: Vec<Grant> = Vec::with_capacity(items.len());
        for item in items {
            match parse(item).and_then(|item| self.resolve(&item)) {
                Some(grant) if grant.privileges.is_empty() => {}
                Some(grant) => grants.push(grant),
                None => self.gone += 1,
            }
        }
        grants.sort_unstable();
        let next = self.access.grants.len();
        if let Some(known) = self.lists.get(&grants) {
            return *known;
        }
        self.access.grants.push(grants.clone());
        self.lists.insert(grants, next);
        next
    }

    fn resolve(&self, item: &AclItem) -> Option<Grant> {
        let grantee = match &item.grantee {
            Some(name) => Some(self.role(name)?),
            None => None,
        };
        Some(Grant {
            grantee,
            privileges: item.privileges,
            grantable: item.grantable,
            grantor: self.role(&item.grantor)?,
        })
    }

    pub fn access(&mut self) -> &mut Access {
        &mut self.access
    }

    /// The access as filled.
    pub fn finish(mut self) -> Access {
        self.access.grants_of_gone_roles = self.gone;
        self.access
    }
}
