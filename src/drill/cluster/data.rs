//! The files of a cluster: made by `initdb`, or copied from files that were.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Traits;
use crate::child::Child;
use crate::drill::server_user::ServerUser;
use crate::error::{Error, Kind, Result};
use crate::model::secret::Secret;
use crate::postgres::tools::Installation;

/// The superuser of every private server.
pub(super) const SUPERUSER: &str = "postgres";
const NO_ROOM_HINT: &str = "free some space in TMPDIR, or name another directory in it";

/// Files of a cluster that no server runs on, for many servers to begin from. Copies share one password and one system
/// identifier: two servers that must not be taken for each other begin from two templates.
#[derive(Debug)]
pub struct Template {
    directory: PathBuf,
    user: ServerUser,
    password: Secret,
}

impl Template {
    /// Makes the files in `directory`, which must not exist.
    pub async fn make(
        installation: &Installation,
        directory: PathBuf,
        user: ServerUser,
        traits: Traits,
    ) -> Result<Self> {
        let password = initialise(installation, &directory, user, traits).await?;
        Ok(Self {
            directory,
            user,
            password,
        })
    }

    /// Copies them into `directory`, which must not exist, and returns the superuser's password.
    pub(super) async fn copy_to(&self, directory: &Path) -> Result<Secret> {
        make_directory(directory, self.user)?;
        let mut command = Command::new("cp");
        command
            .args(["-R", "-p"])
            .arg(data_directory(&self.directory))
            .arg(data_directory(directory));
        self.user.run(&mut command);
        let copied = Child::start("cp", command.into())?.ended().await?;
        copied
            .well(Kind::Usage)
            .map_err(|error| error.hint(NO_ROOM_HINT))?;
        Ok(self.password.clone())
    }
}

/// Makes the directory and the cluster in it, and returns the superuser's password.
pub(super) async fn initialise(
    installation: &Installation,
    directory: &Path,
    user: ServerUser,
    traits: Traits,
) -> Result<Secret> {
    let password = Secret::new(format!("{:032x}", rand::random::<u128>()));
    let password_file = directory.join("password");
    make_directory(directory, user)?;
    std::fs::write(&password_file, password.reveal()).map_err(|cause| no_room(directory, cause))?;
    user.take_over(&password_file)?;
    let mut command = Command::new(installation.program("initdb"));
    command
        .arg("-D")
        .arg(data_directory(directory))
        .arg("--pwfile")
        .arg(&password_file)
        .args(["--username", SUPERUSER, "--auth=scram-sha-256", "--no-sync"])
        .args(["--encoding=UTF8", "--locale=C"]);
    if traits.has_limited_disk {
        command.arg("--wal-segsize=1");
    }
    user.run(&mut command);
    let ended = Child::start("initdb", command.into())?.ended().await?;
    std::fs::remove_file(&password_file).map_err(|cause| no_room(directory, cause))?;
    ended
        .well(Kind::Usage)
        .map_err(|error| error.hint(NO_ROOM_HINT))?;
    Ok(password)
}

/// Where in a server's directory its data is.
pub(super) fn data_directory(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn make_directory(directory: &Path, user: ServerUser) -> Result<()> {
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .map_err(|cause| no_room(directory, cause))?;
    user.take_over(directory)
}

fn no_room(directory: &Path, cause: std::io::Error) -> Error {
    Error::new(
        Kind::Usage,
        format!("cannot make a PostgreSQL cluster in {}", directory.display()),
    )
    .caused_by(cause)
    .hint("free some space there, or name another directory in TMPDIR")
}
