//! The rights on one object, in terms that hold on every server.

use std::collections::BTreeMap;

use super::privileges::Privileges;
use super::{Access, RoleId};

/// Who may do something, or granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grantee<'a> {
    /// Every role. No role can have this name.
    Public,
    /// The object's owner: owners are compared by themselves.
    Owner,
    /// A role by its name.
    Role(&'a str),
}

impl Grantee<'_> {
    /// Its name, for a person.
    pub fn name(&self) -> &str {
        match self {
            Self::Public => "PUBLIC",
            Self::Owner => "the owner",
            Self::Role(name) => name,
        }
    }
}

/// Privileges, and those of them that may be granted to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldPrivileges {
    /// What may be done.
    pub privileges: Privileges,
    /// The part that may be granted.
    pub grantable: Privileges,
}

impl HeldPrivileges {
    pub(super) fn is_empty(self) -> bool {
        self.privileges.is_empty() && self.grantable.is_empty()
    }

    fn and(self, other: Self) -> Self {
        Self {
            privileges: self.privileges.and(other.privileges),
            grantable: self.grantable.and(other.grantable),
        }
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self {
            privileges: self.privileges.without(other.privileges),
            grantable: self.grantable.without(other.grantable),
        }
    }
}

/// The rights on one object: what each grantee got of each grantor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectRights<'a>(BTreeMap<(Grantee<'a>, Grantee<'a>), HeldPrivileges>);

impl<'a> ObjectRights<'a> {
    /// The rights that a list of `access` gives on an object of `owner`.
    pub fn of(access: &'a Access, list: usize, owner: Option<RoleId>) -> Self {
        let resolve = |role: RoleId| match owner {
            Some(owner) if owner == role => Grantee::Owner,
            _ => Grantee::Role(access.role_name(role)),
        };
        let mut rights = Self::default();
        for grant in access.list(list) {
            let grantee = grant.grantee.map_or(Grantee::Public, resolve);
            let held = HeldPrivileges {
                privileges: grant.privileges,
                grantable: grant.grantable,
            };
            rights.add((grantee, resolve(grant.grantor)), held);
        }
        rights
    }

    fn add(&mut self, who: (Grantee<'a>, Grantee<'a>), held: HeldPrivileges) {
        if !held.is_empty() {
            let known = self.0.entry(who).or_default();
            *known = known.and(held);
        }
    }

    /// Grantee, grantor, and what was granted.
    pub fn iter(&self) -> impl Iterator<Item = (Grantee<'a>, Grantee<'a>, HeldPrivileges)> {
        self.0
            .iter()
            .map(|((grantee, grantor), held)| (*grantee, *grantor, *held))
    }

    /// These rights without the others.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (who, held) in &self.0 {
            let taken = other.0.get(who).copied().unwrap_or_default();
            rest.add(*who, held.without(taken));
        }
        rest
    }

    /// These rights and the others.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (who, held) in &other.0 {
            self.add(*who, *held);
        }
        self
    }

    /// These rights without a privilege of the owner's that one of the two servers does not know.
    #[must_use]
    pub(super) fn without_owners(mut self, privileges: Privileges) -> Self {
        let own = (Grantee::Owner, Grantee::Owner);
        if let Some(held) = self.0.remove(&own) {
            let held = held.without(HeldPrivileges {
                privileges,
                grantable: privileges,
            });
            self.add(own, held);
        }
        self
    }

    /// These rights without what such roles have or granted.
    #[must_use]
    pub(super) fn without_roles(mut self, is_meant: impl Fn(&str) -> bool) -> Self {
        let is_meant = |who: &Grantee<'_>| matches!(who, Grantee::Role(name) if is_meant(name));
        self.0
            .retain(|(grantee, grantor), _| !is_meant(grantee) && !is_meant(grantor));
        self
    }
}
