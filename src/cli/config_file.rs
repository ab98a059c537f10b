//! Which configuration file holds, and that no other user can have written one that was found.
//!
//! A file that is named is taken as it is. One that is only found must be the user's own or root's: in a directory that others may
//! write, a file may have been put there by them, and a configuration names programs that a cutover runs.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::args::{Arguments, Command};
use super::config::Config;
use crate::error::{Error, Kind, Result};
use crate::model::product::Product;

/// The variable that names the file.
const VARIABLE: &str = "PAYCRAFT_DR_CONFIG";

/// The bit of a file's mode that lets everyone write it.
const WORLD_WRITABLE: u32 = 0o002;
const ROOT: u32 = 0;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    chosen: Chosen,
}

/// Why a file was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen {
    ByFlag,
    ByVariable,
    Found,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByFlag => "named by --config",
            Self::ByVariable => "named by PAYCRAFT_DR_CONFIG",
            Self::Found => "found",
        })
    }
}

/// The configuration of a run, and the file it is from.
pub(super) fn load(
    arguments: &Arguments,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(Config, Option<ConfigFile>)> {
    let Some(file) = find(arguments, environment) else {
        let mut config = Config::default();
        if matches!(arguments.command, Command::Init(_)) {
            config.product = Product::named("another product");
        }
        return Ok((config, None));
    };
    if file.chosen == Chosen::Found {
        check_owner(&file.path)?;
    }
    let mut config = Config::read(&file.path).map_err(|error| match file.chosen {
        Chosen::ByVariable if !file.path.exists() => {
            error.hint(format!("set {VARIABLE} to the path of a TOML file, or unset it"))
        }
        _ => error,
    })?;
    config.reason = Some(file.reason());
    Ok((config, Some(file)))
}

impl ConfigFile {
    /// Why it was taken.
    pub(super) fn reason(&self) -> String {
        self.chosen.to_string()
    }
}

/// The file that holds for the command: the one that is named, or the first that is there.
fn find(arguments: &Arguments, environment: &dyn Fn(&str) -> Option<String>) -> Option<ConfigFile> {
    let file = |path: PathBuf, chosen| ConfigFile { path, chosen };
    if let Some(path) = &arguments.global.config {
        return Some(file(path.clone(), Chosen::ByFlag));
    }
    if !arguments.command.is_configured() {
        return None;
    }
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    if let Some(path) = set(VARIABLE) {
        return Some(file(path.into(), Chosen::ByVariable));
    }
    let there = usual_places(&set)
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok());
    there.map(|path| file(path, Chosen::Found))
}

/// Where a configuration is looked for. A relative `XDG_CONFIG_HOME` does not count, as its specification has it.
fn usual_places(set: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let configured = set("XDG_CONFIG_HOME").map(PathBuf::from);
    let at_home = || Some(PathBuf::from(set("HOME")?).join(".config"));
    let home = configured.filter(|path| path.is_absolute()).or_else(at_home);
    let places = [
        Some(PathBuf::from("paycraft-dr.toml")),
        home.map(|home| home.join("paycraft-dr/config.toml")),
        Some(PathBuf::from("/etc/paycraft-dr/config.toml")),
    ];
    places.into_iter().flatten().collect()
}

/// Refuses a file that another user may have written. Of a link both ends count.
fn check_owner(path: &Path) -> Result<()> {
    let unreadable = |cause| {
        Error::new(Kind::Usage, format!("{} cannot be read", path.display()))
            .caused_by(cause)
            .hint("see who may read it, or name another file with --config")
    };
    let link = path.symlink_metadata().map_err(unreadable)?;
    let file = path.metadata().map_err(unreadable)?;
    let own = rustix::process::geteuid().as_raw();
    let problem = [&link, &file]
        .into_iter()
        .find(|facts| ![own, ROOT].contains(&facts.uid()))
        .map(|facts| format!("belongs to another user ({})", facts.uid()))
        .or_else(|| {
            is_world_writable(&file).then(|| "can be written by every user of this machine".to_owned())
        });
    let Some(problem) = problem else { return Ok(()) };
    let message = format!("the configuration {} was found, and {problem}", path.display());
    Err(Error::new(Kind::Refused, message).hint(format!(
        "look at it; then name it with --config {0}, or make it yours alone: chown and chmod 600 {0}",
        path.display()
    )))
}

fn is_world_writable(facts: &Metadata) -> bool {
    facts.permissions().mode() & WORLD_WRITABLE != 0
}
