//! The user that private servers run as.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::surroundings;
use crate::error::{Error, Kind, Result};

/// The user that servers run as when this program is root, which PostgreSQL refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerUser {
    other: Option<Ids>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ids {
    user: u32,
    group: u32,
}

impl ServerUser {
    /// Ourselves where we are not root; otherwise the user `postgres`, or `nobody` where there is none.
    pub fn suitable() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { other: None });
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let find = |name: &str| {
            let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let fields = lines.find(|fields| fields.first() == Some(&name))?;
            Some(Ids {
                user: fields.get(2)?.parse().ok()?,
                group: fields.get(3)?.parse().ok()?,
            })
        };
        let other = find("postgres").or_else(|| find("nobody"));
        if other.is_none() {
            let message = "PostgreSQL does not run as root, and there is no user postgres or nobody";
            return Err(Error::new(Kind::Usage, message).hint("run this as an ordinary user"));
        }
        Ok(Self { other })
    }

    /// Gives a file or directory to the user.
    pub fn take_over(self, path: &Path) -> Result<()> {
        let Some(ids) = self.other else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(ids.user), Some(ids.group)).map_err(|cause| {
            Error::new(
                Kind::Usage,
                format!("cannot hand {} to the server's user", path.display()),
            )
            .caused_by(cause)
        })
    }

    /// Makes `command` run as the user, with nothing of our environment but the path and in a directory that everybody may enter.
    pub fn run(self, command: &mut Command) {
        surroundings::bare(command);
        command.current_dir("/").env("LC_ALL", "C");
        if let Some(ids) = self.other {
            command.uid(ids.user).gid(ids.group);
        }
    }
}
