//! The configuration file: TOML, one section per concern. It names files that hold secrets, and never holds one itself.

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::error::{Error, Kind, Result};
use crate::model::acceptance::Acceptance;
use crate::model::cutover::step::{self, Step};
use crate::model::nearest::field_meant;
use crate::model::product::Product;
use crate::model::redaction::holds_password;

/// Everything the file may say. All that it leaves out has a default or is given otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The product that is backed up.
    pub product: Product,
    /// The database that is backed up.
    pub source: DatabaseSection,
    /// The database that is restored into.
    pub target: DatabaseSection,
    /// Where backups are kept.
    pub store: StoreSection,
    /// What must not be restored into.
    pub guard: GuardSection,
    /// The way back into service.
    pub cutover: CutoverSection,
    /// Who is told how a run ended.
    pub notify: NotifySection,
    /// How long backups are kept.
    pub retention: RetentionSection,
    /// How much less a backup may hold than the one before it.
    pub suspicion: SuspicionSection,
    /// What a status is held against.
    pub status: StatusSection,
    /// What containers of drills are made from.
    pub containers: ContainersSection,
    /// `[[accept]]`: differences between a target and its backup that are known.
    pub accept: Vec<Acceptance>,
    /// The file, where one was read.
    #[serde(skip)]
    pub(super) path: Option<PathBuf>,
    /// Why that file was taken.
    #[serde(skip)]
    pub(super) reason: Option<String>,
    /// The settings that it has, such as `store.bucket`.
    #[serde(skip)]
    pub(super) written: BTreeSet<String>,
}

/// `[source]` and `[target]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseSection {
    /// A file that holds the connection string.
    pub url_file: Option<PathBuf>,
}

/// `[store]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    pub endpoint: Option<String>,
    pub bucket: Option<String>,
    /// What every key begins with.
    pub prefix: Option<String>,
    /// The region that requests are signed for.
    pub region: Option<String>,
    /// Where the bucket's name is in an address: `path` or `virtual-host`.
    pub addressing: Option<String>,
    /// A file that holds the access key id.
    pub access_key_id_file: Option<PathBuf>,
    /// A file that holds the secret access key.
    pub secret_access_key_file: Option<PathBuf>,
}

/// `[guard]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardSection {
    /// Supabase's references of projects that are production, besides the one that always is.
    pub production_projects: Vec<String>,
    /// Whether `backup` leaves a random marker in the source's settings.
    pub leave_marker: bool,
}

/// `[cutover]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CutoverSection {
    /// Where is written down what was done.
    pub journal: Option<PathBuf>,
    /// `[[cutover.step]]`, in the order they are run.
    #[serde(deserialize_with = "step::distinct")]
    pub step: Vec<Step>,
}

/// `[notify]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotifySection {
    /// A file that holds the address of a webhook.
    pub webhook_url_file: Option<PathBuf>,
    /// A file that holds the address to ping.
    pub ping_url_file: Option<PathBuf>,
    /// Whether the beginning is pinged too.
    pub ping_start: bool,
}

/// `[retention]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSection {
    /// A backup that is no older than so many days stays.
    pub days: Option<NonZeroU32>,
    /// So many of the newest attested backups stay however old they are.
    pub keep: Option<NonZeroU32>,
}

/// `[suspicion]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SuspicionSection {
    /// So many percent fewer rows than in the backup before are no reason.
    #[serde(deserialize_with = "percent")]
    pub rows_percent: Option<u8>,
    /// So many percent fewer bytes are no reason.
    #[serde(deserialize_with = "percent")]
    pub bytes_percent: Option<u8>,
    /// So many tables may be gone.
    pub tables_gone: Option<u32>,
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let percent = u8::deserialize(deserializer)?;
    if percent > 100 {
        return Err(D::Error::custom("a share is at most 100 percent"));
    }
    Ok(Some(percent))
}

/// `[containers]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainersSection {
    /// Image of the PostgreSQL server.
    pub postgres_image: Option<String>,
    /// Image of the S3 server.
    pub s3_image: Option<String>,
    /// What each container may use of memory, in bytes.
    pub memory_bytes: Option<NonZeroU64>,
    /// What each may use of processors, in thousandths of one.
    pub milli_cpus: Option<NonZeroU32>,
}

/// `[status]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusSection {
    /// The Markdown table of past drills.
    pub drill_log: Option<PathBuf>,
    /// The directory of their evidence.
    pub drill_evidence: Option<PathBuf>,
    /// What the bucket may hold, in bytes.
    pub storage_budget_bytes: Option<u64>,
    /// Where Prometheus finds the figures.
    pub metrics: Option<PathBuf>,
}

impl Config {
    /// Reads the file at `path`. A key that means nothing is an error that names it: a misspelt setting must not be ignored.
    pub fn read(path: &Path) -> Result<Self> {
        let refuse = |what: &str| Error::new(Kind::Usage, format!("{} {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|cause| {
            refuse("cannot be read")
                .caused_by(cause)
                .hint("give --config the path of a TOML file")
        })?;
        let parsed = toml::from_str(&text).map_err(|cause| {
            refuse("is no configuration of paycraft-dr")
                .caused_by(place(&text, &cause))
                .hint("mend the line it names; fixtures/paycraft-dr.toml shows every setting")
        });
        let mut config: Self = parsed?;
        config.path = Some(path.to_owned());
        let mut written = BTreeSet::new();
        add_keys(&text.parse().unwrap_or_default(), "", &mut written);
        config.written = written;
        Ok(config)
    }

    /// What the file says where the environment variable `name` is not set, and by which setting.
    pub(super) fn value(&self, name: &str) -> Option<(&'static str, &str)> {
        let (store, product) = (&self.store, &self.product);
        let settings: &[(&'static str, &Option<String>)] = match name {
            "R2_ENDPOINT_URL" => &[("store.endpoint", &store.endpoint)],
            "PAYCRAFT_POSTGRES_IMAGE" => &[("containers.postgres_image", &self.containers.postgres_image)],
            "PAYCRAFT_S3_IMAGE" => &[("containers.s3_image", &self.containers.s3_image)],
            "R2_BUCKET" => &[
                ("store.bucket", &store.bucket),
                ("product.bucket", &product.bucket),
            ],
            "R2_PREFIX" => &[
                ("store.prefix", &store.prefix),
                ("product.prefix", &product.prefix),
            ],
            "R2_REGION" => &[("store.region", &store.region)],
            "R2_ADDRESSING" => &[("store.addressing", &store.addressing)],
            _ => &[],
        };
        let mut set = settings
            .iter()
            .filter_map(|(setting, value)| Some((*setting, value.as_deref()?)));
        set.next()
    }

    /// The setting that names the file which holds the value of the environment variable `name`, and that file.
    pub(super) fn secret_file(&self, name: &str) -> Option<(&'static str, &Path)> {
        let is = |paycrafts: &'static str| name == self.product.setting(paycrafts);
        let (setting, file) = match name {
            "SUPABASE_DB_URL" => ("source.url_file", &self.source.url_file),
            "TARGET_DB_URL" => ("target.url_file", &self.target.url_file),
            "PAYCRAFT_WEBHOOK_URL" => ("notify.webhook_url_file", &self.notify.webhook_url_file),
            "PAYCRAFT_PING_URL" => ("notify.ping_url_file", &self.notify.ping_url_file),
            // Keys go with the other names of their store.
            _ if is("R2_ACCESS_KEY_ID") => ("store.access_key_id_file", &self.store.access_key_id_file),
            _ if is("R2_SECRET_ACCESS_KEY") => {
                ("store.secret_access_key_file", &self.store.secret_access_key_file)
            }
            _ => return None,
        };
        file.as_deref().map(|file| (setting, file))
    }
}

/// Adds the keys of a table and of the tables in it, each with all before it.
fn add_keys(table: &toml::Table, before: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let key = format!("{before}{key}");
        if let Some(inner) = value.as_table() {
            add_keys(inner, &format!("{key}."), keys);
        }
        keys.insert(key);
    }
}

/// Where and what is wrong. The value of a key is not repeated: it may be a secret.
fn place(text: &str, cause: &toml::de::Error) -> String {
    let message = cause.message();
    if holds_password(message) {
        return "it holds a password".to_owned();
    }
    let Some(before) = cause.span().and_then(|span| text.get(..span.start)) else {
        return message.to_owned();
    };
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default();
    let key = line
        .split_once('=')
        .map_or_else(String::new, |(key, _)| format!(", {}", key.trim()));
    let meant = field_meant(message).map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
    format!("line {}{key}: {message}{meant}", number + 1)
}
