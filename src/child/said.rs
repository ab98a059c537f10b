//! What a program says: its last lines, and of PostgreSQL's programs only what may be shown.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::task::JoinHandle;
use tracing::{Span, debug};

/// How long the end of the stream is waited for once the program has ended.
const GRACE: Duration = Duration::from_secs(2);
/// How much of what a child says is usually kept: its last lines.
pub(super) const KEPT_LINES: usize = 20;
const KEPT_LINE_BYTES: usize = 8000;
/// How much of such a line an error shows.
const SHOWN_LINE_CHARS: usize = 1000;

/// Parts of a server's message that quote rows or the statement.
const QUOTING: [&str; 6] = [
    "DETAIL:",
    "CONTEXT:",
    "QUERY:",
    "STATEMENT:",
    "LINE ",
    "LOCATION:",
];
/// What `pg_restore` writes before a statement that failed.
const COMMAND: &str = "Command was:";
/// Kinds of entries whose statements may hold a password, as `pg_restore` names them.
const SECRETIVE: [&str; 6] = [
    " SUBSCRIPTION ",
    " USER MAPPING ",
    " SERVER ",
    " FOREIGN DATA WRAPPER ",
    " FOREIGN TABLE ",
    " DATABASE PROPERTIES ",
];

/// Whether a line is one that must be kept.
pub type LineFilter = fn(&str) -> bool;

/// As much of a line as is shown.
pub fn shown(line: &str) -> String {
    line.chars().take(SHOWN_LINE_CHARS).collect()
}

/// The last lines of a stream.
#[derive(Debug, Default)]
pub(super) struct Said {
    lines: Arc<Mutex<VecDeque<String>>>,
    keeper: Option<JoinHandle<()>>,
}

impl Said {
    /// Keeps what `discretion` lets through of `stream`: all that is `wanted`, or the last lines. A log is told of all that it lets
    /// through, within `span`, and of nothing where there is no discretion.
    pub(super) fn keep(
        &mut self,
        stream: impl AsyncRead + Unpin + Send + 'static,
        mut discretion: Option<Discretion>,
        wanted: Option<LineFilter>,
        span: Span,
    ) {
        let lines = Arc::clone(&self.lines);
        let mut push = move |line: &mut Vec<u8>| {
            let text = String::from_utf8_lossy(line).into_owned();
            line.clear();
            let kept = match &mut discretion {
                Some(discretion) => {
                    let kept = discretion.pass(&text);
                    if let Some(kept) = &kept {
                        span.in_scope(|| debug!("{kept}"));
                    }
                    kept
                }
                None => Some(text),
            };
            let Some(kept) = kept else { return };
            let mut lines = lines.lock();
            match wanted {
                Some(wanted) if !wanted(&kept) => return,
                Some(_) => {}
                None if lines.len() < KEPT_LINES => {}
                None => drop(lines.pop_front()),
            }
            lines.push_back(kept);
        };
        self.keeper = Some(tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while let Ok(piece) = stream.fill_buf().await {
                if piece.is_empty() {
                    break;
                }
                let length = piece.len();
                for part in piece.split_inclusive(|byte| *byte == b'\n') {
                    let text = part.strip_suffix(b"\n").unwrap_or(part);
                    let room = KEPT_LINE_BYTES - line.len();
                    line.extend_from_slice(&text[..text.len().min(room)]);
                    if part.len() > text.len() {
                        push(&mut line);
                    }
                }
                stream.consume(length);
            }
            if !line.is_empty() {
                push(&mut line);
            }
        }));
    }

    /// What was said, once the stream has ended. A child of the child may hold it open; that is not waited for.
    pub(super) async fn lines(&mut self) -> Vec<String> {
        if let Some(keeper) = self.keeper.take() {
            let _ = tokio::time::timeout(GRACE, keeper).await;
        }
        let mut lines = self.lines.lock();
        std::mem::take(&mut *lines).into()
    }
}

/// Lets through what may be shown of the words of a program of PostgreSQL: its own messages, the server's reason and hint. What
/// quotes a row or a statement is left out, as either may hold a secret; so is what a reason quotes of a statement that is likely
/// to.
#[derive(Debug)]
pub(super) struct Discretion {
    /// How the program begins each message of its own.
    prefix: String,
    part: MessagePart,
    /// The entry at work, where its statement may hold a password.
    secretive: Option<String>,
}

/// The part of a message that a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MessagePart {
    Shown,
    Quoting,
    /// A statement. What it holds may look like anything, save for a message of the program.
    Statement,
}

impl Discretion {
    pub(super) fn about(program: &str) -> Self {
        Self {
            prefix: format!("{program}: "),
            part: MessagePart::Shown,
            secretive: None,
        }
    }

    /// What may be shown of the line.
    fn pass(&mut self, line: &str) -> Option<String> {
        let (line, begins_statement) = match line.split_once(COMMAND) {
            Some((before, _)) => (before.trim_end(), true),
            None => (line, false),
        };
        if let Some(message) = line.strip_prefix(&self.prefix) {
            self.part = MessagePart::Shown;
            if let Some(entry) = message.strip_prefix("from TOC entry ") {
                let may_hold_secret = SECRETIVE.iter().any(|kind| entry.contains(kind));
                self.secretive = may_hold_secret.then(|| entry.to_owned());
                return Some(line.to_owned());
            }
        } else if self.part != MessagePart::Statement {
            let told = line.trim_start();
            if QUOTING.iter().any(|part| told.starts_with(part)) {
                self.part = MessagePart::Quoting;
            } else if told.starts_with("HINT:") {
                self.part = MessagePart::Shown;
            }
        }
        let kept = self.part == MessagePart::Shown && !line.trim().is_empty();
        if begins_statement {
            self.part = MessagePart::Statement;
        }
        kept.then(|| match &self.secretive {
            Some(entry) => without_quoted(line, entry),
            None => line.to_owned(),
        })
    }
}

/// The line, without what it quotes, save for names of the entry.
fn without_quoted(line: &str, entry: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some((before, quoted)) = rest.split_once('"') {
        shown.push_str(before);
        let (name, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
        let is_name = entry.split_whitespace().any(|word| word == name);
        shown.push('"');
        shown.push_str(if is_name { name } else { "…" });
        shown.push('"');
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::Discretion;

    fn passed(program: &str, said: &str) -> String {
        let mut discretion = Discretion::about(program);
        let passed: Vec<String> = said.lines().filter_map(|line| discretion.pass(line)).collect();
        passed.join("\n")
    }

    #[test]
    fn a_statement_is_never_shown_and_its_reason_is() {
        let said = "pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3345; 6100 16390 SUBSCRIPTION sub postgres
pg_restore: error: could not execute query: ERROR:  could not parse \"hunter2\" of \"sub\"
LINE 1: CREATE SUBSCRIPTION sub CONNECTION 'password=hunter2'
                                           ^
DETAIL:  Key (id)=(hunter2)
 goes on with hunter2.
HINT:  Ask the administrator.
Command was: CREATE SUBSCRIPTION sub CONNECTION 'password=hunter2
HINT: hunter2
more hunter2' PUBLICATION p;

pg_restore: from TOC entry 3346; 1255 1 FUNCTION public f() postgres
pg_restore: error: could not execute query: ERROR:  type \"earth\" does not exist";
        assert_eq!(
            passed("pg_restore", said),
            "pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3345; 6100 16390 SUBSCRIPTION sub postgres
pg_restore: error: could not execute query: ERROR:  could not parse \"…\" of \"sub\"
HINT:  Ask the administrator.
pg_restore: from TOC entry 3346; 1255 1 FUNCTION public f() postgres
pg_restore: error: could not execute query: ERROR:  type \"earth\" does not exist"
        );
    }

    #[test]
    fn a_message_of_several_lines_is_shown_whole() {
        let said = "pg_dump: error: connection to server at \"h\", port 1 failed: Connection refused
\tIs the server running on that host?";
        assert_eq!(passed("pg_dump", said), said);
        let asked = "pg_dump: detail: Query was: LOCK TABLE t IN ACCESS SHARE MODE";
        assert_eq!(passed("pg_dump", asked), asked);
    }
}
