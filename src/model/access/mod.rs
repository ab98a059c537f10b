//! Who may do what in a database: owners, grants, default privileges, row security, and what the server answers about each role.
//!
//! A manifest holds the source's. It never holds a password, a value or a row.

mod acl;
mod checks;
mod compare;
mod described;
mod effective;
mod platform;
mod privileges;
mod rights;

pub use acl::{AccessBuilder, AclItem, Role, parse};
pub use checks::{UNKNOWN, UnknownRightsAccepted, checks, unknown};
pub use compare::{Change, Comparison, DefaultChange, GrantAction, OwnerChange, compare};
pub use effective::Effective;
pub use privileges::Privileges;
pub use rights::{Grantee, ObjectRights};

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use self::platform::is_left_to_platform;
use crate::model::profile::Profile;

/// Who may do what in a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The server's major version, which decides which privileges exist.
    pub server_major: u32,
    /// The server's roles. All that follows names them by their position here.
    pub roles: Vec<Role>,
    /// Distinct access lists, sorted. Objects name theirs by its position here.
    pub grants: Vec<Vec<Grant>>,
    /// Everything with an owner or an access list.
    pub objects: Vec<AccessObject>,
    /// Large objects by owner and access list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub large_objects: Vec<LargeObjectAccess>,
    /// What is granted on objects that a role makes from now on.
    pub defaults: Vec<DefaultPrivileges>,
    /// Tables with row security.
    pub row_security: Vec<RowSecurity>,
    /// Extensions with their versions.
    pub extensions: Vec<Extension>,
    /// What each role may do in effect; left out where the server could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// How many grants name a role that is gone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub grants_of_gone_roles: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The roles in whose name a restore has to act to make rights equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActingRoles<'a> {
    /// Own something that a restore makes.
    pub owners: BTreeSet<&'a str>,
    /// Granted something on what another role owns.
    pub grantors: BTreeSet<&'a str>,
    /// Have default privileges.
    pub defaults: BTreeSet<&'a str>,
}

/// The position of a role in [`Access::roles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleId(pub u32);

/// One item of an access list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Who may; left out, PUBLIC.
    #[serde(rename = "to", default, skip_serializing_if = "Option::is_none")]
    pub grantee: Option<RoleId>,
    #[serde(rename = "may")]
    pub privileges: Privileges,
    /// The part that the grantee may grant to others.
    #[serde(default, skip_serializing_if = "no_privileges")]
    pub grantable: Privileges,
    #[serde(rename = "by")]
    pub grantor: RoleId,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn no_privileges(privileges: &Privileges) -> bool {
    privileges.is_empty()
}

/// Something with an owner or an access list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessObject {
    pub kind: ObjectKind,
    /// The schema it belongs to; for a schema, its own name; empty where it belongs to none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub schema: String,
    /// Its name as SQL wants it, with its schema and quoted where needed; of a column, its table's. Empty for the database.
    pub name: String,
    /// The column's name, of a column alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Who owns it; left out where that role is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<RoleId>,
    /// Its access list, with PostgreSQL's defaults where it has none of its own.
    pub grants: usize,
    /// The access list it began with, where PostgreSQL itself made it. What counts is how it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<usize>,
    /// Whether its owner is not its own: an extension's, another object's, or PostgreSQL's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_foreign_owner: bool,
}

/// What an object is, in words for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    Database,
    Schema,
    Table,
    ForeignTable,
    View,
    MaterializedView,
    Column,
    Sequence,
    Function,
    Procedure,
    Aggregate,
    Type,
    Domain,
    Language,
    ForeignDataWrapper,
    Server,
    LargeObject,
    Parameter,
    Collation,
    Conversion,
    Operator,
    OperatorClass,
    OperatorFamily,
    TextSearchConfiguration,
    TextSearchDictionary,
    Statistics,
    Publication,
    EventTrigger,
}

impl ObjectKind {
    /// Whether rows can be read of it, or of one like it.
    pub const fn is_relation(self) -> bool {
        matches!(
            self,
            Self::Table | Self::ForeignTable | Self::View | Self::MaterializedView
        )
    }

    /// Whether it can carry rights; the others have an owner alone.
    const fn carries_rights(self) -> bool {
        (self as u8) <= (Self::Parameter as u8)
    }

    /// Whether it is the server's, or the database itself: others may depend on it.
    pub const fn is_beyond_the_database(self) -> bool {
        matches!(self, Self::Database | Self::Parameter)
    }

    /// Whether an object of the kind that has no record has no rights besides the usual ones.
    const fn is_recorded_when_granted(self) -> bool {
        matches!(self, Self::Column | Self::Parameter)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::ForeignTable => "foreign table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Column => "column",
            Self::Sequence => "sequence",
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Aggregate => "aggregate",
            Self::Type => "type",
            Self::Domain => "domain",
            Self::Language => "language",
            Self::ForeignDataWrapper => "foreign-data wrapper",
            Self::Server => "server",
            Self::LargeObject => "large object",
            Self::Parameter => "parameter",
            Self::Collation => "collation",
            Self::Conversion => "conversion",
            Self::Operator => "operator",
            Self::OperatorClass => "operator class",
            Self::OperatorFamily => "operator family",
            Self::TextSearchConfiguration => "text search configuration",
            Self::TextSearchDictionary => "text search dictionary",
            Self::Statistics => "statistics",
            Self::Publication => "publication",
            Self::EventTrigger => "event trigger",
        })
    }
}

impl fmt::Display for AccessObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.column, self.kind) {
            (Some(column), _) => write!(f, "{} {}.{column}", self.kind, self.name),
            (None, ObjectKind::Database) => write!(f, "the database"),
            (None, _) => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// Large objects with one owner and one access list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjectAccess {
    pub owner: Option<RoleId>,
    /// Position of their access list in [`Access::grants`].
    pub grants: usize,
    /// Their ids, as ranges with both ends in them.
    pub ids: Vec<(u32, u32)>,
}

/// What is granted on objects that a role makes from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultPrivileges {
    /// The role that makes them.
    pub role: RoleId,
    /// In which schema; left out, in any, and then the list replaces PostgreSQL's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// On what, in GRANT's plural: `TABLES`, `FUNCTIONS`, …
    pub on: String,
    /// Position of the access list in [`Access::grants`].
    pub grants: usize,
    /// PostgreSQL's own list, which holds where there is no other; for a schema, an empty one.
    pub usual: usize,
}

/// A table whose rows are filtered by policies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowSecurity {
    pub schema: String,
    /// Its name as SQL wants it, with its schema.
    pub name: String,
    /// Whether row security is on.
    pub is_on: bool,
    /// Whether it holds for the table's owner, too.
    pub is_forced: bool,
}

/// An extension and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    pub name: String,
    pub version: String,
}

impl Access {
    /// The name of a role.
    pub fn role_name(&self, role: RoleId) -> &str {
        let role = self.roles.get(role.0 as usize);
        role.map_or("", |role| role.name.as_str())
    }

    /// The roles in whose name a restore into a target of this profile has to act.
    pub fn acting_roles(&self, profile: Profile) -> ActingRoles<'_> {
        let mut acting = ActingRoles::default();
        let mut take = |owner: Option<RoleId>, grants: usize| {
            acting.owners.extend(owner.map(|owner| self.role_name(owner)));
            let grantors = self.list(grants).iter().map(|grant| grant.grantor);
            let others = grantors.filter(|grantor| Some(*grantor) != owner);
            acting
                .grantors
                .extend(others.map(|grantor| self.role_name(grantor)));
        };
        let own = |object: &&AccessObject| !object.has_foreign_owner && !is_left_to_platform(profile, object);
        for object in self.objects.iter().filter(own) {
            take(object.owner, object.grants);
        }
        for group in &self.large_objects {
            take(group.owner, group.grants);
        }
        let defaults = self
            .defaults
            .iter()
            .filter(|default| !profile.is_internal_role(self.role_name(default.role)));
        acting.defaults = defaults.map(|default| self.role_name(default.role)).collect();
        acting
    }

    /// The same with each large object as one of the objects.
    #[must_use]
    pub fn expanded(mut self) -> Self {
        for group in std::mem::take(&mut self.large_objects) {
            let ids = group.ids.iter().flat_map(|(first, last)| *first..=*last);
            self.objects.extend(ids.map(|id| AccessObject {
                kind: ObjectKind::LargeObject,
                schema: String::new(),
                name: id.to_string(),
                column: None,
                owner: group.owner,
                grants: group.grants,
                initial: None,
                has_foreign_owner: false,
            }));
        }
        self
    }

    /// Leaves out one grant on one object, so that the source seems to have granted less; false where it granted nothing.
    pub fn forget_a_grant(&mut self) -> bool {
        let granted = self.objects.iter().position(|object| {
            object.kind.is_relation() && !object.has_foreign_owner && !self.list(object.grants).is_empty()
        });
        let Some(place) = granted else { return false };
        let object = &self.objects[place];
        let mut fewer = self.list(object.grants).to_vec();
        // A grant to another role, where there is one, rather than the owner's own.
        let other = fewer.iter().position(|grant| grant.grantee != object.owner);
        fewer.remove(other.unwrap_or(0));
        self.objects[place].grants = self.grants.len();
        self.grants.push(fewer);
        true
    }

    /// Whether a role of that name is there, and may do everything.
    pub fn is_superuser(&self, name: &str) -> bool {
        self.roles
            .iter()
            .any(|role| role.is_superuser && role.name == name)
    }

    /// The list of grants at a position.
    pub fn list(&self, position: usize) -> &[Grant] {
        self.grants.get(position).map_or(&[], Vec::as_slice)
    }

    /// The roles that owners, grants and default privileges in the database name, sorted. PostgreSQL's own are none of them, nor those
    /// that only settings of the whole server are granted to.
    pub fn named_roles(&self) -> Vec<String> {
        let mut named = BTreeSet::new();
        let mut take = |owner: Option<RoleId>, grants: usize, has_foreign_owner: bool| {
            // What the extension's owner or PostgreSQL's may do concerns no other role.
            let is_own = |role: &RoleId| !has_foreign_owner || Some(*role) != owner;
            named.extend(owner.filter(is_own));
            for grant in self.list(grants) {
                named.extend(grant.grantee.filter(is_own));
                named.extend(Some(grant.grantor).filter(is_own));
            }
        };
        let in_database = |object: &&AccessObject| object.kind != ObjectKind::Parameter;
        for object in self.objects.iter().filter(in_database) {
            take(object.owner, object.grants, object.has_foreign_owner);
        }
        for group in &self.large_objects {
            take(group.owner, group.grants, false);
        }
        for default in &self.defaults {
            take(Some(default.role), default.grants, false);
        }
        let named = named.into_iter().map(|role| self.role_name(role));
        let mut sorted: Vec<String> = named
            .filter(|name| !name.starts_with("pg_") && !name.is_empty())
            .map(str::to_owned)
            .collect();
        sorted.sort();
        sorted
    }
}
