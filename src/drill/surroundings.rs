//! Which part of our environment the programs that a drill calls are given: where programs are, and nothing else.

use std::process::Command;

/// Where programs are on most systems, for a drill that was itself started without a path.
const USUAL_PATH: &str = "/usr/bin:/bin";

/// Takes our environment from `command`, but for the path: there are systems whose `cp` is only where that leads to.
pub(super) fn bare(command: &mut Command) {
    let path = std::env::var_os("PATH").filter(|path| !path.is_empty());
    command
        .env_clear()
        .env("PATH", path.unwrap_or_else(|| USUAL_PATH.into()));
}
