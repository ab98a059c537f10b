//! What a restore could not make, why, what is switched off for want of it, and the SQL that makes it.

use std::fmt::Write;

use serde::Serialize;

/// Something of a backup that the target is without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// What it is, in pg_dump's words, with its name.
    pub entry: String,
    /// The server's own reason, or what else is missing that it needs.
    pub reason: String,
    /// What does not work without it.
    pub consequence: &'static str,
    /// The SQL that makes it. It may hold a password, so nothing prints it.
    #[serde(skip)]
    pub statement: String,
    #[serde(skip)]
    kind: String,
}

/// Kinds of entries that keep rows from people. Where one is missing, that is told before anything else.
const GUARDS: [&str; 4] = ["ROW SECURITY", "POLICY", "TRIGGER", "RULE"];
/// Kinds of entries whose statements and reasons may quote a password.
const SECRETIVE: [&str; 5] = [
    "SUBSCRIPTION",
    "USER MAPPING",
    "SERVER",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
];

impl Missing {
    /// An entry of `kind` that could not be made for this reason.
    pub fn new(kind: &str, entry: String, reason: &str, statement: String) -> Self {
        let reason = if SECRETIVE.contains(&kind) {
            without_quoted(reason, &entry)
        } else {
            reason.to_owned()
        };
        Self {
            entry,
            reason,
            consequence: consequence(kind),
            statement,
            kind: kind.to_owned(),
        }
    }

    /// Whether rows of the backup are missing, and not only what is made over them.
    pub fn is_rows(&self) -> bool {
        matches!(self.kind.as_str(), "TABLE" | "TABLE DATA")
    }

    /// Whether it would keep rows from people.
    pub fn is_guard(&self) -> bool {
        GUARDS.contains(&self.kind.as_str())
    }
}

/// What does not work without an entry of this kind, as a clause.
fn consequence(kind: &str) -> &'static str {
    match kind {
        "TABLE" => "the table and all of its rows are missing",
        "TABLE DATA" => "rows of the table are missing",
        "ROW SECURITY" => "row security is off: each role with rights on the table sees all of its rows",
        "POLICY" => "the policy neither lets through nor keeps back any row",
        "TRIGGER" => "the trigger does not fire",
        "RULE" => "the rule does not work",
        "FK CONSTRAINT" => "the foreign key is not enforced for the rows that are there",
        "CONSTRAINT" | "CHECK CONSTRAINT" => "the constraint is not enforced",
        "INDEX" => "queries do without the index; where it is unique, duplicates are let in",
        "INDEX ATTACH" => "the index of the partitioned table cannot be used",
        "MATERIALIZED VIEW DATA" => "the view is empty, and queries of it fail",
        "VIEW" | "MATERIALIZED VIEW" => "the view is missing",
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => "calls of it fail",
        "SEQUENCE SET" => "the sequence begins anew: it may give out numbers twice",
        "SUBSCRIPTION" => "nothing is replicated into the target by it",
        "PUBLICATION" | "PUBLICATION TABLE" => "subscribers do not receive what it publishes",
        "EVENT TRIGGER" => "the event trigger does not fire",
        "USER MAPPING" | "SERVER" | "FOREIGN TABLE" | "FOREIGN DATA WRAPPER" => {
            "foreign data cannot be read by it"
        }
        "COMMENT" | "SECURITY LABEL" => "nothing else depends on it",
        _ => "what uses it fails",
    }
}

/// The text without what it quotes, save for names of the entry.
fn without_quoted(text: &str, entry: &str) -> String {
    let parts = text.split('"').enumerate();
    let is_name = |part: &str| entry.split_whitespace().any(|word| word == part);
    let shown: Vec<&str> = parts
        .map(|(number, part)| {
            let is_quoted = number % 2 == 1;
            if is_quoted && !is_name(part) { "…" } else { part }
        })
        .collect();
    shown.join("\"")
}

/// The file with which a person makes what is missing, in the order in which it can be made.
pub fn script(key: &str, missing: &[Missing]) -> String {
    let mut text = format!(
        "-- What the restore of {key} could not make. Remove each reason first, then run this with psql.\n\
         -- It may hold passwords: keep it to yourself, and remove it when it is done.\n\
         SET search_path = '';\nSET check_function_bodies = false;\n"
    );
    for entry in missing {
        let _ = writeln!(
            text,
            "\n-- {}\n-- reason: {}",
            one_line(&entry.entry),
            one_line(&entry.reason)
        );
        if entry.kind == "TABLE DATA" {
            let _ = writeln!(
                text,
                "-- Rows cannot be made by a statement: load them from the backup once the reason is gone."
            );
        } else {
            let statement = entry.statement.trim_end();
            let end = if statement.ends_with(';') { "" } else { ";" };
            let _ = writeln!(text, "{statement}{end}");
        }
    }
    text
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
