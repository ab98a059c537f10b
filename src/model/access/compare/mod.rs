//! Two accesses side by side: what is too much in the second, what is too little, and the changes that make it like the first.

mod answers;
mod defaults;
mod findings;
mod objects;

use std::collections::{HashMap, HashSet};

pub(super) use self::findings::RightsDifference;
use super::privileges::Privileges;
use super::rights::Grantee;
use super::{Access, AccessObject, DefaultPrivileges, ObjectKind, RoleId};
use crate::model::profile::Profile;

/// PostgreSQL's version that introduced `MAINTAIN`.
const MAINTAIN_SINCE: u32 = 17;

/// What a statement does to a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantAction {
    Revoke,
    /// Takes away that it may be granted to others.
    RevokeOption,
    Grant,
    /// Gives it with the right to grant it to others.
    GrantWithOption,
}

/// One change that brings a target nearer to the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    pub verb: GrantAction,
    pub object: &'a AccessObject,
    pub privileges: Privileges,
    /// Those of them that are given or taken themselves, and not the right to grant them alone.
    pub themselves: Privileges,
    /// To or from whom.
    pub grantee: Grantee<'a>,
    pub grantor: Grantee<'a>,
    /// Who owns the object in the target, where that role is known.
    pub owner: Option<&'a str>,
}

/// One change of default privileges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultChange<'a> {
    pub verb: GrantAction,
    /// Of which role, in which schema, on what.
    pub default: &'a DefaultPrivileges,
    pub role: &'a str,
    pub privileges: Privileges,
    /// To or from whom.
    pub grantee: Grantee<'a>,
}

/// An owner that is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerChange<'a> {
    pub object: &'a AccessObject,
    /// Who should own it.
    pub expected: &'a str,
    pub found: &'a str,
}

/// What each role may do in effect, where that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveDifference<'a> {
    pub object: &'a AccessObject,
    pub role: &'a str,
    /// What it may and should not.
    pub too_much: Privileges,
    /// What it may not and should.
    pub too_little: Privileges,
}

/// How a target's access compares with the source's.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// The source's.
    pub expected: &'a Access,
    /// The target's.
    pub found: &'a Access,
    /// Objects whose rights were compared.
    pub compared: usize,
    /// Objects of the target's platform, which keep its rights.
    pub platforms: usize,
    pub owners: Vec<OwnerChange<'a>>,
    /// What makes the grants equal, in the order in which it can be done.
    pub changes: Vec<Change<'a>>,
    /// How many default privileges were compared.
    pub defaults_compared: usize,
    /// What makes the default privileges equal.
    pub defaults: Vec<DefaultChange<'a>>,
    /// Roles that are superusers in the target alone.
    pub new_superusers: Vec<&'a str>,
    /// Answers compared; nothing where one of the two servers was not asked.
    pub answers: Option<usize>,
    pub effective: Vec<EffectiveDifference<'a>>,
    /// Tables whose row security is off or not forced, and was not so.
    pub row_security: Vec<String>,
    /// Extensions of another version.
    pub extensions: Vec<String>,
}

type Key<'a> = (ObjectKind, &'a str, Option<&'a str>);

fn key(object: &AccessObject) -> Key<'_> {
    (object.kind, &object.name, object.column.as_deref())
}

/// Compares a target of this profile with the source, as `own_role` sees it. Both must be expanded.
pub fn compare<'a>(
    expected: &'a Access,
    found: &'a Access,
    profile: Profile,
    own_role: &str,
) -> Comparison<'a> {
    let both = Both {
        expected,
        found,
        profile,
        expected_places: places(expected),
        found_places: places(found),
        own_roles: expected.named_roles().into_iter().collect(),
    };
    let mut comparison = Comparison {
        expected,
        found,
        compared: 0,
        platforms: 0,
        owners: Vec::new(),
        changes: Vec::new(),
        defaults_compared: 0,
        defaults: Vec::new(),
        new_superusers: both.new_superusers(own_role),
        answers: None,
        effective: Vec::new(),
        row_security: both.row_security(),
        extensions: both.extensions(),
    };
    both.objects(&mut comparison);
    both.defaults(&mut comparison);
    both.effective(&mut comparison);
    comparison.changes.sort_by_key(|change| {
        // A table's revokes take those of its columns along; a grantor must have the right first.
        (
            change.verb.is_grant(),
            change.grantor != Grantee::Owner,
            change.object.kind == ObjectKind::Column,
            change.verb != GrantAction::GrantWithOption,
        )
    });
    comparison
}

impl GrantAction {
    /// Whether it gives something.
    pub const fn is_grant(self) -> bool {
        matches!(self, Self::Grant | Self::GrantWithOption)
    }
}

fn places(access: &Access) -> HashMap<Key<'_>, usize> {
    let numbered = access.objects.iter().enumerate();
    numbered.map(|(place, object)| (key(object), place)).collect()
}

struct Both<'a> {
    expected: &'a Access,
    found: &'a Access,
    profile: Profile,
    expected_places: HashMap<Key<'a>, usize>,
    found_places: HashMap<Key<'a>, usize>,
    /// The roles that the source's database names.
    own_roles: HashSet<String>,
}

impl Both<'_> {
    /// What the source's version does not know and an owner has in the target's by itself.
    pub(super) fn unknown_in_source(&self) -> Privileges {
        let is_new = self.expected.server_major < MAINTAIN_SINCE && self.found.server_major >= MAINTAIN_SINCE;
        match is_new {
            true => Privileges::MAINTAIN,
            false => Privileges::NONE,
        }
    }

    /// A table that is not there is the business of the definitions' check.
    fn row_security(&self) -> Vec<String> {
        let asked = self.expected.row_security.iter().filter(|table| {
            !self.profile.owns_schema(&table.schema) && table_of(&self.found_places, &table.name).is_some()
        });
        let found: HashMap<&str, _> = self
            .found
            .row_security
            .iter()
            .map(|table| (table.name.as_str(), table))
            .collect();
        asked
            .flat_map(|table| {
                let found = found.get(table.name.as_str());
                let (is_on, is_forced) = found.map_or((false, false), |found| (found.is_on, found.is_forced));
                let name = &table.name;
                let off = (table.is_on && !is_on).then(|| format!("row security of {name} is switched off"));
                let open = (table.is_forced && !is_forced)
                    .then(|| format!("row security of {name} is not forced on its owner"));
                [off, open].into_iter().flatten()
            })
            .collect()
    }

    fn extensions(&self) -> Vec<String> {
        let found = |name: &str| self.found.extensions.iter().find(|found| found.name == name);
        let differing = self.expected.extensions.iter().filter_map(|expected| {
            let found = found(&expected.name)?;
            (found.version != expected.version).then(|| {
                let name = &expected.name;
                format!("{name} {} instead of {}", found.version, expected.version)
            })
        });
        differing.collect()
    }
}

fn name_of(access: &Access, role: Option<RoleId>) -> Option<&str> {
    role.map(|role| access.role_name(role))
}

/// The place of the table or view with this name.
fn table_of(places: &HashMap<Key<'_>, usize>, name: &str) -> Option<usize> {
    let tables = [
        ObjectKind::Table,
        ObjectKind::View,
        ObjectKind::MaterializedView,
        ObjectKind::ForeignTable,
    ];
    let mut found = tables.iter().filter_map(|kind| places.get(&(*kind, name, None)));
    found.next().copied()
}
