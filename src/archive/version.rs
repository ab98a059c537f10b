//! The format's version.

use std::fmt;

const OLDEST: (u8, u8) = (1, 12);
const NEWEST: (u8, u8) = (1, 16);

/// The format's own version, which changes less often than PostgreSQL's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Always 1 so far.
    pub major: u8,
    /// 14 for PostgreSQL 12 to 15, 15 for 16, 16 for 17 and 18.
    pub minor: u8,
    /// Always 0 so far.
    pub revision: u8,
}

impl Version {
    /// Whether this reader knows the version.
    pub(super) fn is_readable(self) -> bool {
        (OLDEST..=NEWEST).contains(&(self.major, self.minor))
    }

    /// Whether the version is 1.`minor` or newer.
    pub(super) fn is_at_least(self, minor: u8) -> bool {
        (self.major, self.minor) >= (1, minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
