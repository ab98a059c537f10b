//! Listings come in pages. One that does not end, or ends without saying so, is an error: what it leaves out would be taken for gone.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};

use super::store::S3Store;
use crate::error::{Error, Kind};

/// No listing is longer. A million keys take about 100 MB of memory.
const MOST_ITEMS: usize = 10_000_000;
/// A store may send some pages with nothing on them, where it filters what it reads.
const MOST_EMPTY_PAGES: u32 = 100;

const HINT: &str = "nothing was removed, and no backup is taken for gone: update the store or the proxy before it, or ask its operator; `aws s3api list-objects-v2 --debug` shows what it answers";

/// What a page says of the one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageEnd<P> {
    /// Whether more follows, where it says so.
    pub(super) is_truncated: Option<bool>,
    /// Where the next page begins, where it says so.
    pub(super) next: Option<P>,
}

/// What a store did that no listing may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreliable {
    /// It does not say whether a page is the last.
    Unended,
    /// It says that more follows, and not where.
    CutShort,
    /// It sent fewer keys than it says.
    Fewer,
    /// It sent a document that ends in its middle.
    Broken,
    /// It names something without key, size or id.
    Unnamed,
    /// It named a place twice that the next page begins at.
    SamePlace,
    /// It sent a page again.
    SamePage,
    /// It sent one page after the other with nothing on them.
    EmptyPages,
    /// It names more than can be kept.
    TooMany,
}

impl fmt::Display for Unreliable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unended => "the store sent a page that does not say whether it is the last one",
            Self::CutShort => "the store says that more follows, and does not say where it goes on",
            Self::Fewer => "the store sent a page with fewer keys than it says that there are",
            Self::Broken => "the store sent a document that ends in its middle",
            Self::Unnamed => "the store sent a page that names something without a key, a size or an id",
            Self::SamePlace => {
                "the store sends the same continuation again and again: its listing never ends"
            }
            Self::SamePage => "the store sends the same page again and again: its listing never ends",
            Self::EmptyPages => "the store sends one empty page after the other: its listing never ends",
            Self::TooMany => {
                return write!(f, "the store lists more than {MOST_ITEMS} keys");
            }
        })
    }
}

impl std::error::Error for Unreliable {}

/// Follows the pages of one listing. It keeps a number of eight bytes for each key.
#[derive(Debug, Default)]
pub(super) struct Paging {
    hasher: RandomState,
    places: HashSet<u64>,
    items: HashSet<u64>,
    empty_pages: u32,
}

impl Paging {
    /// Where the next page begins, or nothing behind the last. `items` are what this page names.
    pub(super) fn follow<P: Hash>(
        &mut self,
        items: impl Iterator<Item: Hash>,
        end: PageEnd<P>,
    ) -> Result<Option<P>, Unreliable> {
        let (mut is_empty, mut is_new) = (true, false);
        for item in items {
            is_empty = false;
            is_new |= self.items.insert(self.hasher.hash_one(item));
        }
        if self.items.len() > MOST_ITEMS {
            return Err(Unreliable::TooMany);
        }
        match (end.is_truncated, end.next) {
            (Some(false), _) => Ok(None),
            (None, _) => Err(Unreliable::Unended),
            (Some(true), None) => Err(Unreliable::CutShort),
            (Some(true), Some(place)) => {
                if !self.places.insert(self.hasher.hash_one(&place)) {
                    return Err(Unreliable::SamePlace);
                }
                if !is_empty && !is_new {
                    return Err(Unreliable::SamePage);
                }
                self.empty_pages = if is_empty { self.empty_pages + 1 } else { 0 };
                if self.empty_pages > MOST_EMPTY_PAGES {
                    return Err(Unreliable::EmptyPages);
                }
                Ok(Some(place))
            }
        }
    }
}

impl S3Store {
    /// The error of a listing that cannot be relied on.
    pub(super) fn unreliable(&self, what: &str, cause: Unreliable) -> Error {
        Error::new(Kind::Store, format!("{what} at {}", self.describe()))
            .caused_by(cause)
            .hint(HINT)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_EMPTY_PAGES, PageEnd, Paging, Unreliable};

    fn truncated(next: u32) -> PageEnd<u32> {
        PageEnd {
            is_truncated: Some(true),
            next: Some(next),
        }
    }

    #[test]
    fn pages_are_followed_to_the_one_that_says_it_is_the_last() {
        let mut paging = Paging::default();
        assert_eq!(paging.follow(["a", "b"].iter(), truncated(1)), Ok(Some(1)));
        // What came meanwhile moves keys from page to page.
        assert_eq!(paging.follow(["b", "c"].iter(), truncated(2)), Ok(Some(2)));
        assert_eq!(paging.follow([""; 0].iter(), truncated(3)), Ok(Some(3)));
        let last = PageEnd {
            is_truncated: Some(false),
            next: Some(9),
        };
        assert_eq!(paging.follow(["d"].iter(), last), Ok(None));
    }

    #[test]
    fn what_never_ends_or_ends_unsaid_is_an_error() {
        let outcome = |ends: &[(&[&str], PageEnd<u32>)]| {
            let mut paging = Paging::default();
            let followed = ends
                .iter()
                .map(|(items, end)| paging.follow(items.iter(), *end).map(drop));
            followed.collect::<Result<Vec<()>, _>>().map(drop)
        };
        let end = |is_truncated, next| PageEnd { is_truncated, next };
        assert_eq!(outcome(&[(&["a"], end(None, None))]), Err(Unreliable::Unended));
        assert_eq!(
            outcome(&[(&["a"], end(Some(true), None))]),
            Err(Unreliable::CutShort)
        );
        assert_eq!(
            outcome(&[
                (&["a"], truncated(1)),
                (&["b"], truncated(2)),
                (&["c"], truncated(1))
            ]),
            Err(Unreliable::SamePlace)
        );
        assert_eq!(
            outcome(&[(&["a", "b"], truncated(1)), (&["b", "a"], truncated(2))]),
            Err(Unreliable::SamePage)
        );
        let empty: Vec<(&[&str], PageEnd<u32>)> = (0..=MOST_EMPTY_PAGES)
            .map(|number| (&[][..], truncated(number)))
            .collect();
        assert_eq!(outcome(&empty), Err(Unreliable::EmptyPages));
        assert_eq!(outcome(&empty[1..]), Ok(()));
    }
}
