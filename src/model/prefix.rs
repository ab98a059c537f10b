//! The key prefix that keeps one source's backups apart from everything else in a bucket.

use crate::error::{Error, Kind, Result};

/// A key with its prefix stays far below the 1,024 bytes that a store allows.
const LIMIT_BYTES: usize = 200;

/// Reads a key prefix: segments of letters, digits, `-`, `_`, `.` and `=`, parted by slashes. The result ends with a slash, or is
/// empty where there is no prefix.
pub fn parse_prefix(text: &str) -> Result<String> {
    let refuse = |what: &str| {
        Error::new(Kind::Usage, format!("the key prefix {text:?} {what}"))
            .hint("write it as one or more names of letters, digits, `-`, `_`, `.`, parted by slashes, such as `product/production`")
    };
    if text.is_empty() {
        return Ok(String::new());
    }
    if text.len() > LIMIT_BYTES {
        return Err(refuse(&format!("is longer than {LIMIT_BYTES} bytes")));
    }
    if text.starts_with('/') {
        return Err(refuse("begins with a slash"));
    }
    let prefix = text.strip_suffix('/').unwrap_or(text);
    for segment in prefix.split('/') {
        match segment {
            "" => return Err(refuse("has an empty name between two slashes")),
            "." | ".." => return Err(refuse("has a name that some tools read as a directory")),
            _ => {}
        }
        let is_plain = |mark: char| mark.is_ascii_alphanumeric() || "-_.=".contains(mark);
        if !segment.chars().all(is_plain) {
            return Err(refuse("has a character that keys should not have"));
        }
    }
    Ok(format!("{prefix}/"))
}
