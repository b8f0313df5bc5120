//! How long pages of messages are, and so which page is a channel's last.
//!
//! Discord says that a page has up to as many messages as were asked for; a server may have a lower
//! limit, which it does not tell. What the pages so far showed is believed instead of asking each
//! channel for one more page, an empty one.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::discord::Listing;

/// So many channels have to end with a page of some length before that is believed to be no limit
/// of the server's.
const ENOUGH: u32 = 3;

/// What the pages so far told.
#[derive(Debug, Default)]
pub struct PageSizes(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// The longest page.
    longest: usize,
    /// The longest page that was shorter than asked for, and yet not the last.
    limit: usize,
    /// Pages shorter than asked for that an empty one followed, by their lengths.
    ends: BTreeMap<usize, u32>,
}

impl PageSizes {
    /// Takes note of a page, and of the length of the page before it, and says whether the page is
    /// its channel's last.
    pub(super) fn is_last(&self, before: Option<usize>, len: usize) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.longest = seen.longest.max(len);
        if let Some(short) = before.filter(|before| *before < Listing::FULL) {
            if len == 0 {
                *seen.ends.entry(short).or_default() += 1;
            } else {
                seen.limit = seen.limit.max(short);
            }
        }
        let is_no_limit = |(end, times): (&usize, &u32)| *end > seen.limit && *times >= ENOUGH;
        len == 0
            || len < seen.longest
            || len < Listing::FULL && seen.ends.range(len..).any(is_no_limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_page_is_the_last_once_others_of_its_length_were() {
        let sizes = PageSizes::default();
        for _ in 0..3 {
            assert!(!sizes.is_last(None, 2));
            assert!(sizes.is_last(Some(2), 0));
        }
        assert!(sizes.is_last(None, 2));
        assert!(sizes.is_last(None, 1));
        assert!(!sizes.is_last(None, 50), "which may be the server's limit");
        assert!(sizes.is_last(None, 49));
    }

    #[test]
    fn a_servers_limit_is_no_end() {
        let sizes = PageSizes::default();
        for _ in 0..3 {
            assert!(!sizes.is_last(None, 50));
            assert!(sizes.is_last(Some(50), 0));
        }
        assert!(!sizes.is_last(Some(50), 50));
        assert!(!sizes.is_last(None, 50), "more came after one of them");
        assert!(sizes.is_last(None, 49));
        assert!(!sizes.is_last(None, Listing::FULL));
    }
}
