//! A set of privileges, written with PostgreSQL's own letters.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Each privilege with its letter in an `aclitem` and its word in GRANT. The position is the bit of the set.
const KNOWN: [(char, &str); 15] = [
    ('r', "SELECT"),
    ('a', "INSERT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('m', "MAINTAIN"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('c', "CONNECT"),
    ('T', "TEMPORARY"),
    ('s', "SET"),
    ('A', "ALTER SYSTEM"),
];

/// A set of privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Privileges(u16);

impl Privileges {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self((1 << KNOWN.len()) - 1);
    /// `MAINTAIN`, which PostgreSQL 17 introduced.
    pub const MAINTAIN: Self = Self(1 << 7);

    /// The set with one bit for each privilege, in the order of [`Self::words`].
    pub const fn of_bits(bits: u16) -> Self {
        Self(bits & ((1 << KNOWN.len()) - 1))
    }

    /// The privilege with this letter; nothing for a letter that is not known.
    pub fn of_letter(letter: char) -> Self {
        let bit = KNOWN.iter().position(|(known, _)| *known == letter);
        bit.map_or(Self::NONE, |bit| Self(1 << bit))
    }

    /// The union of both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether no privilege is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many privileges are in it.
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The words of GRANT, in a fixed order.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        self.known().map(|(_, word)| *word)
    }

    fn known(self) -> impl Iterator<Item = &'static (char, &'static str)> {
        let numbered = KNOWN.iter().enumerate();
        numbered
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, known)| known)
    }
}

impl fmt::Display for Privileges {
    /// As in `SELECT, INSERT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, word) in self.words().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{word}")?;
        }
        Ok(())
    }
}

impl Serialize for Privileges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let letters: String = self.known().map(|(letter, _)| *letter).collect();
        serializer.serialize_str(&letters)
    }
}

impl<'de> Deserialize<'de> for Privileges {
    /// A letter of a newer version is passed over.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let letters = String::deserialize(deserializer)?;
        Ok(letters
            .chars()
            .fold(Self::NONE, |set, letter| set.and(Self::of_letter(letter))))
    }
}
