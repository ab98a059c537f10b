//! `paycraft-dr extract`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::{backup_line, line};
use crate::cli::units::size;
use crate::cli::values::{parse_instant, worded};
use crate::error::{Error, Kind, Result};
use crate::model::key::Selector;
use crate::model::rescue::condition::RowCondition;
use crate::model::rescue::format::Format;
use crate::model::rescue::name::{Identifier, RelationName, shown_relation};
use crate::model::selection::Among;
use crate::model::timeline::Event;
use crate::recovery::rescue::extract::{self, Extracted};
use crate::recovery::whole_file;

/// Write rows of one table of a backup, of which only the blocks that hold it are fetched.
#[derive(Args, Debug)]
pub struct ExtractArguments {
    /// Which table: SCHEMA.TABLE, or TABLE where one schema has it; as in SQL, in double quotes where it has capitals or dots. A
    /// partitioned table means all its partitions
    #[arg(value_name = "SCHEMA.TABLE", value_parser = |text: &str| worded(RelationName::parse(text)))]
    pub table: RelationName,
    /// Which backup: `latest`, a day as YYYY/MM/DD, or a key as `list` prints it
    #[arg(value_name = "DAY|KEY|latest", default_value = "latest", value_parser = |text: &str| worded(text.parse::<Selector>()))]
    pub backup: Selector,
    /// How rows are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: RowFormat,
    /// Only rows for which this holds: COLUMN=VALUE, with = != < <= > or >=, 'COLUMN IS NULL' or 'COLUMN IS NOT NULL'; may be
    /// given several times, and then all must hold. Compared as numbers where column and value are, otherwise as text
    #[arg(long = "where", value_name = "CONDITION", value_parser = |text: &str| worded(RowCondition::parse(text)))]
    pub conditions: Vec<RowCondition>,
    /// Only these columns, in this order, with commas between them
    #[arg(long, value_name = "COLUMNS", value_parser = |text: &str| worded(parse_columns(text)))]
    pub columns: Option<Columns>,
    /// Write into this file, for its owner alone, instead of stdout; it appears when all rows are in it
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over the file
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Take a backup of this source, as `list` names it: PROJECT/DATABASE, or one of both
    #[arg(long, value_name = "NAME")]
    pub from_source: Option<String>,
    /// Take the newest backup that began before this instant, such as 2026-11-23T02:10:00Z
    #[arg(long, value_name = "INSTANT", value_parser = |text: &str| worded(parse_instant(text)))]
    pub before: Option<Timestamp>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Names of columns.
#[derive(Clone, Debug)]
pub struct Columns(Vec<Identifier>);

fn parse_columns(text: &str) -> Result<Columns> {
    let columns = Identifier::list(text).map(Columns);
    columns.ok_or_else(|| {
        Error::new(Kind::Usage, format!("{text:?} is no list of columns"))
            .hint("write a,b,\"C d\": commas between them, double quotes where a name has capitals or blanks")
    })
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum RowFormat {
    /// As COPY … TO STDOUT does
    #[default]
    Copy,
    /// With a header; NULL is empty, an empty text is ""
    Csv,
    /// One object a line; numbers and booleans as such, everything else as text
    Jsonl,
    /// One INSERT a line, for psql
    Sql,
}

impl From<RowFormat> for Format {
    fn from(format: RowFormat) -> Self {
        match format {
            RowFormat::Copy => Self::Copy,
            RowFormat::Csv => Self::Csv,
            RowFormat::Jsonl => Self::Jsonl,
            RowFormat::Sql => Self::Sql,
        }
    }
}

/// Writes the rows.
pub async fn run(context: &Context<'_>, own: &ExtractArguments) -> Result<Report> {
    if context.arguments.json && own.output.is_none() {
        return Err(
            Error::new(Kind::Usage, "with --json the rows have no place on stdout")
                .hint("add --output FILE for the rows; for rows as JSON take --format jsonl"),
        );
    }
    let among = Among {
        before: own.before,
        ..context.settings.among(own.from_source.as_deref())?
    };
    let file = own
        .output
        .as_deref()
        .map(|path| begin(path, own.force))
        .transpose()?;
    let output: Box<dyn Write + Send> = match &file {
        Some(file) => Box::new(
            file.reopen()
                .map_err(|cause| whole_file::unwritable(file.path(), cause))?,
        ),
        None => Box::new(std::io::stdout()),
    };
    let request = extract::ExtractRequest {
        store: context.store()?,
        selector: own.backup,
        among: &among,
        table: &own.table,
        conditions: &own.conditions,
        columns: own.columns.as_ref().map_or(&[], |columns| &columns.0),
        format: own.format.into(),
        now: Timestamp::now(),
    };
    let extracted = extract::extract(request, output, context.observer).await?;
    if let (Some(file), Some(path)) = (file, &own.output) {
        whole_file::place(file, path, own.force)?;
    }
    context.observer.observe(Event::Noted(told(&extracted)));
    Ok(Report::done(RowsWritten {
        extracted,
        output: own.output.clone(),
    }))
}

/// A file for the rows beside the one that they are for, which nothing may be at unless it is written over.
fn begin(path: &Path, replaces: bool) -> Result<NamedTempFile> {
    if !replaces && path.symlink_metadata().is_ok() {
        let message = format!("{} is there already", path.display());
        return Err(Error::new(Kind::Usage, message)
            .hint("name another file with --output, or add --force to write over it"));
    }
    whole_file::begin(path)
}

/// The end of a run in one line.
fn told(extracted: &Extracted) -> String {
    let Extracted {
        rows_written,
        rows_read,
        ..
    } = extracted;
    match extracted.is_whole {
        true => format!("{rows_written} of {rows_read} rows; all that were read are as they were backed up"),
        false => "the reader of the rows went away before their end".to_owned(),
    }
}

/// Rows were written.
#[derive(Debug)]
struct RowsWritten {
    extracted: Extracted,
    output: Option<PathBuf>,
}

impl Outcome for RowsWritten {
    fn fields(&self) -> Value {
        let extracted = &self.extracted;
        json!({
            "backup_key": extracted.key,
            "attested": extracted.is_attested,
            "source": extracted.source,
            "schema": extracted.schema,
            "table": extracted.name,
            "rows_read": extracted.rows_read,
            "rows_written": extracted.rows_written,
            "fetched_bytes": extracted.fetched_bytes,
            "output": self.output,
        })
    }

    fn text(&self, _: bool) -> String {
        let extracted = &self.extracted;
        let mut text = String::new();
        line(
            &mut text,
            "backup",
            &backup_line(&extracted.key, extracted.is_attested),
        );
        line(&mut text, "source", &extracted.source.to_string());
        line(
            &mut text,
            "table",
            &shown_relation(&extracted.schema, &extracted.name),
        );
        let rows = format!("{} of {}", extracted.rows_written, extracted.rows_read);
        line(&mut text, "rows", &rows);
        line(&mut text, "fetched", &size(extracted.fetched_bytes));
        if let Some(output) = &self.output {
            line(&mut text, "file", &output.display().to_string());
        }
        text
    }

    /// The rows themselves are on stdout.
    fn is_announced(&self) -> bool {
        self.output.is_none()
    }
}
