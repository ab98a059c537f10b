//! What would keep a source from being made again as it is.

use serde::{Deserialize, Serialize};

/// What was found in a source while it was dumped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Troubles {
    /// Each as a person reads it: what it is about, and what is wrong.
    pub found: Vec<String>,
    /// How many keys and checks have no answer: the dump was done before, or the server gave none.
    #[serde(default)]
    pub unasked: usize,
}

impl Troubles {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && self.unasked == 0
    }
}
