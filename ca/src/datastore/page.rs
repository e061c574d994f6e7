//! Pages of a listing, and filters over sets.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{DatastoreError, Result};

/// The most records one page may have; a request for more gets this many.
pub const MAX_PAGE_SIZE: u32 = 10_000;

/// Where the next page of a listing begins. Opaque to clients: only what a listing gave out comes back to it.
///
/// It stays good while records come and go: a listing continues after the last record it showed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageToken(i64);

impl PageToken {
    pub(crate) fn after(position: i64) -> Self {
        Self(position)
    }

    pub(crate) fn position(self) -> i64 {
        self.0
    }
}

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for PageToken {
    type Err = DatastoreError;

    /// Reads a token that came back from a client.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || DatastoreError::invalid("the page token", "it is not one that a listing gave out");
        match text.parse() {
            // Only the canonical spelling is one that a listing gave out.
            Ok(position) if position > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(Self(position)),
            _ => Err(refuse()),
        }
    }
}

/// Which part of a listing is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageRequest {
    size: u32,
    after: Option<PageToken>,
}

impl PageRequest {
    /// The first page, of at most `size` records; 0 and anything above [`MAX_PAGE_SIZE`] mean [`MAX_PAGE_SIZE`].
    pub fn first(size: u32) -> Self {
        let size = if size == 0 {
            MAX_PAGE_SIZE
        } else {
            size.min(MAX_PAGE_SIZE)
        };
        Self { size, after: None }
    }

    /// The page after the one that gave `token`, of the same size.
    #[must_use]
    pub fn after(self, token: PageToken) -> Self {
        Self {
            after: Some(token),
            ..self
        }
    }

    /// How many records at most.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// After which record it begins; `None` for the first page.
    pub fn token(&self) -> Option<PageToken> {
        self.after
    }
}

/// Part of a listing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// Where to go on; `None` when this was the last page.
    pub next: Option<PageToken>,
}

/// How a record's set is compared with a filter's (SPIRE's `SelectorMatch` and `FederatesWithMatch`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetMatch {
    /// The record's set is the filter's.
    Exact,
    /// The record has nothing but what is in the filter, and something of it.
    Subset,
    /// The record has all that is in the filter, and perhaps more.
    Superset,
    /// The record has something of what is in the filter.
    Any,
}

/// A filter over a set-valued field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SetFilter<T> {
    items: BTreeSet<T>,
    mode: SetMatch,
}

impl<T: Ord> SetFilter<T> {
    /// The most items one filter may have, so that a query stays bounded.
    pub const MAX_ITEMS: usize = 1_000;

    /// A filter that compares with `items`.
    ///
    /// # Errors
    /// [`DatastoreError::Invalid`] when there are none, or more than [`SetFilter::MAX_ITEMS`].
    pub fn new(items: impl IntoIterator<Item = T>, mode: SetMatch) -> Result<Self> {
        let items: BTreeSet<T> = items.into_iter().take(Self::MAX_ITEMS + 1).collect();
        if items.is_empty() {
            return Err(DatastoreError::invalid(
                "the filter",
                "it compares with an empty set",
            ));
        }
        if items.len() > Self::MAX_ITEMS {
            let reason = format!("it compares with more than {} items", Self::MAX_ITEMS);
            return Err(DatastoreError::invalid("the filter", reason));
        }
        Ok(Self { items, mode })
    }

    /// What is compared with; never empty.
    pub fn items(&self) -> &BTreeSet<T> {
        &self.items
    }

    /// How it is compared.
    pub fn mode(&self) -> SetMatch {
        self.mode
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_is_read_back_and_nothing_else_is() {
        assert_eq!("17".parse::<PageToken>().unwrap(), PageToken::after(17));
        for text in [
            "",
            "0",
            "-3",
            "+3",
            " 3",
            "3;DROP TABLE entry",
            "99999999999999999999",
        ] {
            assert!(text.parse::<PageToken>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn page_sizes_are_bounded() {
        assert_eq!(PageRequest::first(0).size(), MAX_PAGE_SIZE);
        assert_eq!(PageRequest::first(5).size(), 5);
        assert_eq!(PageRequest::first(u32::MAX).size(), MAX_PAGE_SIZE);
    }

    #[test]
    fn an_empty_or_boundless_filter_is_refused() {
        assert!(SetFilter::<u32>::new([], SetMatch::Any).is_err());
        assert!(SetFilter::new(0..1_000, SetMatch::Any).is_ok());
        assert!(SetFilter::new(0.., SetMatch::Any).is_err());
    }
}
