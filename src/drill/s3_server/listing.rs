//! One page of a listing: byte order, prefix, delimiter, limit. Knows nothing of what is listed.

use std::fmt::Write as _;
use std::ops::Bound;

/// The most entries a page holds, and how many it holds unless asked for fewer.
pub(super) const PAGE_LIMIT: usize = 1000;

/// What a client asks to see.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Only keys that begin with this.
    pub prefix: &'a str,
    /// Keys that contain this behind the prefix are listed once, as the part up to and with it.
    pub delimiter: Option<&'a str>,
    /// The entry a previous page ended with, or any key: the page begins behind it.
    pub after: Option<&'a str>,
    /// Entries per page: keys and common prefixes together.
    pub limit: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Page<'a, T> {
    /// The keys, with what they were paired with.
    pub items: Vec<(&'a str, T)>,
    pub common_prefixes: Vec<&'a str>,
    /// The last entry, where more follow: the next page's `after`.
    pub next: Option<&'a str>,
}

impl<'a> Query<'a> {
    /// Where in the sorted keys the page can begin.
    pub fn start(&self) -> Bound<&'a str> {
        match self.after {
            Some(after) if after >= self.prefix => Bound::Excluded(after),
            _ => Bound::Included(self.prefix),
        }
    }

    /// Fills a page from `entries`, which are in byte order and begin at [`start`](Self::start).
    pub fn page<'k, T>(&self, entries: impl Iterator<Item = (&'k str, T)>) -> Page<'k, T> {
        let mut page = Page {
            items: Vec::new(),
            common_prefixes: Vec::new(),
            next: None,
        };
        let mut last = None;
        for (key, item) in entries.take_while(|(key, _)| key.starts_with(self.prefix)) {
            let rolled = self.roll_up(key);
            // Already listed: as the latest entry of this page, or as the last of the page before.
            if rolled.is_some() && (rolled == page.common_prefixes.last().copied() || rolled == self.after) {
                continue;
            }
            if page.items.len() + page.common_prefixes.len() == self.limit {
                page.next = last;
                break;
            }
            match rolled {
                Some(common) => page.common_prefixes.push(common),
                None => page.items.push((key, item)),
            }
            last = Some(rolled.unwrap_or(key));
        }
        page
    }

    /// The common prefix that `key` is listed as, if it is.
    fn roll_up<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.filter(|delimiter| !delimiter.is_empty())?;
        let found = key[self.prefix.len()..].find(delimiter)?;
        Some(&key[..self.prefix.len() + found + delimiter.len()])
    }
}

/// Escapes a key for a client that asked for `encoding-type=url`: XML has no way to say some characters.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}
