//! What a run tells those who were not there.

use serde_json::json;

use super::objective::Measured;
use super::units::{duration, size};
use super::verdict::Verdict;
use crate::error::Error;

/// The commands whose end is told, and whether also a good one is.
const TOLD: [(&str, bool); 4] = [
    ("backup", true),
    ("drill", true),
    ("recover", true),
    ("status", false),
];

/// The end of a run in a few lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether it ended as it should.
    pub ok: bool,
    /// What it came to.
    pub lines: Vec<String>,
}

/// What a run came to, as far as it is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFacts {
    /// The key of the backup that it was about.
    pub backup: Option<String>,
    /// The sizes of the archive and of the object, in bytes.
    pub sizes: Option<(u64, u64)>,
    pub source: Option<String>,
    /// Why the backup is under suspicion.
    pub suspicion: Vec<String>,
    /// The objectives that were measured, each with its name.
    pub objectives: Vec<(&'static str, Measured)>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// How many drills passed, and how many failed.
    pub drills: Option<(usize, usize)>,
    pub verdict: Option<Verdict>,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunEnd<'a> {
    pub command: &'a str,
    pub exit_code: u8,
    /// Why that is not 0. Causes are not told: they quote what others say.
    pub error: Option<&'a Error>,
    /// What it came to.
    pub facts: RunFacts,
}

impl Notice {
    /// The notice of a run, where its end is told at all.
    pub fn of(end: &RunEnd<'_>) -> Option<Self> {
        let ok = end.exit_code == 0;
        let (_, even_good) = TOLD.iter().find(|(told, _)| *told == end.command)?;
        if ok && !even_good {
            return None;
        }
        let facts = &end.facts;
        let mut lines = vec![heading(end)];
        lines.extend(backup(facts));
        lines.extend(facts.source.iter().map(|source| format!("source {source}")));
        let reasons = facts.suspicion.iter();
        lines.extend(reasons.map(|reason| format!("UNDER SUSPICION: {reason}")));
        lines.extend(
            facts
                .objectives
                .iter()
                .map(|(name, measured)| objective(name, measured)),
        );
        lines.extend(facts.seconds.map(|seconds| format!("took {}", duration(seconds))));
        lines.extend(
            facts
                .drills
                .map(|(passed, failed)| format!("{passed} passed, {failed} failed")),
        );
        lines.extend(facts.verdict.map(|verdict| format!("verdict: {verdict}")));
        let hint = end.error.and_then(Error::next_step);
        lines.extend(hint.map(|hint| format!("hint: {hint}")));
        Some(Self { ok, lines })
    }

    /// Whether the end of `command` is told at all.
    pub fn is_told_of(command: &str) -> bool {
        TOLD.iter().any(|(told, _)| *told == command)
    }

    /// Whether a run of `command` tells that it begins.
    pub fn tells_start(command: &str) -> bool {
        TOLD.contains(&(command, true))
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// As the JSON document that Slack's webhooks take, and those made like them.
    pub fn webhook(&self) -> String {
        let escaped = self
            .text()
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        json!({ "text": escaped }).to_string()
    }
}

fn heading(end: &RunEnd<'_>) -> String {
    let (command, code) = (end.command, end.exit_code);
    match (code, end.error) {
        (0, _) => format!("paycraft-dr {command}: done"),
        (_, Some(error)) => format!("paycraft-dr {command} FAILED (exit code {code}): {error}"),
        (_, None) => format!("paycraft-dr {command} FAILED (exit code {code})"),
    }
}

/// The backup's key, and its sizes where they are told.
fn backup(facts: &RunFacts) -> Option<String> {
    let key = facts.backup.as_ref()?;
    let sizes = match facts.sizes {
        Some((raw, stored)) => format!(", {} archive, {} stored", size(raw), size(stored)),
        None => String::new(),
    };
    Some(format!("backup {key}{sizes}"))
}

fn objective(name: &str, measured: &Measured) -> String {
    format!(
        "{name} {} of {}: {}",
        duration(measured.measured_seconds),
        duration(measured.objective_seconds),
        if measured.met { "met" } else { "MISSED" }
    )
}
