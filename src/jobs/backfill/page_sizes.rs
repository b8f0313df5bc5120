//! How long pages of messages are, and so which page is a channel's last.
//!
//! Discord says that a page has up to as many messages as were asked for; a server may have a lower
//! limit, which it does not tell. What the pages so far showed is believed instead of asking each
//! channel for one more page, an empty one.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use propsbot_discord::Listing;

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
    /// The longest page that was shorter than asked for, again and again, and yet not the last.
    limit: usize,
    /// Pages shorter than asked for that nothing came before, by their lengths.
    ends: BTreeMap<usize, u32>,
}

/// What the length of a page tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There is nothing before it.
    Here,
    /// There may be more before it: the next page tells.
    Later,
    /// It may be as long as the server's pages are, or the channel's last.
    Unknown,
}

impl PageSizes {
    /// Takes note of a page's length, and says what it tells.
    pub(super) fn end(&self, len: usize) -> End {
        let mut seen = self.seen();
        seen.longest = seen.longest.max(len);
        let is_no_limit = |(end, times): (&usize, &u32)| *end > seen.limit && *times >= ENOUGH;
        if len == 0 || len < seen.longest {
            End::Here
        } else if len >= Listing::FULL || len <= seen.limit {
            End::Later
        } else if seen.ends.range(len..).any(is_no_limit) {
            End::Here
        } else {
            End::Unknown
        }
    }

    /// Nothing came before a page of this length.
    pub(super) fn was_last(&self, len: usize) {
        *self.seen().ends.entry(len).or_default() += 1;
    }

    /// Something came before a page of this length, whenever it was asked for: the server gives no more.
    pub(super) fn is_limit(&self, len: usize) {
        let mut seen = self.seen();
        seen.limit = seen.limit.max(len);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_page_is_the_last_once_others_of_its_length_were() {
        let sizes = PageSizes::default();
        for _ in 0..3 {
            assert_eq!(sizes.end(2), End::Unknown);
            sizes.was_last(2);
        }
        assert_eq!(sizes.end(2), End::Here);
        assert_eq!(sizes.end(1), End::Here);
        assert_eq!(sizes.end(50), End::Unknown, "it may be the server's limit");
        assert_eq!(sizes.end(49), End::Here);
    }

    #[test]
    fn a_servers_limit_is_no_end() {
        let sizes = PageSizes::default();
        for _ in 0..3 {
            assert_eq!(sizes.end(50), End::Unknown);
            sizes.was_last(50);
        }
        assert_eq!(sizes.end(50), End::Here);
        sizes.is_limit(50);
        assert_eq!(sizes.end(50), End::Later, "more came before one of them");
        assert_eq!(sizes.end(49), End::Here);
        assert_eq!(sizes.end(Listing::FULL), End::Later);
    }
}
