//! The roles that belong to a backup, and whether a target has them as they were.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::NOT_RECORDED;
use super::membership::Membership;
use crate::model::check_names;
use crate::model::profile::Profile;
use crate::model::verdict::Check;

const NAME: &str = check_names::ROLES;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// The roles, by name.
    pub roles: Vec<RoleRecord>,
    /// Memberships of these roles, also in PostgreSQL's own.
    pub memberships: Vec<Membership>,
}

/// A role, without its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRecord {
    pub name: String,
    /// What it is allowed on the whole server.
    #[serde(flatten)]
    pub attributes: RoleAttributes,
    /// How many connections it may have; left out where there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<i32>,
    /// Until when its password is good, as PostgreSQL words it; left out where for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
}

/// What a role is allowed on the whole server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an attribute of PostgreSQL's roles"
)]
pub struct RoleAttributes {
    pub superuser: bool,
    pub inherit: bool,
    pub createrole: bool,
    pub createdb: bool,
    pub login: bool,
    pub replication: bool,
    pub bypassrls: bool,
}

impl RoleAttributes {
    /// Each attribute as SQL words it, and whether it is there.
    pub fn words(self) -> [(&'static str, bool); 7] {
        [
            ("SUPERUSER", self.superuser),
            ("INHERIT", self.inherit),
            ("CREATEROLE", self.createrole),
            ("CREATEDB", self.createdb),
            ("LOGIN", self.login),
            ("REPLICATION", self.replication),
            ("BYPASSRLS", self.bypassrls),
        ]
    }
}

impl Roles {
    /// Those of the roles that `named` leads to: the named ones, what they are members of, and what are their members. Superusers lead
    /// no further, as no membership gives them anything, and neither do PostgreSQL's own roles.
    #[must_use]
    pub fn belonging_to(self, named: impl IntoIterator<Item = String>) -> Self {
        let superusers: BTreeSet<&str> = self
            .roles
            .iter()
            .filter(|role| role.attributes.superuser)
            .map(|role| role.name.as_str())
            .collect();
        let mut neighbours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for membership in &self.memberships {
            let (role, member) = (membership.role.as_str(), membership.member.as_str());
            neighbours.entry(role).or_default().push(member);
            neighbours.entry(member).or_default().push(role);
        }
        let mut reached: BTreeSet<String> = BTreeSet::new();
        let mut waiting: Vec<String> = named.into_iter().collect();
        // What was reached is not looked at again, so memberships in a circle come to an end.
        while let Some(name) = waiting.pop() {
            if is_servers(&name) || reached.contains(&name) {
                continue;
            }
            if !superusers.contains(name.as_str()) {
                let next = neighbours.get(name.as_str()).into_iter().flatten();
                let next = next.filter(|next| !superusers.contains(**next));
                waiting.extend(next.map(|next| (*next).to_owned()));
            }
            reached.insert(name);
        }
        let is_reached = |name: &String| reached.contains(name);
        Self {
            roles: self
                .roles
                .into_iter()
                .filter(|role| is_reached(&role.name))
                .collect(),
            memberships: self
                .memberships
                .into_iter()
                .filter(|known| {
                    is_reached(&known.member) && (is_reached(&known.role) || is_servers(&known.role))
                })
                .collect(),
        }
    }

    /// The role of that name.
    pub fn role(&self, name: &str) -> Option<&RoleRecord> {
        self.roles.iter().find(|role| role.name == name)
    }
}

/// Whether PostgreSQL itself makes the role.
fn is_servers(name: &str) -> bool {
    name.starts_with("pg_")
}

/// Whether the platform of a target decides about the role: it makes it in every project, with attributes of its own.
fn is_platforms(profile: Profile, name: &str) -> bool {
    const SHARED: [&str; 4] = ["anon", "authenticated", "postgres", "service_role"];
    profile.is_internal_role(name) || profile == Profile::Supabase && SHARED.contains(&name)
}

/// Compares the roles of a target with those recorded. Nothing is said of the role `own`, as whom the target is reached: that is the
/// operator's choice. A role that may not log in for want of a password is told, and fails nothing.
pub fn roles_check(
    expected: Option<&Roles>,
    found: &Roles,
    profile: Profile,
    own: &str,
    accepts_unknown: bool,
) -> Check {
    let Some(expected) = expected else {
        return match accepts_unknown {
            true => Check::none_of(NAME, &[], format!("accepted: {NOT_RECORDED}")),
            false => Check::skipped(
                NAME,
                format!("{NOT_RECORDED}; --accept-unknown-rights does without them"),
            ),
        };
    };
    let (mut much, mut little, mut mute) = (Vec::new(), Vec::new(), Vec::new());
    let mut platforms = 0;
    for role in &expected.roles {
        if is_platforms(profile, &role.name) {
            platforms += 1;
            continue;
        }
        let Some(found) = found.role(&role.name) else {
            little.push(format!("too little: there is no role {}", role.name));
            continue;
        };
        if role.name != own {
            compare(role, found, &mut much, &mut little, &mut mute);
        }
    }
    let is_ours = |known: &&Membership| {
        expected.role(&known.member).is_some()
            && known.member != own
            && !is_platforms(profile, &known.member)
            && (expected.role(&known.role).is_some() || is_servers(&known.role))
    };
    for membership in expected.memberships.iter().filter(is_ours) {
        let there = found
            .memberships
            .iter()
            .find(|found| found.is_of_same(membership));
        match there.map(|there| membership.change(there)) {
            Some(change) => {
                if change.is_more {
                    much.push(format!("too much: {membership}, with more options than it had"));
                }
                if change.is_less {
                    little.push(format!(
                        "too little: {membership}, with fewer options than it had"
                    ));
                }
            }
            None => little.push(format!("too little: it is not so that {membership}")),
        }
    }
    let was = |found: &Membership| expected.memberships.iter().any(|known| known.is_of_same(found));
    let extra = found
        .memberships
        .iter()
        .filter(is_ours)
        .filter(|found| !was(found));
    much.extend(extra.map(|extra| format!("too much: {extra}")));
    much.append(&mut little);
    let mut well = format!("{} as they were", expected.roles.len() - platforms);
    if platforms > 0 {
        well = format!("{well}; platform roles: {platforms} are the target's platform's");
    }
    if !mute.is_empty() {
        well = format!(
            "{well}; without a password, so that they cannot log in: {}",
            mute.join(", ")
        );
    }
    Check::none_of(NAME, &much, well)
}

fn compare<'a>(
    expected: &'a RoleRecord,
    found: &RoleRecord,
    much: &mut Vec<String>,
    little: &mut Vec<String>,
    mute: &mut Vec<&'a str>,
) {
    let name = &expected.name;
    for ((word, was), (_, is)) in expected
        .attributes
        .words()
        .into_iter()
        .zip(found.attributes.words())
    {
        match (was, is) {
            (false, true) => much.push(format!("too much: {name} is {word}")),
            (true, false) if word == "LOGIN" => mute.push(name),
            (true, false) => little.push(format!("too little: {name} is not {word}")),
            _ => {}
        }
    }
    if expected.connection_limit != found.connection_limit {
        let limit = |limit: Option<i32>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        little.push(format!(
            "the connection limit of {name} is {} instead of {}",
            limit(found.connection_limit),
            limit(expected.connection_limit)
        ));
    }
}
