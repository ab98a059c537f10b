//! What a drill rehearses, as data: what breaks, when, and what must happen then.

mod embedded;
mod expectation;
mod fault;
mod random;
mod read;

use serde::{Deserialize, Serialize};

pub use embedded::{BASELINE, all, find, names, text};
pub use expectation::{Afterwards, Expectation, FallsBack, Refuses, TurnsRed};
pub use fault::{
    BackupChoice, BackupPart, Cutover, Damage, DamageKind, Fault, FaultKind, FaultStatement, Link, Mistake,
    Program, ServerCrash, Space, StoreFailureMode, StoreFault, Tool, ToolSignal, ToxicFault, Trigger,
};
pub use random::{RANDOM, draw};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, which is that of its file.
    #[serde(skip)]
    pub name: String,
    /// What is typed to have it: its name, or the path of its file.
    #[serde(skip)]
    pub argument: String,
    /// What happens, in one sentence.
    pub description: String,
    /// Why that matters to the engineer on call, in one sentence.
    pub why: String,
    /// COPY text in the source, in bytes.
    #[serde(default = "one_mebibyte")]
    pub scale_bytes: u64,
    /// Ages in days of the backups that are there before, youngest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history_days: Vec<u32>,
    /// Whether a backup is made now.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub backs_up: bool,
    /// Whether the restored database is put into service afterwards.
    #[serde(default, skip_serializing_if = "is_no")]
    pub cuts_over: bool,
    pub expect: Expectation,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

const fn one_mebibyte() -> u64 {
    1 << 20
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_no(value: &bool) -> bool {
    !*value
}

impl Scenario {
    /// Whether nothing breaks and nothing is missing: then an error is the drill's own.
    pub fn is_plain(&self) -> bool {
        self.faults.is_empty() && self.backs_up
    }

    /// Whether it strikes at processes, which only Linux tells of.
    pub(super) fn needs_linux(&self) -> bool {
        self.has(|what| matches!(what, FaultKind::Program(_) | FaultKind::Space(_)))
    }

    /// Whether a fault is among those it has.
    pub fn has(&self, is_meant: impl Fn(&FaultKind) -> bool) -> bool {
        self.faults.iter().any(|fault| is_meant(&fault.what))
    }
}
