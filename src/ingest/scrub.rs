//! Pace of the scrub: how fast it re-reads history, and how soon it finds missed changes.

use std::time::Duration;

use propsbot_model::ChannelKind;

/// Messages per page, and threads per list.
const PAGE: u64 = 100;

/// Discord's observed minimum between pages of one channel. It publishes no figure.
const SLOWEST: Duration = Duration::from_secs(1);

/// Returns the time between a guild's scrub requests; `None` if scrubbing is off.
/// `share` is per mille of the guild's part of `per_second` requests, which `guilds` share.
pub fn scrub_interval(share: u16, guilds: u64, per_second: u32) -> Option<Duration> {
    let a_thousand_seconds = Duration::from_secs(1000) * u32::try_from(guilds.max(1)).ok()?;
    a_thousand_seconds.checked_div(u32::from(share) * per_second)
}

/// Returns the requests per scrub round, without lists of reactors.
/// Takes the kind and message count of each readable place.
pub fn round_requests(places: impl IntoIterator<Item = (ChannelKind, u64)>) -> u64 {
    // One list of active threads, then each place's archived threads and messages. The last page of
    // messages is the one that isn't full, so it may be empty.
    let of = |(kind, messages): (ChannelKind, u64)| {
        let threads = u64::from(kind.has_threads()) + u64::from(kind.has_private_threads());
        let pages = if kind.has_messages() {
            messages / PAGE + 1
        } else {
            0
        };
        // Threads are places too, and fill the lists of archived threads.
        threads * PAGE + pages * PAGE + u64::from(kind.is_thread())
    };
    1 + places.into_iter().map(of).sum::<u64>().div_ceil(PAGE)
}

/// Returns how many slices to divide the lists of reactors into; each round reads one again.
/// A slice takes no longer than the rest of the round, or its pause. A power of two, so that slices
/// stay parts of earlier ones as a guild grows.
pub fn slices(lists: u64, requests: u64, interval: Duration, rest: Duration) -> u64 {
    let pause = rest.as_nanos() / interval.max(SLOWEST).as_nanos();
    let pause = u64::try_from(pause).unwrap_or(u64::MAX);
    let room = requests.max(pause.saturating_sub(requests)).max(1);
    let slices = lists.div_ceil(room).max(1);
    slices.checked_next_power_of_two().unwrap_or(slices)
}

/// Returns the time within which the scrub finds every change.
/// A place is read again after a full round or the minimum rest, whichever is longer. Excludes
/// backfills and downtime.
pub fn found_within(requests: u64, interval: Duration, rest: Duration) -> Duration {
    let requests = u32::try_from(requests).unwrap_or(u32::MAX);
    rest.max(interval.max(SLOWEST).saturating_mul(requests))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn keeps_to_its_share_of_requests() {
        // 2 % of 45 requests per second are 0.9 per second; two guilds get half of that each.
        let interval = |share, guilds| scrub_interval(share, guilds, 45);
        assert_eq!(interval(20, 1), Some(Duration::from_nanos(1_111_111_111)));
        assert_eq!(interval(20, 2), Some(Duration::from_nanos(2_222_222_222)));
        assert_eq!(interval(1000, 1), Some(Duration::from_nanos(22_222_222)));
        assert_eq!(interval(0, 1), None);
    }

    #[test]
    fn a_round_reads_every_page_and_list_of_threads() {
        let requests = |places: &[(ChannelKind, u64)]| round_requests(places.iter().copied());
        assert_eq!(requests(&[]), 1);
        assert_eq!(requests(&[(ChannelKind::VOICE, 0)]), 2);
        assert_eq!(requests(&[(ChannelKind::VOICE, 99)]), 2);
        assert_eq!(requests(&[(ChannelKind::VOICE, 100)]), 3);
        // Text channels have public and private archived threads; forums have public ones, no
        // messages.
        assert_eq!(requests(&[(ChannelKind::TEXT, 250)]), 1 + 2 + 3);
        assert_eq!(requests(&[(ChannelKind::FORUM, 0)]), 2);
        let threads = [(ChannelKind::PUBLIC_THREAD, 5); 150];
        assert_eq!(requests(&threads), 1 + 150 + 2);
    }

    #[test]
    fn reactors_take_no_longer_than_the_rest_of_a_round() {
        let pace = scrub_interval(20, 1, 45).unwrap();
        let of = |lists, requests, rest| slices(lists, requests, pace, rest);
        // All lists fit into the pause, so each round reads all.
        assert_eq!(of(0, 10, HOUR), 1);
        assert_eq!(of(3_000, 10, HOUR), 1);
        // A million messages, a tenth of them with two lists: 10,000 pages and 200,000 lists.
        assert_eq!(of(200_000, 10_000, 6 * HOUR), 32);
        assert_eq!(of(200_000, 10_000, Duration::ZERO), 32);
        assert_eq!(of(u64::MAX, 0, Duration::ZERO), u64::MAX);
        assert_eq!(of(7, 0, Duration::ZERO), 8);
    }

    #[test]
    fn finds_changes_within_a_round_or_a_rest() {
        let pace = scrub_interval(20, 1, 45).unwrap();
        // A million messages: 10,000 pages at 0.9 per second take three hours and five minutes.
        let round = round_requests([(ChannelKind::VOICE, 1_000_000)]);
        let found = found_within(round, pace, HOUR);
        assert_eq!(found.as_secs(), 11_113);
        assert_eq!(found_within(10, pace, HOUR), HOUR);
        // Discord's own pace limits even the largest share.
        let most = scrub_interval(1000, 1, 45).unwrap();
        assert_eq!(found_within(7200, most, HOUR), 2 * HOUR);
    }
}
