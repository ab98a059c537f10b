//! Which of a run's two databases is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Kind;

/// Which database of a run a connection belongs to. It decides the kind of the errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The database that is backed up.
    Source,
    /// The database that is restored into.
    Target,
}

impl Side {
    /// The kind of an error that this side caused.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Source => Kind::Source,
            Self::Target => Kind::Target,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}
