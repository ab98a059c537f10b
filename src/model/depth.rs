//! How much of a restored database is compared.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind};

/// How much of the rows is compared. Definitions, sequences and indexes are in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// How many there are. That proves nothing: a flipped bit changes no count.
    Counts,
    /// Each of them, byte for byte.
    #[default]
    Content,
}

impl FromStr for Depth {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "counts" => Ok(Self::Counts),
            "content" => Ok(Self::Content),
            _ => Err(
                Error::new(Kind::Usage, format!("{text:?} is no depth of a verification"))
                    .hint("write `content`, or `counts` for a quick look that proves nothing"),
            ),
        }
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counts => "counts",
            Self::Content => "content",
        })
    }
}
