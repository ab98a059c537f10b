//! What a run tells those who were not there.

use serde_json::{Value, json};

use super::units::{duration, size};

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

impl Notice {
    /// The notice of a run whose JSON document is `document`, where its end is told at all. Causes are left out: they quote
    /// what others say.
    pub fn of(document: &Value) -> Option<Self> {
        let command = document["command"].as_str()?;
        let ok = document["ok"].as_bool()?;
        let (_, even_good) = TOLD.iter().find(|(told, _)| *told == command)?;
        if ok && !even_good {
            return None;
        }
        let mut lines = vec![heading(document, command, ok)];
        lines.extend(backup(&document["backup"]));
        let sources = [&document["source"], &document["backup"]["source"]];
        lines.extend(
            sources
                .into_iter()
                .find_map(Value::as_str)
                .map(|source| format!("source {source}")),
        );
        let reasons = document["backup"]["suspicion"]["reasons"].as_array();
        let reasons = reasons.into_iter().flatten().filter_map(Value::as_str);
        lines.extend(reasons.map(|reason| format!("UNDER SUSPICION: {reason}")));
        for (name, field) in [("RTO", "rto"), ("RPO", "rpo")] {
            lines.extend(objective(name, &document[field]));
        }
        if let Some(seconds) = document["seconds"].as_f64() {
            lines.push(format!("took {}", duration(seconds)));
        }
        if let (Some(passed), Some(failed)) = (document["passed"].as_u64(), document["failed"].as_u64()) {
            lines.push(format!("{passed} passed, {failed} failed"));
        }
        if let Some(verdict) = document["verdict"].as_str() {
            lines.push(format!("verdict: {verdict}"));
        }
        if let Some(hint) = document["error"]["hint"].as_str() {
            lines.push(format!("hint: {hint}"));
        }
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

    /// As plain text.
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

fn heading(document: &Value, command: &str, ok: bool) -> String {
    if ok {
        return format!("paycraft-dr {command}: done");
    }
    let message = document["error"]["message"].as_str().unwrap_or("failed");
    let code = &document["exit_code"];
    format!("paycraft-dr {command} FAILED (exit code {code}): {message}")
}

/// The backup's key, and its sizes where they are told.
fn backup(backup: &Value) -> Option<String> {
    let key = backup.as_str().or_else(|| backup["key"].as_str())?;
    let sizes = match (backup["raw_bytes"].as_u64(), backup["stored_bytes"].as_u64()) {
        (Some(raw), Some(stored)) => format!(", {} archive, {} stored", size(raw), size(stored)),
        _ => String::new(),
    };
    Some(format!("backup {key}{sizes}"))
}

fn objective(name: &str, measured: &Value) -> Option<String> {
    let seconds = measured["measured_seconds"]
        .as_f64()
        .or_else(|| measured["age_seconds"].as_f64())?;
    let promised = measured["objective_seconds"].as_f64()?;
    let met = if measured["met"] == true { "met" } else { "MISSED" };
    Some(format!(
        "{name} {} of {}: {met}",
        duration(seconds),
        duration(promised)
    ))
}
