//! How fast older history is audited, and how soon it finds what changed unheard.

use std::time::Duration;

use crate::model::ChannelKind;

/// Messages on a page, and threads in a list of them.
const PAGE: u64 = 100;

/// Discord lets a channel's messages be listed about so often, whatever our share: seen in the
/// wild, since no figures are published.
const SLOWEST: Duration = Duration::from_secs(1);

/// The time from one request of a guild's audit to the next: `share` per mille of the guild's part
/// of `per_second` requests, which `guilds` share. `None`: there is no audit.
pub fn audit_interval(share: u16, guilds: u64, per_second: u32) -> Option<Duration> {
    let a_thousand_seconds = Duration::from_secs(1000) * u32::try_from(guilds.max(1)).ok()?;
    a_thousand_seconds.checked_div(u32::from(share) * per_second)
}

/// Requests that a round of the audit takes, lists of reactors aside: from the readable places'
/// kinds, and how many messages each has.
pub fn round_requests(places: impl IntoIterator<Item = (ChannelKind, u64)>) -> u64 {
    // A list of the active threads; of each place the archived ones, and its messages. The last page
    // is the one that is not full.
    let of = |(kind, messages): (ChannelKind, u64)| {
        let threads = u64::from(kind.has_threads()) + u64::from(kind.has_private_threads());
        let pages = if kind.has_messages() {
            messages / PAGE + 1
        } else {
            0
        };
        // Archived threads are places themselves, and fill lists.
        threads * PAGE + pages * PAGE + u64::from(kind.is_thread())
    };
    1 + places.into_iter().map(of).sum::<u64>().div_ceil(PAGE)
}

/// The time within which every change is found: a place is come by again after a whole round, or
/// when its rest is over. What a backfill takes is not in it, nor while nothing runs.
pub fn found_within(requests: u64, interval: Duration, rest: Duration) -> Duration {
    let requests = u32::try_from(requests).unwrap_or(u32::MAX);
    rest.max(interval.max(SLOWEST).saturating_mul(requests))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn the_share_is_kept() {
        // 2 % of 45 requests a second are 0.9 a second; of two guilds, each has half of that.
        let interval = |share, guilds| audit_interval(share, guilds, 45);
        assert_eq!(interval(20, 1), Some(Duration::from_nanos(1_111_111_111)));
        assert_eq!(interval(20, 2), Some(Duration::from_nanos(2_222_222_222)));
        assert_eq!(interval(1000, 1), Some(Duration::from_nanos(22_222_222)));
        assert_eq!(interval(0, 1), None);
    }

    #[test]
    fn a_round_reads_every_page_and_every_list() {
        let requests = |places: &[(ChannelKind, u64)]| round_requests(places.iter().copied());
        assert_eq!(requests(&[]), 1);
        assert_eq!(requests(&[(ChannelKind::VOICE, 0)]), 2);
        assert_eq!(requests(&[(ChannelKind::VOICE, 99)]), 2);
        assert_eq!(requests(&[(ChannelKind::VOICE, 100)]), 3);
        // Two lists of archived threads, public and private; a forum has one, and no messages.
        assert_eq!(requests(&[(ChannelKind::TEXT, 250)]), 1 + 2 + 3);
        assert_eq!(requests(&[(ChannelKind::FORUM, 0)]), 2);
        let threads = [(ChannelKind::PUBLIC_THREAD, 5); 150];
        assert_eq!(requests(&threads), 1 + 150 + 2);
    }

    #[test]
    fn changes_are_found_within_a_round_or_a_rest() {
        let pace = audit_interval(20, 1, 45).unwrap();
        // A million messages: 10,000 pages at 0.9 a second are three hours and five minutes.
        let round = round_requests([(ChannelKind::VOICE, 1_000_000)]);
        let found = found_within(round, pace, HOUR);
        assert_eq!(found.as_secs(), 11_113);
        assert_eq!(found_within(10, pace, HOUR), HOUR);
        // Discord's own pace for a channel limits the largest share.
        let most = audit_interval(1000, 1, 45).unwrap();
        assert_eq!(found_within(7200, most, HOUR), 2 * HOUR);
    }
}
