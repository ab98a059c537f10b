//! The profile of another product as a file, to be read and changed by its operator.

use std::collections::BTreeSet;
use std::fmt;

use super::ProductionIdentities;

/// What is known of a product before it has a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    /// Address of the store of its backups.
    pub endpoint: Option<String>,
    /// The bucket of its backups.
    pub bucket: Option<String>,
    /// What their keys begin with.
    pub prefix: Option<String>,
    /// The tables to count, by schema and name.
    pub tables: Vec<(String, String)>,
    /// By what its production is known.
    pub production: ProductionIdentities,
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn listed(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    format!("[{}]", names.join(", "))
}

/// As TOML.
impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = |name: &str, value: Option<&String>, example: &str| match value {
            Some(value) => format!("{name} = {}", quoted(value)),
            None => format!("# {name} = {}", quoted(example)),
        };
        writeln!(
            f,
            "# The profile of a product. It names files that hold secrets and never holds one itself.\n\n\
             [product]\n\
             name = {}\n\
             # What is promised: the age of the newest backup, and the time that a recovery takes, at most.\n\
             rpo = \"24h\"\n\
             rto = \"4h\"\n\
             # When the daily backup begins (UTC), and the day of each month that a drill is due on.\n\
             backup_at = \"02:00\"\n\
             drills = \"first Monday\"\n\n\
             # What a restore never writes: a target on one of these hosts, or in one of these clusters. `databases` refuses names on any\n\
             # server: leave it empty where a database that is restored for good has the old name.\n\
             [product.production]\n\
             hosts = {}\n\
             databases = {}\n\
             projects = {}\n\
             system_identifiers = {}",
            quoted(&self.name),
            listed(&self.production.hosts),
            listed(&self.production.databases),
            listed(&self.production.projects),
            listed(&self.production.system_identifiers),
        )?;
        writeln!(
            f,
            "\n# Tables that are counted by name: `exact = true`, `within = N`, or `always = N` rows."
        )?;
        for (schema, name) in &self.tables {
            writeln!(f, "[[product.table]]")?;
            if schema != "public" {
                writeln!(f, "schema = {}", quoted(schema))?;
            }
            writeln!(f, "name = {}\nexact = true\n", quoted(name))?;
        }
        if self.tables.is_empty() {
            writeln!(f, "# [[product.table]]\n# name = \"orders\"\n# exact = true\n")?;
        }
        writeln!(
            f,
            "# The secrets are in files of mode 600, or in SOURCE_DB_URL, TARGET_DB_URL, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY.\n\
             # [source]\n\
             # url_file = \"/run/secrets/source-db-url\"\n\n\
             [store]\n{}\n{}\n{}\n\
             # access_key_id_file = \"/run/secrets/access-key-id\"\n\
             # secret_access_key_file = \"/run/secrets/secret-access-key\"",
            setting(
                "endpoint",
                self.endpoint.as_ref(),
                "https://s3.eu-central-1.amazonaws.com"
            ),
            setting("bucket", self.bucket.as_ref(), "backups"),
            setting("prefix", self.prefix.as_ref(), "shop/production"),
        )
    }
}
