//! What a source holds and its backup does not, and why.

use serde::{Deserialize, Serialize};

/// One thing of the source that is not in the backup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// What it is: `table`, `rows of a foreign table`, `rows of an unlogged table`, `rows of an extension's table`.
    pub what: String,
    /// The table, as `schema.name`.
    pub name: String,
    /// Why, as a fragment without a full stop.
    pub reason: String,
}
