//! Flags, environment and the configuration file as validated values. Flags win over the environment, and that over the file.

#[cfg(feature = "drill")]
use std::num::NonZero;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::config::Config;
use super::values::parse_timeout;
#[cfg(feature = "drill")]
use crate::drill::substrate::{Images, Limits};
use crate::error::{Error, Kind, Result};
use crate::model::cutover::step::{KnownSecret, SecretSource, Step};
use crate::model::product::{Product, general_name, paycraft};
use crate::model::secret::Secret;
use crate::model::selection::Among;
use crate::model::shrinking::ShrinkLimits;
use crate::model::source::{SourceChoice, SourceName};
use crate::postgres::conninfo::{Conninfo, Side, Surroundings};
use crate::recovery::guard::Production;

/// How long a lock is waited for.
pub(super) const LOCK_TIMEOUT: &str = "PAYCRAFT_LOCK_TIMEOUT";
/// The bit of a file's mode that lets everyone read it.
const WORLD_READABLE: u32 = 0o004;
const MOST_JOBS_UNASKED: usize = 4;

/// The variable of the source database, as PayCraft's users and as those of other products know it.
pub(super) const SOURCE: &str = "SUPABASE_DB_URL";
const GENERAL_SOURCE: &str = "SOURCE_DB_URL";

/// What the process was given besides its flags.
pub struct Settings<'a> {
    /// The environment variables, behind a function so that a test can give its own.
    pub environment: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// The configuration file, or nothing but defaults.
    pub config: Config,
}

/// A value, and where it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundSetting {
    pub(super) value: String,
    pub(super) from: SettingOrigin,
}

/// Where a value is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SettingOrigin {
    /// In the environment, by this variable.
    Environment(String),
    /// In the configuration, by this setting.
    File(&'static str),
}

impl Settings<'_> {
    /// The product that is backed up.
    pub fn product(&self) -> &Product {
        &self.config.product
    }

    /// The value of `name`, or of another name for the same.
    pub(super) fn value(&self, name: &str) -> Result<Option<String>> {
        Ok(self.find(name)?.map(|found| found.value))
    }

    /// The same, and where it is set. Names of this product's users come before the other ones, and all of them before the configuration.
    pub(super) fn find(&self, name: &str) -> Result<Option<FoundSetting>> {
        for own in self.own_names(name) {
            if let Some(found) = self.of_environment(own)? {
                let value = match own {
                    GENERAL_SOURCE => of_postgres(&found.value).unwrap_or(found.value),
                    _ => found.value,
                };
                return Ok(Some(FoundSetting { value, ..found }));
            }
        }
        if let Some(found) = self.of_configuration(name)? {
            return Ok(Some(found));
        }
        if name != SOURCE {
            return Ok(None);
        }
        // An application's own, which may be about another kind of server.
        let found = self.of_environment("DATABASE_URL")?;
        Ok(found.and_then(|found| {
            let value = of_postgres(&found.value)?;
            Some(FoundSetting { value, ..found })
        }))
    }

    /// The variables by which `name` is set, the first of which counts.
    fn own_names<'n>(&self, name: &'n str) -> Vec<&'n str> {
        let general = general_name(name);
        match (general, self.config.product.is_paycraft()) {
            (Some(general), false) => vec![general, name],
            (Some(GENERAL_SOURCE), true) => vec![name, GENERAL_SOURCE],
            (None, _) | (Some(_), true) => vec![name],
        }
    }

    /// What the variable `name` holds, or the file that `name_FILE` names. Empty counts as unset.
    fn of_environment(&self, name: &str) -> Result<Option<FoundSetting>> {
        let read = |name: &str| (self.environment)(name).filter(|value| !value.is_empty());
        let found = |value, variable: &str| FoundSetting {
            value,
            from: SettingOrigin::Environment(variable.to_owned()),
        };
        if let Some(value) = read(name) {
            return Ok(Some(found(value, name)));
        }
        let variable = format!("{name}_FILE");
        let Some(path) = read(&variable) else {
            return Ok(None);
        };
        let value = secret_file(name, &variable, Path::new(&path))?;
        Ok(Some(found(value, &variable)))
    }

    /// What the configuration says of `name`, or the file that it names.
    fn of_configuration(&self, name: &str) -> Result<Option<FoundSetting>> {
        let found = |value, setting| FoundSetting {
            value,
            from: SettingOrigin::File(setting),
        };
        if let Some((setting, value)) = self.config.value(name) {
            return Ok(Some(found(value.to_owned(), setting)));
        }
        let Some((setting, path)) = self.config.secret_file(name) else {
            return Ok(None);
        };
        Ok(Some(found(secret_file(name, setting, path)?, setting)))
    }

    pub(super) fn required(&self, name: &str, what: &str) -> Result<String> {
        self.value(name)?.ok_or_else(|| {
            Error::new(Kind::Usage, format!("{what} is not set")).hint(format!(
                "set {name}, or {name}_FILE to the path of a file that holds it"
            ))
        })
    }

    /// The bucket of a store for which none is named.
    pub(super) fn usual_bucket(&self) -> Result<String> {
        match self.config.product.is_paycraft() {
            true => Ok(paycraft::BUCKET.to_owned()),
            false => self.required("R2_BUCKET", "the store's bucket"),
        }
    }

    /// The source database: the flag, or `SUPABASE_DB_URL`.
    pub fn source(&self, flag: Option<&str>) -> Result<Conninfo> {
        self.database(Side::Source, flag, "--source", SOURCE)
    }

    /// Which backups a command considers: of the source that a flag names, otherwise of the configured one. Only its connection string
    /// is read.
    pub fn among(&self, from_source: Option<&str>) -> Result<Among> {
        let source = match from_source {
            Some(name) => SourceChoice::Named(name.to_owned()),
            None => match self.value(SOURCE)? {
                Some(text) => SourceChoice::Configured(name_of(&self.conninfo(Side::Source, &text)?)),
                None => SourceChoice::Any,
            },
        };
        Ok(Among {
            source,
            limits: self.shrink_limits(),
            ..Among::ANY
        })
    }

    /// How much less a backup may hold than the one before it.
    pub(super) fn shrink_limits(&self) -> ShrinkLimits {
        let (set, usual) = (&self.config.suspicion, ShrinkLimits::default());
        ShrinkLimits {
            rows_percent: set.rows_percent.unwrap_or(usual.rows_percent),
            bytes_percent: set.bytes_percent.unwrap_or(usual.bytes_percent),
            tables_gone: set.tables_gone.unwrap_or(usual.tables_gone),
            counted: self.config.product.tables.clone(),
        }
    }

    /// The target database: the flag, or `TARGET_DB_URL`.
    pub fn target(&self, flag: Option<&str>) -> Result<Conninfo> {
        self.database(Side::Target, flag, "--target", "TARGET_DB_URL")
    }

    /// What is known of production: the project that always is, what the configuration tells, and the source where it is set.
    pub fn production(&self) -> Result<Production> {
        let source = self.value(SOURCE)?;
        let source = source.map(|text| self.conninfo(Side::Source, &text));
        Ok(Production {
            source: source.transpose()?,
            ..self.production_without_source()
        })
    }

    /// What is known of production without its connection string.
    pub(super) fn production_without_source(&self) -> Production {
        let mut identities = self.config.product.production.clone();
        let configured = self.config.guard.production_projects.iter().cloned();
        identities
            .projects
            .extend(configured.chain([paycraft::PRODUCTION_PROJECT.to_owned()]));
        Production {
            identities,
            source: None,
        }
    }

    fn database(&self, side: Side, flag: Option<&str>, flag_name: &str, variable: &str) -> Result<Conninfo> {
        let Some(flag) = flag else {
            let text = self.required(variable, &format!("the {side} database"))?;
            return self.conninfo(side, &text);
        };
        if Conninfo::text_holds_password(flag) {
            return Err(Error::new(
                Kind::Usage,
                format!("{flag_name} holds a password, which every user of this machine can read"),
            )
            .hint(format!(
                "set {variable} or {variable}_FILE instead, and change that password"
            )));
        }
        self.conninfo(side, flag)
    }

    /// A connection string as libpq would read it in this environment.
    fn conninfo(&self, side: Side, text: &str) -> Result<Conninfo> {
        let password = self.value("PGPASSWORD")?;
        let variable = |name: &str| match name {
            "PGPASSWORD" => password.clone(),
            name => (self.environment)(name),
        };
        let surroundings = Surroundings { variable: &variable };
        let conninfo = Conninfo::parse_in(side, text, &surroundings)?;
        let Some(timeout) = self.value(LOCK_TIMEOUT)? else {
            return Ok(conninfo);
        };
        let patience = conninfo.patience().waiting_for_locks(parse_timeout(&timeout)?);
        Ok(conninfo.with_patience(patience))
    }

    /// A secret that a step of the cutover names.
    pub(super) fn secret(&self, source: &SecretSource) -> Result<Secret> {
        let value = match source {
            SecretSource::From(KnownSecret::TargetUrl) => {
                self.required("TARGET_DB_URL", "the target database")?
            }
            SecretSource::Env(name) => (self.environment)(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| {
                    Error::new(
                        Kind::Usage,
                        format!("{source}, which a cutover step needs, is not set"),
                    )
                    .hint(format!("set {name}"))
                })?,
            SecretSource::File(path) => secret_file("the secret", "a cutover step", path)?,
        };
        Ok(Secret::new(value))
    }

    /// This program's own secrets, as far as they are set and can be read. Who asks at the store is none.
    pub(super) fn known_secrets(&self) -> Vec<Secret> {
        let secrets = SECRET_VARIABLES
            .iter()
            .filter(|name| **name != "R2_ACCESS_KEY_ID");
        // One that another name wins over is a secret all the same.
        let set = |name: &str| [self.find(name), self.of_environment(name)];
        let values = secrets
            .chain(&OTHERS_SECRETS)
            .flat_map(|name| set(name))
            .filter_map(|found| Some(found.ok()??.value));
        values.map(Secret::new).collect()
    }

    /// The same, and those of the cutover's steps and of others.
    pub(super) fn all_secrets(&self) -> Vec<Secret> {
        let steps = self.config.cutover.step.iter().flat_map(Step::secrets);
        let steps = steps.filter_map(|source| self.secret(source).ok());
        let known = self.known_secrets().into_iter().chain(inherited_secrets());
        known.chain(steps).collect()
    }

    /// What containers of drills are made from: flags, or variables.
    #[cfg(feature = "drill")]
    pub fn images(&self, postgres: Option<&str>, s3: Option<&str>) -> Result<Images> {
        let choose = |flag: Option<&str>, name: &str| match flag {
            Some(image) => Ok(Some(image.to_owned())),
            None => self.value(name),
        };
        let pinned = Images::default();
        Ok(Images {
            postgres: choose(postgres, "PAYCRAFT_POSTGRES_IMAGE")?.unwrap_or(pinned.postgres),
            s3: choose(s3, "PAYCRAFT_S3_IMAGE")?.unwrap_or(pinned.s3),
        })
    }

    /// The S3 server that drills on this machine run, if not the built-in one.
    #[cfg(feature = "drill")]
    pub fn s3_program(&self) -> Result<Option<String>> {
        self.value("PAYCRAFT_S3_PROGRAM")
    }

    /// What each container of a drill may use.
    #[cfg(feature = "drill")]
    pub fn limits(&self) -> Limits {
        Limits {
            memory_bytes: self.config.containers.memory_bytes.map(NonZero::get),
            milli_cpus: self.config.containers.milli_cpus.map(NonZero::get),
        }
    }

    /// Who drills: the flag, or the user who is logged in.
    pub fn operator(&self, flag: Option<&str>) -> Result<String> {
        match flag {
            Some(name) => Ok(name.to_owned()),
            None => Ok(self.value("USER")?.unwrap_or_else(|| "unknown".to_owned())),
        }
    }
}

/// A database's URL as libpq reads it. Some frameworks name a driver in it, and what leads to another kind of server is not meant.
fn of_postgres(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let kind = scheme.split('+').next()?;
    matches!(kind, "postgres" | "postgresql").then(|| format!("postgresql://{rest}"))
}

/// What a backup of the database that `conninfo` leads to is told to be of.
pub(super) fn name_of(conninfo: &Conninfo) -> SourceName {
    SourceName {
        project_ref: conninfo.project_ref(),
        database: conninfo.database().to_owned(),
    }
}

/// The variables that hold this program's own secrets. Each may have `_FILE` behind it.
const SECRET_VARIABLES: [&str; 8] = [
    "SUPABASE_DB_URL",
    "TARGET_DB_URL",
    "R2_ACCESS_KEY_ID",
    "R2_SECRET_ACCESS_KEY",
    "R2_SESSION_TOKEN",
    "PGPASSWORD",
    "PAYCRAFT_WEBHOOK_URL",
    "PAYCRAFT_PING_URL",
];

/// Secrets that are not this program's alone: the programs of a cutover may need them, and no output shows them.
const OTHERS_SECRETS: [&str; 6] = [
    "SOURCE_DB_URL",
    "DATABASE_URL",
    "S3_SECRET_ACCESS_KEY",
    "S3_SESSION_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// The variables that no program of a cutover inherits.
pub(super) fn withheld() -> Vec<String> {
    let files = SECRET_VARIABLES.iter().map(|name| format!("{name}_FILE"));
    SECRET_VARIABLES
        .map(str::to_owned)
        .into_iter()
        .chain(files)
        .collect()
}

/// Values of variables that by their names hold secrets of others. They are the steps' own, and never shown.
pub(super) fn inherited_secrets() -> impl Iterator<Item = Secret> {
    const WORDS: [&str; 4] = ["TOKEN", "SECRET", "PASSWORD", "KEY"];
    const SHORTEST_BYTES: usize = 8;
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?.to_ascii_uppercase();
        let value = value.into_string().ok()?;
        let is_secret = value.len() >= SHORTEST_BYTES && WORDS.iter().any(|word| name.contains(word));
        is_secret.then(|| Secret::new(value))
    })
}

/// The value of `name` from the file at `path`, which `setting` names.
fn secret_file(name: &str, setting: &str, path: &Path) -> Result<String> {
    let refuse = |what: &str, hint: &str| {
        Error::new(Kind::Usage, format!("{setting} names {}, {what}", path.display())).hint(hint.to_owned())
    };
    let fill = format!("put the value of {name} into that file, or set {name} itself");
    let text = std::fs::read_to_string(path)
        .map_err(|cause| refuse("which cannot be read", &fill).caused_by(cause))?;
    let mode = std::fs::metadata(path).map_or(0, |facts| facts.permissions().mode());
    if mode & WORLD_READABLE != 0 {
        let hint = format!(
            "run: chmod 600 {}; and change that secret if others use this machine",
            path.display()
        );
        return Err(refuse("which every user of this machine can read", &hint));
    }
    let value = text.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(refuse("which is empty", &fill));
    }
    Ok(value.to_owned())
}

/// How many connections work side by side.
pub fn jobs(flag: Option<u16>) -> usize {
    flag.map_or_else(
        || std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_JOBS_UNASKED)),
        usize::from,
    )
}
