//! Why a backup is under suspicion, as its manifest records it.

use serde::{Deserialize, Serialize};

/// What was found when a backup was compared with the one before it, as the manifest records it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspicion {
    /// Key of the backup it was compared with; nothing where there was none.
    #[serde(default)]
    pub compared_with: Option<String>,
    /// Why it is under suspicion, each reason for a person. Empty where it is not.
    #[serde(default)]
    pub reasons: Vec<String>,
}
