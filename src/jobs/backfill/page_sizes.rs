//! Learns the server's page size, to recognise a channel's last page.
//!
//! Discord returns up to as many messages as requested; another server may have a lower limit. What
//! earlier pages showed saves one extra, empty page per channel.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use propsbot_discord::Listing;

/// Channels that must end with a page of some length before it isn't taken for the server's limit.
const ENOUGH: u32 = 3;

/// What earlier pages have shown.
#[derive(Debug, Default)]
pub struct PageSizes(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    longest: usize,
    /// Longest short page that was repeatedly followed by an older one.
    limit: usize,
    /// Short pages with nothing before them, by length.
    ends: BTreeMap<usize, u32>,
}

/// What a page's length shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing comes before it.
    Here,
    /// More may come before it: the next page shows.
    Later,
    /// It may be as long as the server's limit, or the channel's last.
    Unknown,
}

impl PageSizes {
    /// Records a page's length and returns what it shows.
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

    /// Records that nothing comes before a page of this length.
    pub(super) fn was_last(&self, len: usize) {
        *self.seen().ends.entry(len).or_default() += 1;
    }

    /// Records that a page of this length isn't the last, so the server's limit is at least that.
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
    fn a_short_page_is_the_last_once_others_like_it_were() {
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
    fn a_servers_limit_is_not_an_end() {
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
