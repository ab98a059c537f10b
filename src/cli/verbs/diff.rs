//! `paycraft-dr diff`.

use std::fmt::Write;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::line;
use crate::cli::values::worded;
use crate::error::{Error, Kind, Result};
use crate::model::key::Selector;
use crate::model::manifest_diff::{ContentDifference, Difference, ManifestDiff};
use crate::recovery::choosing::select_among;

/// How many differences of one kind are listed without `-v`.
const SHOWN: usize = 20;

/// Show what changed between two backups.
#[derive(Args, Debug)]
pub struct DiffArguments {
    /// The earlier backup: `latest`, a day (UTC) as YYYY/MM/DD, or a key as `list` prints it
    #[arg(value_name = "BEFORE", value_parser = |text: &str| worded(text.parse::<Selector>()))]
    pub before: Selector,
    /// The later one
    #[arg(value_name = "AFTER", default_value = "latest", value_parser = |text: &str| worded(text.parse::<Selector>()))]
    pub after: Selector,
    /// End with exit code 3 where anything differs
    #[arg(long)]
    pub exit_code: bool,
    /// Take backups of this source, as `list` names it: PROJECT/DATABASE, or one of both
    #[arg(long, value_name = "NAME")]
    pub from_source: Option<String>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Reads two manifests and sets them side by side.
pub async fn run(context: &Context<'_>, own: &DiffArguments) -> Result<Report> {
    let among = context.settings.among(own.from_source.as_deref())?;
    let (store, now, observer) = (context.store()?, Timestamp::now(), context.observer);
    let before = select_among(store, own.before, &among, now, observer)
        .await?
        .manifest;
    let after = select_among(store, own.after, &among, now, observer)
        .await?
        .manifest;
    let diff = ManifestDiff::between(&before, &after);
    let failure = (own.exit_code && !diff.is_empty()).then(|| {
        Error::new(Kind::NotProven, "the two backups differ").hint("without --exit-code this is exit code 0")
    });
    let mut report = Report::done(BackupsCompared {
        before: before.key,
        after: after.key,
        diff,
    });
    report.failure = failure;
    Ok(report)
}

/// Two backups were compared.
#[derive(Debug)]
struct BackupsCompared {
    before: String,
    after: String,
    diff: ManifestDiff,
}

impl Outcome for BackupsCompared {
    fn fields(&self) -> Value {
        json!({
            "before": self.before,
            "after": self.after,
            "equal": self.diff.is_empty(),
            "content": self.diff.content,
            "derived": self.diff.derived,
            "sections": self.diff.sections,
            "not_compared": self.diff.not_compared,
        })
    }

    fn text(&self, verbose: bool) -> String {
        let mut text = String::new();
        line(&mut text, "before", &self.before);
        line(&mut text, "after", &self.after);
        rows(&mut text, "rows", &self.diff.content, verbose);
        rows(&mut text, "computed", &self.diff.derived, verbose);
        for section in &self.diff.sections {
            let lines: Vec<String> = section
                .differences
                .iter()
                .map(|difference| described(section.name, difference))
                .collect();
            list(&mut text, section.name, &lines, verbose);
        }
        if !self.diff.not_compared.is_empty() {
            let what = format!(
                "{}: a backup does not record them",
                self.diff.not_compared.join(", ")
            );
            line(&mut text, "unknown", &what);
        }
        if self.diff.is_empty() {
            line(&mut text, "equal", "nothing that both record differs");
        }
        text
    }
}

fn rows(text: &mut String, heading: &str, differences: &[ContentDifference], verbose: bool) {
    let lines: Vec<String> = differences.iter().map(changed_rows).collect();
    list(text, heading, &lines, verbose);
}

/// A heading with the number of lines, and the lines below it.
fn list(text: &mut String, heading: &str, lines: &[String], verbose: bool) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "{heading}: {} differ", lines.len());
    let shown = if verbose { lines.len() } else { SHOWN };
    for line in lines.iter().take(shown) {
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > shown {
        let _ = writeln!(text, "  … and {} more; -v shows them", lines.len() - shown);
    }
}

fn changed_rows(difference: &ContentDifference) -> String {
    let name = &difference.name;
    match (difference.rows_before, difference.rows_after) {
        (None, Some(after)) => format!("+ {name} ({after} rows)"),
        (Some(before), None) => format!("- {name} ({before} rows)"),
        (Some(before), Some(after)) if before == after => {
            format!("~ {name} ({before} rows, as many with other content)")
        }
        (before, after) => {
            let (before, after) = (before.unwrap_or(0), after.unwrap_or(0));
            let sign = if after > before { '+' } else { '-' };
            format!(
                "~ {name} ({before} → {after} rows, {sign}{})",
                after.abs_diff(before)
            )
        }
    }
}

fn described(section: &str, difference: &Difference) -> String {
    let what = &difference.what;
    // A digest says nothing to a person, nor does a setting without its value.
    let is_told = !matches!(section, "definitions" | "settings");
    let told = |value: &str| match is_told && !value.is_empty() {
        true => format!(": {value}"),
        false => String::new(),
    };
    match (&difference.before, &difference.after) {
        (None, Some(after)) => format!("+ {what}{}", told(after)),
        (Some(before), None) => format!("- {what}{}", told(before)),
        (Some(before), Some(after)) if is_told => format!("~ {what}: {before} → {after}"),
        _ => format!("~ {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{BackupsCompared, ManifestDiff};
    use crate::cli::outcome::Outcome;
    use crate::model::manifest_diff::{ContentDifference, DiffSection, Difference};

    #[test]
    fn each_difference_is_one_line() {
        let content = |name: &str, rows_before, rows_after| ContentDifference {
            name: name.to_owned(),
            rows_before,
            rows_after,
        };
        let difference = |what: &str, before: Option<&str>, after: Option<&str>| Difference {
            what: what.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let diff = ManifestDiff {
            content: vec![
                content("public.a", None, Some(3)),
                content("public.b", Some(3), None),
                content("public.c", Some(3), Some(3)),
                content("public.d", Some(3), Some(1)),
            ],
            derived: Vec::new(),
            sections: vec![
                DiffSection {
                    name: "definitions",
                    differences: vec![difference("INDEX public.i", Some("00"), Some("01"))],
                },
                DiffSection {
                    name: "rights",
                    differences: vec![difference("anon on table public.a", None, Some("SELECT"))],
                },
            ],
            not_compared: vec!["roles"],
        };
        let compared = BackupsCompared {
            before: "x".to_owned(),
            after: "y".to_owned(),
            diff,
        };
        let text = compared.text(false);
        for part in [
            "rows: 4 differ\n  + public.a (3 rows)\n  - public.b (3 rows)\n",
            "  ~ public.c (3 rows, as many with other content)\n  ~ public.d (3 → 1 rows, -2)\n",
            "definitions: 1 differ\n  ~ INDEX public.i\n",
            "rights: 1 differ\n  + anon on table public.a: SELECT\n",
            "roles: a backup does not record them",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
