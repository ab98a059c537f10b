//! Whose a container is, so that what a killed process left can be told from what a living one uses.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use rustix::process::{Pid, getpid};

/// Holds the owner of a container.
pub(super) const OWNER: &str = "paycraft-dr.owner";
/// Holds the environment that a container belongs to.
pub(super) const ENVIRONMENT: &str = "paycraft-dr.ground";
/// Holds the drill that a container belongs to, where it is not shared.
pub(super) const DRILL: &str = "paycraft-dr.drill";

/// A process, told from all others also when its number is used again, after a restart of the machine, and in another
/// container's view of the processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The system since it was started, and which of its processes can be seen.
    sight: String,
    process: i32,
    began: String,
}

impl Owner {
    pub(super) fn current() -> Self {
        let process = getpid().as_raw_nonzero().get();
        Self {
            sight: sight(),
            process,
            began: began(process).unwrap_or_default(),
        }
    }

    /// Reads what [`Display`](fmt::Display) writes.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let owner = Self {
            sight: parts.next()?.to_owned(),
            process: parts.next()?.parse().ok()?,
            began: parts.next()?.to_owned(),
        };
        parts.next().is_none().then_some(owner)
    }

    /// Whether the process can be seen from here and is no more.
    fn is_gone(&self) -> bool {
        let is_in_sight = !self.sight.is_empty() && self.sight == sight();
        is_in_sight
            && Pid::from_raw(self.process).is_some()
            && began(self.process).as_ref() != Some(&self.began)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.sight, self.process, self.began)
    }
}

/// Whether a container with these labels belongs to a process that is no more.
pub(super) fn is_abandoned(labels: &HashMap<String, String>) -> bool {
    let owner = labels.get(OWNER).and_then(|owner| Owner::read(owner));
    owner.is_some_and(|owner| owner.is_gone())
}

/// Empty where the system does not tell: then nothing is known to be gone.
fn sight() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let view = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let view = view.display().to_string().replace('/', "-");
    match boot.trim() {
        "" => String::new(),
        boot => format!("{boot}.{view}"),
    }
}

/// When a process began, in ticks since the system did.
fn began(process: i32) -> Option<String> {
    let place = Path::new("/proc").join(process.to_string()).join("stat");
    let status = std::fs::read_to_string(place).ok()?;
    // The name is in parentheses and may hold anything; the beginning is the twentieth field behind it.
    let (_, rest) = status.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if state == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}
