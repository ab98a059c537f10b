//! When a request may go ahead, given what is stored now.

use std::ops::Range;

use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Error, S3Result, s3_error};

/// What a write demands of the object it would replace.
#[derive(Clone, Debug, Default)]
pub struct WriteConditions {
    /// Only over an object with this tag.
    pub if_match: Option<ETagCondition>,
    /// `*`: only where no object is.
    pub if_none_match: Option<ETagCondition>,
}

impl WriteConditions {
    /// Decides with the tag of the object there now. The caller holds the lock under which it will publish, or two
    /// writers could both be told that nothing is there.
    pub fn check(&self, current: Option<&ETag>) -> S3Result<()> {
        if let Some(wanted) = &self.if_match {
            let current = current.ok_or_else(|| s3_error!(NoSuchKey))?;
            if !matches(wanted, current) {
                return Err(failed("If-Match"));
            }
        }
        if let (Some(unwanted), Some(current)) = (&self.if_none_match, current)
            && matches(unwanted, current)
        {
            return Err(failed("If-None-Match"));
        }
        Ok(())
    }
}

/// What a read demands of the object it would get.
#[derive(Clone, Debug, Default)]
pub struct ReadConditions {
    /// Only the object with this tag.
    pub if_match: Option<ETagCondition>,
    /// Only an object with another tag than this.
    pub if_none_match: Option<ETagCondition>,
    /// Only an object written after this.
    pub if_modified_since: Option<Timestamp>,
    /// Only an object not written after this.
    pub if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// Decides in the order of RFC 9110: a tag, where one is given, is better evidence than the time beside it.
    pub fn check(&self, current: &ETag, modified: &Timestamp) -> S3Result<()> {
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(wanted), _) if !matches(wanted, current) => return Err(failed("If-Match")),
            (None, Some(limit)) if modified > limit => return Err(failed("If-Unmodified-Since")),
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(unwanted), _) if matches(unwanted, current) => Err(s3_error!(NotModified)),
            (None, Some(limit)) if modified <= limit => Err(s3_error!(NotModified)),
            _ => Ok(()),
        }
    }
}

/// The bytes a `Range` header selects of an object of `len` bytes. An empty object satisfies no range.
pub fn resolve_range(range: &s3s::dto::Range, len: u64) -> S3Result<Range<u64>> {
    let selected = range.check(len)?;
    if selected.is_empty() {
        return Err(s3_error!(InvalidRange));
    }
    Ok(selected)
}

fn matches(condition: &ETagCondition, current: &ETag) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(tag) => tag.value() == current.value(),
    }
}

fn failed(condition: &str) -> S3Error {
    s3_error!(PreconditionFailed, "{condition} does not hold")
}
