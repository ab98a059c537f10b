//! Flags and environment as validated values. Flags win over the environment.

use std::path::Path;

use super::args::StoreArguments;
use crate::error::{Error, Kind, Result};
use crate::model::secret::Secret;
use crate::postgres::conninfo::{Conninfo, Side};
use crate::store::Location;

const DEFAULT_BUCKET: &str = "paycraft-backups";
const MOST_JOBS_UNASKED: usize = 4;

/// The environment variables of a process, behind a function so that a test can give its own.
pub struct Environment<'a>(pub &'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// The value of `name`, or what stands in the file that `name_FILE` names. Empty counts as unset.
    fn value(&self, name: &str) -> Result<Option<String>> {
        if let Some(value) = (self.0)(name).filter(|value| !value.is_empty()) {
            return Ok(Some(value));
        }
        let variable = format!("{name}_FILE");
        let Some(path) = (self.0)(&variable).filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        let refuse = |what: &str| {
            Error::new(Kind::Usage, format!("{variable} names {path}, {what}")).hint(format!(
                "put the value of {name} into that file, or set {name} itself"
            ))
        };
        let text = std::fs::read_to_string(Path::new(&path))
            .map_err(|cause| refuse("which cannot be read").caused_by(cause))?;
        let value = text.trim_end_matches(['\r', '\n']);
        if value.is_empty() {
            return Err(refuse("which is empty"));
        }
        Ok(Some(value.to_owned()))
    }

    fn required(&self, name: &str, what: &str) -> Result<String> {
        self.value(name)?.ok_or_else(|| {
            Error::new(Kind::Usage, format!("{what} is not set")).hint(format!(
                "set {name}, or {name}_FILE to the path of a file that holds it"
            ))
        })
    }

    /// The source database: the flag, or `SUPABASE_DB_URL`.
    pub fn source(&self, flag: Option<&str>) -> Result<Conninfo> {
        self.database(Side::Source, flag, "--source", "SUPABASE_DB_URL")
    }

    /// The target database: the flag, or `TARGET_DB_URL`.
    pub fn target(&self, flag: Option<&str>) -> Result<Conninfo> {
        self.database(Side::Target, flag, "--target", "TARGET_DB_URL")
    }

    fn database(&self, side: Side, flag: Option<&str>, flag_name: &str, variable: &str) -> Result<Conninfo> {
        let Some(flag) = flag else {
            let text = self.required(variable, &format!("the {side} database"))?;
            return Conninfo::parse(side, &text);
        };
        let conninfo = Conninfo::parse(side, flag)?;
        if conninfo.has_password() {
            return Err(Error::new(
                Kind::Usage,
                format!("{flag_name} holds a password, which every user of this machine can read"),
            )
            .hint(format!(
                "set {variable} or {variable}_FILE instead, and change that password"
            )));
        }
        match self.value("PGPASSWORD")? {
            Some(password) => Ok(conninfo.with_password(&password)),
            None => Ok(conninfo),
        }
    }

    /// The store: flags, or the `R2_` variables.
    pub fn store(&self, flags: &StoreArguments) -> Result<Location> {
        let endpoint = match &flags.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.required("R2_ENDPOINT_URL", "the store's address")?,
        };
        if !(endpoint.starts_with("https://") || endpoint.starts_with("http://")) {
            return Err(
                Error::new(Kind::Usage, format!("the store's address {endpoint:?} is no URL"))
                    .hint("write it as https://ACCOUNT.r2.cloudflarestorage.com"),
            );
        }
        let bucket = match &flags.bucket {
            Some(bucket) => bucket.clone(),
            None => self
                .value("R2_BUCKET")?
                .unwrap_or_else(|| DEFAULT_BUCKET.to_owned()),
        };
        Ok(Location {
            endpoint,
            bucket,
            access_key_id: self.required("R2_ACCESS_KEY_ID", "the store's access key id")?,
            secret_access_key: Secret::new(
                self.required("R2_SECRET_ACCESS_KEY", "the store's secret access key")?,
            ),
        })
    }

    /// Who drills: the flag, or whoever is logged in.
    pub fn operator(&self, flag: Option<&str>) -> Result<String> {
        match flag {
            Some(name) => Ok(name.to_owned()),
            None => Ok(self.value("USER")?.unwrap_or_else(|| "unknown".to_owned())),
        }
    }
}

/// How many connections work side by side.
pub fn jobs(flag: Option<u16>) -> usize {
    flag.map_or_else(
        || std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_JOBS_UNASKED)),
        usize::from,
    )
}
