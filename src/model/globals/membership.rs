//! Which role is a member of which.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A role's membership in another, by any grantor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Membership {
    /// The role that was granted.
    pub role: String,
    /// Who is a member of it.
    pub member: String,
    /// Whether the member may grant it to others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
    /// Whether the member has its rights without becoming it; left out before version 16, where the member's own attribute says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherit: Option<bool>,
    /// Whether the member may become it; left out before version 16, where every member may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<bool>,
}

/// How a membership differs from another of the same roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MembershipChange {
    /// Whether more may be done by it than was recorded.
    pub is_more: bool,
    /// Whether less may be done.
    pub is_less: bool,
}

impl Membership {
    /// Whether both are of the same two roles.
    pub(super) fn is_of_same(&self, other: &Self) -> bool {
        (&self.role, &self.member) == (&other.role, &other.member)
    }

    /// How what is `found` differs from this. An option that one of the servers does not have is not compared.
    pub fn change(&self, found: &Self) -> MembershipChange {
        let pair = |expected: Option<bool>, found: Option<bool>| (expected.or(found), found.or(expected));
        let options = [
            (Some(self.admin), Some(found.admin)),
            pair(self.inherit, found.inherit),
            pair(self.set, found.set),
        ];
        let differs = |expected: bool| {
            let mut options = options.iter();
            options.any(|(then, now)| *then == Some(expected) && *now == Some(!expected))
        };
        MembershipChange {
            is_more: differs(false),
            is_less: differs(true),
        }
    }
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is a member of {}", self.member, self.role)?;
        if self.admin {
            f.write_str(" and may grant it")?;
        }
        Ok(())
    }
}
