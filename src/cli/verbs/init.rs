//! `paycraft-dr init`: the profile of another product, from what its database tells and what an operator says.

mod questions;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use self::questions::Questions;
use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::text::line;
use crate::error::{Error, Kind, Result};
use crate::model::prefix::parse_prefix;
use crate::model::product::{Draft, ProductionIdentities, short_name};
use crate::postgres::conninfo::Conninfo;
use crate::recovery::proposal::{self, Proposal};
use crate::recovery::whole_file;
use crate::store::directory_of;

/// Where the profile goes if nothing else is said: the first place in which a configuration is looked for.
const FILE: &str = "paycraft-dr.toml";

/// Write the profile of another product.
#[derive(Args, Debug)]
pub struct InitArguments {
    /// The product's name [default: that of its database]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The product's database, without its password; it is only read [env: SOURCE_DB_URL]
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// Address of the store of its backups; `file:///DIRECTORY` for a directory of this machine [env: S3_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// The bucket of its backups [env: S3_BUCKET]
    #[arg(long, value_name = "NAME")]
    pub bucket: Option<String>,
    /// What the keys of its backups begin with [env: S3_PREFIX]
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// A table to count, as NAME or SCHEMA.NAME; may be given again [default: the largest and the most referenced, at most 10]
    #[arg(long = "table", value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Where to write the profile
    #[arg(long, value_name = "FILE", default_value = FILE)]
    pub output: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Ask nothing, and take what is proposed
    #[arg(long)]
    pub yes: bool,
}

/// Looks at the source, asks what it cannot tell, and writes the profile.
pub async fn run(context: &Context<'_>, own: &InitArguments) -> Result<Report> {
    if !own.force && own.output.symlink_metadata().is_ok() {
        return Err(is_there(&own.output));
    }
    let mut questions = Questions::new(own.yes)?;
    let source = context.settings.source(own.source.as_deref())?;
    let seen = proposal::look(&source).await?;
    let settings = context.settings;
    let name = questions
        .ask(
            "Name of the product",
            own.name.clone(),
            Some(source.database().to_owned()),
        )
        .await?;
    let endpoint = questions
        .ask(
            "Address of the store (https://..., file:///DIRECTORY; empty for AWS S3 by AWS_REGION)",
            own.endpoint.clone(),
            settings.of_store(None, "R2_ENDPOINT_URL")?,
        )
        .await?;
    let bucket = questions
        .ask(
            "Bucket of its backups",
            own.bucket.clone(),
            settings.of_store(None, "R2_BUCKET")?,
        )
        .await?;
    let is_directory = match &endpoint {
        Some(endpoint) if endpoint.contains('@') => {
            return Err(Error::new(Kind::Usage, "the store's address holds a name and a password")
                .hint("write it without them, and set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY for each run instead"));
        }
        Some(endpoint) => directory_of(endpoint)?.is_some(),
        None => false,
    };
    if bucket.is_none() && !is_directory {
        return Err(
            Error::new(Kind::Usage, "the bucket of the product's backups is not known")
                .hint("name it with --bucket NAME"),
        );
    }
    let prefix = own.prefix.clone().or(settings.of_store(None, "R2_PREFIX")?);
    parse_prefix(prefix.as_deref().unwrap_or_default())?;
    let proposed = seen
        .proposed
        .iter()
        .map(|(schema, name)| short_name(schema, name));
    let proposed: Vec<String> = proposed.collect();
    // A name that holds a comma is given by the flag.
    let tables = if own.tables.is_empty() {
        let typed = questions
            .ask(
                "Tables to count, parted by commas",
                None,
                Some(proposed.join(",")),
            )
            .await?;
        let typed = typed.unwrap_or_default();
        typed.split(',').map(|name| name.trim().to_owned()).collect()
    } else {
        own.tables.clone()
    };
    let draft = Draft {
        name: name.unwrap_or_else(|| source.database().to_owned()),
        endpoint,
        bucket,
        prefix,
        tables: chosen(&seen, &tables)?,
        production: production(&source, &seen),
    };
    let written = whole_file::create(&own.output, draft.to_string().as_bytes(), own.force);
    written.map_err(|error| match own.output.symlink_metadata() {
        Ok(_) if !own.force => is_there(&own.output),
        _ => error.hint("name another file with --output"),
    })?;
    Ok(Report::done(ProfileWritten {
        file: own.output.clone(),
        draft,
    }))
}

fn is_there(path: &Path) -> Error {
    Error::new(Kind::Refused, format!("{} is there already", path.display()))
        .hint("name another file with --output, or add --force to write over it")
}

/// The tables that are meant, each of which must be there.
fn chosen(seen: &Proposal, names: &[String]) -> Result<Vec<(String, String)>> {
    let mut chosen = Vec::new();
    for name in names.iter().filter(|name| !name.is_empty()) {
        let Some(table) = seen.find(name) else {
            return Err(
                Error::new(Kind::Usage, format!("the source has no table {name:?}")).hint(
                    "name it as it is in the database, with its schema where that is not public: SCHEMA.NAME",
                ),
            );
        };
        if !chosen.contains(table) {
            chosen.push(table.clone());
        }
    }
    Ok(chosen)
}

/// What tells that a database is the product's production. Its name alone does not: that of a new server is often called the same.
fn production(source: &Conninfo, seen: &Proposal) -> ProductionIdentities {
    ProductionIdentities {
        hosts: source.public_host().map(str::to_owned).into_iter().collect(),
        databases: BTreeSet::new(),
        projects: source.project_ref().into_iter().collect(),
        system_identifiers: seen.system_identifier.iter().cloned().collect(),
    }
}

/// A profile was written.
#[derive(Debug)]
struct ProfileWritten {
    file: PathBuf,
    draft: Draft,
}

impl ProfileWritten {
    /// The commands to run next. The usual file is found where they are run.
    fn next(&self) -> [String; 3] {
        let program = match self.file == Path::new(FILE) {
            true => "paycraft-dr".to_owned(),
            false => format!("paycraft-dr --config {}", self.file.display()),
        };
        ["doctor", "backup", "drill --from-store"].map(|verb| format!("{program} {verb}"))
    }
}

impl Outcome for ProfileWritten {
    fn fields(&self) -> Value {
        let Draft {
            name,
            tables,
            production,
            ..
        } = &self.draft;
        let tables: Vec<String> = tables
            .iter()
            .map(|(schema, name)| format!("{schema}.{name}"))
            .collect();
        json!({
            "file": self.file,
            "product": name,
            "tables": tables,
            "production": production,
            "next": self.next(),
        })
    }

    fn text(&self, _: bool) -> String {
        let Draft {
            name,
            tables,
            production,
            ..
        } = &self.draft;
        let listed = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        let mut text = String::new();
        line(&mut text, "profile", &self.file.display().to_string());
        line(&mut text, "product", name);
        for (what, names) in [
            ("host", &production.hosts),
            ("project", &production.projects),
            ("cluster", &production.system_identifiers),
        ] {
            if !names.is_empty() {
                line(&mut text, what, &listed(names));
            }
        }
        for (schema, name) in tables {
            line(&mut text, "counted", &format!("{schema}.{name}"));
        }
        text.push_str("\nwhat a restore refuses as production is in the file: add what is missing. Then:\n");
        for command in self.next() {
            text.push_str("  ");
            text.push_str(&command);
            text.push('\n');
        }
        text
    }
}
