//! What must happen in a scenario.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What must happen while things are broken, and afterwards.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Expectation {
    /// The newest backup is restored and proven, within the objectives, at the first try.
    Recovers,
    /// An older backup is restored and proven, and it is said that it is an older one.
    FallsBack(FallsBack),
    /// A verb ends with an error, with nothing wrong done; afterwards things can be put right.
    Refuses(Refuses),
    /// Anything but breaking an invariant.
    KeepsTheInvariants,
    /// The drill itself is not proven, as something of its own is left behind.
    TurnsRed(TurnsRed),
}

/// How a drill that leaves something behind tells.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TurnsRed {
    /// In words that contain these.
    pub says: String,
}

/// Which older backup is restored.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FallsBack {
    /// Its age in days.
    pub to_days: u32,
    /// In a warning that contains these words, where any is due.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// How a verb refuses.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Refuses {
    /// With this exit code.
    pub exit_code: u8,
    /// In words that contain these.
    pub says: String,
    /// Whether the target is as it was before.
    #[serde(default)]
    pub target_unchanged: bool,
    /// What happens once nothing is broken any more.
    #[serde(default)]
    pub afterwards: Afterwards,
}

/// What happens once nothing is broken any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Afterwards {
    /// The same again is proven.
    #[default]
    Recovers,
    /// What is stored stays lost; a new backup is made and proven.
    RecoversFromANewBackup,
    /// Nothing can be recovered in this drill.
    Ends,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovers => f.pad("recovers"),
            Self::FallsBack(FallsBack { to_days, .. }) => f.pad(&format!("falls back {to_days} d")),
            Self::Refuses(refuses) => {
                let then = match refuses.afterwards {
                    Afterwards::Recovers => ", then recovers",
                    Afterwards::RecoversFromANewBackup => ", then recovers anew",
                    Afterwards::Ends => "",
                };
                f.pad(&format!("exit {}{then}", refuses.exit_code))
            }
            Self::KeepsTheInvariants => f.pad("keeps the invariants"),
            Self::TurnsRed(_) => f.pad("turns red"),
        }
    }
}
