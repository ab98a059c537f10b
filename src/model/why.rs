//! An operator's reason, which goes into the store and into reports.

use super::redaction::holds_password;
use crate::error::{Error, Kind, Result};

/// More text than this is no reason that anybody reads.
const LIMIT_BYTES: usize = 500;

/// Reads a reason: one line of text without a password. `example` is one that would do.
pub fn parse_why(text: &str, example: &str) -> Result<String> {
    let refuse = |what: &str| {
        Error::new(Kind::Usage, format!("the reason {what}"))
            .hint(format!("say why in one line, such as: --why \"{example}\""))
    };
    let why = text.trim();
    if why.is_empty() {
        return Err(refuse("is empty"));
    }
    if why.len() > LIMIT_BYTES {
        return Err(refuse(&format!("is longer than {LIMIT_BYTES} bytes")));
    }
    if why.chars().any(char::is_control) {
        return Err(refuse("holds more than one line, or control characters"));
    }
    if holds_password(why) {
        return Err(refuse("holds what looks like a password"));
    }
    Ok(why.to_owned())
}
