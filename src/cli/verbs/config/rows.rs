//! Every setting, its value, and where it is set.

use std::fmt::Display;

use serde::Serialize;

use super::ShowArguments;
use crate::cli::context::Context;
use crate::cli::settings::{FoundSetting, SOURCE, SettingOrigin, Settings};
use crate::error::Result;
use crate::model::retention::{DAYS, FLOOR};
use crate::postgres::conninfo::{Conninfo, Side};
use crate::store::{NO_REGION, region_of_aws};

const DEFAULT: &str = "default";
const UNSET: &str = "not set";

#[derive(Debug, Serialize)]
pub(super) struct SettingRow {
    /// As the configuration writes it.
    pub(super) setting: String,
    /// Its value; of a secret none.
    pub(super) value: Option<String>,
    /// Whether it has one.
    #[serde(rename = "set")]
    pub(super) is_set: bool,
    /// Where it is set.
    pub(super) from: String,
}

/// What is told of a setting whose value must not be shown.
enum ShownValue {
    Value,
    SetAlone,
}

/// All settings in the order of the configuration.
pub(super) fn rows(context: &Context<'_>, own: &ShowArguments) -> Result<Vec<SettingRow>> {
    let settings = context.settings;
    let mut rows = vec![
        row(
            "config",
            settings.config.path.as_ref().map(|path| path.display()),
            settings.config.reason.as_deref().unwrap_or("no file"),
        ),
        row(
            "jobs",
            Some(context.jobs()),
            match context.arguments.jobs {
                Some(_) => "flag --jobs",
                None => DEFAULT,
            },
        ),
    ];
    rows.extend(product(settings));
    rows.push(database(settings, Side::Source, own.source.as_deref())?);
    rows.push(database(settings, Side::Target, own.target.as_deref())?);
    rows.extend(store(settings, own)?);
    rows.extend(rest(settings)?);
    Ok(rows)
}

fn row(setting: &str, value: Option<impl Display>, from: impl Into<String>) -> SettingRow {
    SettingRow {
        setting: setting.to_owned(),
        is_set: value.is_some(),
        value: value.map(|value| value.to_string()),
        from: from.into(),
    }
}

/// Where a value was found.
fn from(settings: &Settings<'_>, found: &SettingOrigin) -> String {
    match found {
        SettingOrigin::Environment(name) => format!("environment variable {name}"),
        SettingOrigin::File(setting) => in_file(settings, setting),
    }
}

fn in_file(settings: &Settings<'_>, setting: &str) -> String {
    let path = settings.config.path.as_ref();
    let path = path.map_or_else(String::new, |path| path.display().to_string());
    format!("file {path}: {setting}")
}

/// A setting that only the configuration has.
fn configured(settings: &Settings<'_>, setting: &str, value: Option<impl Display>) -> SettingRow {
    let from = match settings.config.written.contains(setting) {
        true => in_file(settings, setting),
        false if value.is_none() => UNSET.to_owned(),
        false => DEFAULT.to_owned(),
    };
    row(setting, value, from)
}

fn found(
    settings: &Settings<'_>,
    setting: &str,
    found: Option<&FoundSetting>,
    shown: &ShownValue,
) -> SettingRow {
    let Some(found) = found else {
        return row(setting, None::<&str>, UNSET);
    };
    let value = match shown {
        ShownValue::Value => Some(&found.value),
        ShownValue::SetAlone => None,
    };
    SettingRow {
        is_set: true,
        ..row(setting, value, from(settings, &found.from))
    }
}

fn listed<'a, T: Display + 'a>(values: impl IntoIterator<Item = &'a T>) -> Option<String> {
    let values: Vec<String> = values.into_iter().map(ToString::to_string).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn product(settings: &Settings<'_>) -> Vec<SettingRow> {
    let product = settings.product();
    let tables: Vec<String> = product
        .tables
        .iter()
        .map(|table| format!("{table} ({})", table.rule))
        .collect();
    let hours = |promised: std::time::Duration| crate::cli::units::duration(promised.as_secs_f64());
    let one = |setting: &str, value: Option<String>| configured(settings, setting, value);
    let production = &product.production;
    vec![
        one("product.name", Some(product.name.clone())),
        one("product.bucket", product.bucket.clone()),
        one("product.prefix", product.prefix.clone()),
        one("product.rpo", Some(hours(product.objectives.rpo))),
        one("product.rto", Some(hours(product.objectives.rto))),
        one(
            "product.backup_at",
            Some(format!("{} UTC", product.schedule.backup_at.strftime("%H:%M"))),
        ),
        one("product.drills", Some(product.schedule.drills.to_string())),
        one("product.table", listed(&tables)),
        one("product.production.hosts", listed(&production.hosts)),
        one("product.production.databases", listed(&production.databases)),
        one("product.production.projects", listed(&production.projects)),
        one(
            "product.production.system_identifiers",
            listed(&production.system_identifiers),
        ),
    ]
}

/// A connection string, without its password.
fn database(settings: &Settings<'_>, side: Side, flag: Option<&str>) -> Result<SettingRow> {
    let (setting, variable) = match side {
        Side::Source => ("source", SOURCE),
        Side::Target => ("target", "TARGET_DB_URL"),
    };
    let told = |conninfo: Result<Conninfo>| match conninfo {
        Ok(conninfo) => conninfo.to_string(),
        Err(error) => format!("set, and cannot be used: {error}"),
    };
    let conninfo = match side {
        Side::Source => settings.source(flag),
        Side::Target => settings.target(flag),
    };
    if flag.is_some() {
        return Ok(row(setting, Some(told(conninfo)), format!("flag --{setting}")));
    }
    Ok(match settings.find(variable)? {
        Some(found) => row(setting, Some(told(conninfo)), from(settings, &found.from)),
        None => row(setting, None::<&str>, UNSET),
    })
}

fn store(settings: &Settings<'_>, own: &ShowArguments) -> Result<Vec<SettingRow>> {
    let flags = &own.store;
    let one = |setting: &str, flag: Option<(&str, &String)>, variable: &str, usual: Option<String>| {
        if let Some((flag, value)) = flag {
            return Ok(row(setting, Some(value), format!("flag {flag}")));
        }
        Ok(match (settings.find_of_store(variable)?, usual) {
            (Some(value), _) => found(settings, setting, Some(&value), &ShownValue::Value),
            (None, Some(usual)) => row(setting, Some(usual), DEFAULT),
            (None, None) => row(setting, None::<&str>, UNSET),
        })
    };
    let endpoint = settings.of_store(flags.endpoint.as_ref(), "R2_ENDPOINT_URL")?;
    let is_directory = settings.directory(flags)?.is_some();
    let bucket = settings.usual_bucket().ok().filter(|_| !is_directory);
    let of_aws = endpoint.as_deref().and_then(region_of_aws);
    let region = of_aws.unwrap_or(NO_REGION).to_owned();
    let addressing = match of_aws {
        Some(_) => "virtual-host",
        None => "path",
    };
    let names = settings.store_names()?;
    let secret = |setting: &str, name: &str| -> Result<SettingRow> {
        let value = settings.find(name)?;
        Ok(found(settings, setting, value.as_ref(), &ShownValue::SetAlone))
    };
    let rows: Result<Vec<SettingRow>> = [
        one(
            "store.endpoint",
            flags.endpoint.as_ref().map(|value| ("--endpoint", value)),
            "R2_ENDPOINT_URL",
            None,
        ),
        one(
            "store.bucket",
            flags.bucket.as_ref().map(|value| ("--bucket", value)),
            "R2_BUCKET",
            bucket,
        ),
        one(
            "store.prefix",
            flags.prefix.as_ref().map(|value| ("--prefix", value)),
            "R2_PREFIX",
            None,
        ),
        one(
            "store.region",
            flags.region.as_ref().map(|value| ("--region", value)),
            "R2_REGION",
            Some(region),
        ),
        one(
            "store.addressing",
            None,
            "R2_ADDRESSING",
            Some(addressing.to_owned()),
        ),
        secret("store.access_key_id", names.id),
        secret("store.secret_access_key", names.secret),
        secret("store.session_token", names.token),
    ]
    .into_iter()
    .collect();
    rows
}

fn rest(settings: &Settings<'_>) -> Result<Vec<SettingRow>> {
    let config = &settings.config;
    let one = |setting: &str, value: Option<String>| configured(settings, setting, value);
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let number = |number: Option<String>, usual: String| Some(number.unwrap_or(usual));
    let secret = |setting: &str, name: &str| -> Result<SettingRow> {
        let value = settings.find(name)?;
        Ok(found(settings, setting, value.as_ref(), &ShownValue::SetAlone))
    };
    let image = |setting: &str, name: &str| -> Result<SettingRow> {
        let value = settings.find(name)?;
        Ok(match value {
            Some(_) => found(settings, setting, value.as_ref(), &ShownValue::Value),
            None => row(setting, Some("the pinned one"), DEFAULT),
        })
    };
    let limits = settings.shrink_limits();
    let steps: Vec<&String> = config.cutover.step.iter().map(|step| &step.name).collect();
    let retention = &config.retention;
    Ok(vec![
        one(
            "guard.production_projects",
            listed(&config.guard.production_projects),
        ),
        one("guard.leave_marker", Some(config.guard.leave_marker.to_string())),
        one(
            "retention.days",
            number(retention.days.map(|days| days.to_string()), DAYS.to_string()),
        ),
        one(
            "retention.keep",
            number(retention.keep.map(|keep| keep.to_string()), FLOOR.to_string()),
        ),
        one("suspicion.rows_percent", Some(limits.rows_percent.to_string())),
        one("suspicion.bytes_percent", Some(limits.bytes_percent.to_string())),
        one("suspicion.tables_gone", Some(limits.tables_gone.to_string())),
        one("status.drill_log", path(&config.status.drill_log)),
        one("status.drill_evidence", path(&config.status.drill_evidence)),
        one(
            "status.storage_budget_bytes",
            config.status.storage_budget_bytes.map(|bytes| bytes.to_string()),
        ),
        one("status.metrics", path(&config.status.metrics)),
        image("containers.postgres_image", "PAYCRAFT_POSTGRES_IMAGE")?,
        image("containers.s3_image", "PAYCRAFT_S3_IMAGE")?,
        one(
            "containers.memory_bytes",
            config.containers.memory_bytes.map(|bytes| bytes.to_string()),
        ),
        one(
            "containers.milli_cpus",
            config.containers.milli_cpus.map(|cpus| cpus.to_string()),
        ),
        secret("notify.webhook_url", "PAYCRAFT_WEBHOOK_URL")?,
        secret("notify.ping_url", "PAYCRAFT_PING_URL")?,
        one("notify.ping_start", Some(config.notify.ping_start.to_string())),
        one("cutover.journal", path(&config.cutover.journal)),
        one("cutover.step", listed(steps)),
        one(
            "accept",
            (!config.accept.is_empty()).then(|| format!("{} differences", config.accept.len())),
        ),
    ])
}
