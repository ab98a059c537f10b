//! The installed versions of PostgreSQL, and the command lines of its programs.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::conninfo::Conninfo;
use super::environment;
use super::queries::identifier;
use super::rights::Name;
use crate::error::{Error, Kind, Result};

/// The oldest server and client this program works with.
const OLDEST_MAJOR: u32 = 15;

/// From this version on, `pg_restore` begins with a setting that older servers do not know, and ends there.
const REFUSED_BY_OLDER: u32 = 17;

/// Where distributions put one directory per version.
const VERSIONED: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr/pgsql", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
];

/// One installed version of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The major version of its `pg_dump`.
    pub major: u32,
    directory: PathBuf,
}

/// How much of an archive must be made as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leniency {
    /// Whether the first entry that cannot be made ends a restore.
    pub stops_at_first_error: bool,
    /// Whether tables and indexes go into the tablespaces of the source, and not into the target's own.
    pub keeps_tablespaces: bool,
}

/// Every version found, oldest first.
#[derive(Clone, Debug)]
pub struct Tools {
    installations: Vec<Installation>,
}

impl Tools {
    /// Looks for PostgreSQL in `only` where it is given; otherwise in the directories of `path` (the variable `PATH`) and
    /// where distributions put it.
    pub async fn find(only: Option<&Path>, path: Option<&OsStr>) -> Result<Self> {
        // A version's own directory comes before the wrappers and links on the path that lead to it.
        let candidates: Vec<PathBuf> = match only {
            Some(directory) => vec![directory.to_owned()],
            None => versioned_directories()
                .into_iter()
                .chain(path.into_iter().flat_map(std::env::split_paths))
                .filter(|directory| directory.is_absolute())
                .collect(),
        };
        // All are asked side by side: a wrapper may think longer than a small database takes to dump.
        let asked: Vec<_> = distinct(candidates)
            .map(|directory| tokio::spawn(async { (major_of(&directory).await, directory) }))
            .collect();
        let mut installations: Vec<Installation> = Vec::new();
        for answer in asked {
            if let Ok((Some(major), directory)) = answer.await
                && installations.iter().all(|known| known.major != major)
            {
                installations.push(Installation { major, directory });
            }
        }
        installations.sort_by_key(|found| found.major);
        if installations
            .last()
            .is_none_or(|newest| newest.major < OLDEST_MAJOR)
        {
            let place = only.map_or_else(String::new, |directory| format!(" in {}", directory.display()));
            let found = installations.last().map_or_else(String::new, |newest| {
                format!("; the newest found is {}", newest.major)
            });
            let message = format!("PostgreSQL {OLDEST_MAJOR} or newer was not found{place}{found}");
            return Err(Error::new(Kind::Usage, message)
                .hint("run `make setup`, install your system's PostgreSQL packages, or name their directory with --pg-bin"));
        }
        Ok(Self { installations })
    }

    /// The installation to use with a server of version `major`: the oldest that is not older than the server.
    pub fn for_server(&self, major: u32, kind: Kind) -> Result<&Installation> {
        self.installations
            .iter()
            .find(|found| found.major >= major && found.major >= OLDEST_MAJOR)
            .ok_or_else(|| {
                let newest = self.installations.last().map_or(0, |found| found.major);
                Error::new(
                    kind,
                    format!("the server is PostgreSQL {major}, the newest client here is {newest}"),
                )
                .hint(format!(
                    "install the PostgreSQL {major} client programs: pg_dump refuses a newer server"
                ))
            })
    }

    /// The installation that restores an archive of pg_dump `dump` into a server of version `target`: the oldest that is older than
    /// neither, as `pg_restore` reads no newer archive. It must not be too new for the server, either.
    pub fn for_restore(&self, dump: u32, target: u32) -> Result<&Installation> {
        let needed = dump.max(target).max(OLDEST_MAJOR);
        if target < REFUSED_BY_OLDER && dump >= REFUSED_BY_OLDER {
            let message = format!(
                "pg_dump {dump} made the backup, and the client programs that read it cannot restore into PostgreSQL {target}"
            );
            return Err(Error::new(Kind::Refused, message).hint(format!(
                "restore into PostgreSQL {REFUSED_BY_OLDER} or newer; for backups that go into older servers, install the client \
                 programs of the source's own version where backups are made"
            )));
        }
        let hint = format!("install the PostgreSQL {needed} client programs");
        match self.installations.iter().find(|found| found.major >= needed) {
            Some(found) if target < REFUSED_BY_OLDER && found.major >= REFUSED_BY_OLDER => {
                let message = format!(
                    "the client programs of PostgreSQL {} cannot restore into PostgreSQL {target}",
                    found.major
                );
                Err(Error::new(Kind::Refused, message).hint(hint))
            }
            Some(found) => Ok(found),
            None => {
                let newest = self.installations.last().map_or(0, |found| found.major);
                let message = format!(
                    "pg_dump {dump} made the backup and the target is PostgreSQL {target}; the newest client here is {newest}"
                );
                Err(Error::new(Kind::Refused, message).hint(hint))
            }
        }
    }

    /// The newest installation that also has the server's programs, for a private cluster.
    pub fn newest_with_server(&self) -> Result<&Installation> {
        self.installations
            .iter()
            .rev()
            .find(|found| found.major >= OLDEST_MAJOR && found.program("initdb").exists() && found.program("postgres").exists())
            .ok_or_else(|| {
                Error::new(Kind::Usage, "the PostgreSQL server programs (initdb, postgres) were not found")
                    .hint("run `make setup`, or install your system's PostgreSQL server package; a drill starts private servers")
            })
    }
}

impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, found) in self.installations.iter().enumerate() {
            let comma = if number == 0 { "PostgreSQL " } else { ", " };
            write!(f, "{comma}{} in {}", found.major, found.directory.display())?;
        }
        Ok(())
    }
}

impl Installation {
    /// What a backup of a server of version `source` made with this one cannot do that one made with the server's own version could.
    pub fn limit(&self, source: u32) -> Option<String> {
        let major = self.major;
        if major <= source {
            return None;
        }
        let into = if major >= REFUSED_BY_OLDER && source < REFUSED_BY_OLDER {
            format!(", into PostgreSQL {REFUSED_BY_OLDER} or newer alone")
        } else {
            String::new()
        };
        Some(format!(
            "pg_dump {major} is newer than the source, PostgreSQL {source}: only client programs of {major} or newer restore \
             such a backup{into}; install the PostgreSQL {source} client programs"
        ))
    }

    /// The path of one of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// `pg_dump` of the whole database, in the form that is stored: custom format, uncompressed, with owners and grants.
    /// The tables of `without` are left out.
    pub fn dump(&self, source: &Conninfo, without: &[Name]) -> Command {
        let mut command = self.client("pg_dump", source);
        command.args(["--format=custom", "--compress=0"]).arg(format!(
            "--lock-wait-timeout={}",
            source.patience().lock.as_millis()
        ));
        for (schema, table) in without {
            command.arg(format!(
                "--exclude-table={}.{}",
                identifier(schema),
                identifier(table)
            ));
        }
        command
    }

    /// The same of what an exported snapshot sees, as `pg_export_snapshot` names it.
    /// Its text is in that `encoding`; the source's own settings do not matter.
    pub fn dump_snapshot(
        &self,
        source: &Conninfo,
        without: &[Name],
        snapshot: &str,
        encoding: &str,
    ) -> Command {
        let mut command = self.dump(source, without);
        command.args([format!("--snapshot={snapshot}"), format!("--encoding={encoding}")]);
        command
    }

    /// `pg_dump` of definitions alone, in the same form and in that `encoding`, in a session with these `settings`. Grants are compared by
    /// themselves, and no definition mentions them.
    pub fn dump_schema(
        &self,
        source: &Conninfo,
        without: &[Name],
        encoding: &str,
        settings: &[(String, String)],
    ) -> Command {
        let mut command = self.dump(source, without);
        command.args(["--schema-only", "--no-acl", &format!("--encoding={encoding}")]);
        if !settings.is_empty() {
            let set = settings.iter().map(|(name, value)| format!("-c {name}={value}"));
            let own = source.options().map(str::to_owned);
            let options: Vec<String> = own.into_iter().chain(set).collect();
            command.env("PGOPTIONS", options.join(" "));
        }
        command
    }

    /// `pg_dumpall` of roles, memberships and role settings without any password, where there is one.
    pub fn dump_globals(&self, source: &Conninfo) -> Option<Command> {
        if !self.program("pg_dumpall").is_file() {
            return None;
        }
        let mut command = self.client("pg_dumpall", source);
        command
            .args(["--globals-only", "--no-role-passwords"])
            // It looks for a database of its own choice otherwise.
            .arg(format!("--database={}", quoted(source.database())));
        Some(command)
    }

    /// `psql` that tells the time zone of its session, which is like pg_dump's, where there is one.
    pub fn tell_time_zone(&self, database: &Conninfo) -> Option<Command> {
        if !self.program("psql").is_file() {
            return None;
        }
        let mut command = self.client("psql", database);
        command.args([
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--command=SHOW TimeZone",
        ]);
        Some(command)
    }

    /// `pg_restore` of the entries that the file `list` names, in its order, from `archive`, over one connection. It names the entry of
    /// each error only where it is verbose.
    pub fn restore_listed(
        &self,
        target: &Conninfo,
        archive: &Path,
        list: &Path,
        leniency: Leniency,
    ) -> Command {
        let mut command = self.client("pg_restore", target);
        if leniency.stops_at_first_error {
            command.arg("--exit-on-error");
        }
        if !leniency.keeps_tablespaces {
            command.arg("--no-tablespaces");
        }
        command
            .args(["--verbose", "--no-owner", "--no-acl"])
            .arg(format!("--dbname={}", quoted(target.database())))
            .arg("--use-list")
            .arg(list)
            .arg(archive);
        command
    }

    fn client(&self, program: &str, database: &Conninfo) -> Command {
        let mut command = Command::new(self.program(program));
        command
            .env_clear()
            .envs(environment::needed())
            .envs(database.environment())
            .env("PGTZ", "UTC")
            .env("LC_MESSAGES", "C");
        command
    }
}

/// `--dbname` is read as a connection string, so a name with `=` or a space must be quoted as one.
fn quoted(database: &str) -> String {
    let escaped = database.replace('\\', "\\\\").replace('\'', "\\'");
    format!("dbname='{escaped}'")
}

fn versioned_directories() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (root, leaf) in VERSIONED {
        let Ok(entries) = std::fs::read_dir(root) else {
            continue;
        };
        found.extend(entries.flatten().map(|entry| entry.path().join(leaf)));
    }
    found
}

/// Each directory once, by the first of the names that lead to it.
fn distinct(directories: Vec<PathBuf>) -> impl Iterator<Item = PathBuf> {
    let mut seen = HashSet::new();
    directories
        .into_iter()
        .filter(move |directory| seen.insert(directory.canonicalize().unwrap_or_else(|_| directory.clone())))
}

/// The major version of the `pg_dump` in `directory`, where there is a `pg_restore` of the same kind beside it.
async fn major_of(directory: &Path) -> Option<u32> {
    let dump = directory.join("pg_dump");
    if !dump.is_file() || !directory.join("pg_restore").is_file() {
        return None;
    }
    let mut command = Command::new(dump);
    command
        .arg("--version")
        .env_clear()
        .envs(environment::needed())
        .kill_on_drop(true);
    let answer = command.output().await.ok()?;
    parse_version(&String::from_utf8_lossy(&answer.stdout))
}

/// The major version in a line such as `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(line: &str) -> Option<u32> {
    major_version(line.split_once("(PostgreSQL)")?.1.trim_start())
}

/// The major version of `15.18 (Debian …)`.
pub fn major_version(version: &str) -> Option<u32> {
    let digits = version
        .find(|mark: char| !mark.is_ascii_digit())
        .unwrap_or(version.len());
    version[..digits].parse().ok()
}
