//! Pages of a listing: pure, over keys in the order of their bytes.

use std::collections::BTreeMap;
use std::ops::Bound;

/// No page is longer.
pub(super) const LARGEST_PAGE: usize = 1000;

/// What a client asks to see.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Question<'a> {
    pub(super) prefix: &'a str,
    /// Keys that share what comes before it, behind the prefix, are folded into one.
    pub(super) delimiter: Option<&'a str>,
    /// Only what comes after this.
    pub(super) after: &'a str,
    pub(super) limit: usize,
}

/// One page.
#[derive(Debug)]
pub(super) struct Page<'a, T> {
    pub(super) entries: Vec<(&'a str, &'a T)>,
    pub(super) folders: Vec<String>,
    /// Where the next page begins after; `None` on the last.
    pub(super) next: Option<String>,
}

/// The page that answers the question.
pub(super) fn page<'a, T>(all: &'a BTreeMap<String, T>, question: Question<'_>) -> Page<'a, T> {
    let mut page = Page {
        entries: Vec::new(),
        folders: Vec::new(),
        next: None,
    };
    let limit = question.limit.min(LARGEST_PAGE);
    let mut last = String::new();
    let start = if question.after < question.prefix {
        Bound::Included(question.prefix)
    } else {
        Bound::Excluded(question.after)
    };
    let from_start = all.range::<str, _>((start, Bound::Unbounded));
    for (key, value) in from_start.take_while(|(key, _)| key.starts_with(question.prefix)) {
        let folder = folder_of(key, question);
        let is_folded = folder.as_ref().is_some_and(|folder| {
            page.folders.last() == Some(folder) || (!question.after.is_empty() && question.after == folder)
        });
        if is_folded {
            continue;
        }
        if page.entries.len() + page.folders.len() == limit {
            page.next = Some(last);
            break;
        }
        match folder {
            Some(folder) => {
                last.clone_from(&folder);
                page.folders.push(folder);
            }
            None => {
                last.clone_from(key);
                page.entries.push((key, value));
            }
        }
    }
    page
}

/// The key up to and with the first delimiter behind the prefix.
fn folder_of(key: &str, question: Question<'_>) -> Option<String> {
    let delimiter = question.delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = &key[question.prefix.len()..];
    let end = rest.find(delimiter)?;
    Some(key[..question.prefix.len() + end + delimiter.len()].to_owned())
}
