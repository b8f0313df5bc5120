//! The coverage that an archive claims for a channel, and the way back.
//!
//! A restored store continues from there and doesn't fetch again what is covered. So messages with
//! pending work are holes in the exported coverage. The mirror knows ranges of ids, the archive has
//! times: a millisecond is covered if all of its ids are known, or if it was over when the last of them
//! was read as a channel's newest.

use std::collections::BTreeSet;

use propsbot_archive::Covered;
use propsbot_model::{Coverage, Evidence, IdRange, Interval, MessageId, Millis, Stamp, WITHIN_MS};

/// The most holes per channel; more are merged into one.
const HOLES: usize = 64;

/// How much earlier than what was heard or read a channel's coverage ends, in milliseconds: events
/// may be late, and our clock and Discord's may differ.
const LEEWAY: i64 = 600_000;

/// The times in which all messages of a channel are known, without those of `unfinished` messages:
/// unreadable, or with reactor lists still to fetch.
///
/// `heard`: until when the gateway told everything, if the channel is live.
pub fn covered_times(
    coverage: &Coverage,
    heard: Option<Millis>,
    unfinished: &BTreeSet<MessageId>,
) -> Vec<Covered> {
    let mut known = coverage.clone();
    if let Some((live, heard)) = coverage.live.zip(heard) {
        known.add(Interval {
            after: live.after,
            to: MessageId::last_at(Millis(heard.0.saturating_sub(LEEWAY))),
            by: Evidence::Gateway,
            since: Stamp::default(),
        });
    }
    let mut holes: Vec<Millis> = unfinished.iter().map(|id| id.created_at()).collect();
    holes.dedup();
    let holes: Vec<Covered> = match holes[..] {
        [first, .., last] if holes.len() > HOLES => vec![hole(first, last)],
        _ => holes.iter().map(|at| hole(*at, *at)).collect(),
    };
    let joined = known.intervals.chunk_by(|one, next| one.to == next.after);
    let joined = joined.map(|joined| whole_millis(joined[0].after, joined[joined.len() - 1]));
    joined.flat_map(|range| without(range, &holes)).collect()
}

/// The covered times without those that are still to be looked back at: what is `window` milliseconds older
/// than `unseen_since`, or newer, may have changed unseen. The archive doesn't say that a look-back is
/// pending, so a restored store has to fetch these times again.
pub fn without_unseen(covered: Vec<Covered>, unseen_since: Millis, window: i64) -> Vec<Covered> {
    let end = Millis(unseen_since.0.saturating_sub(window).saturating_sub(LEEWAY));
    let before = covered.into_iter().filter(|range| range.after < end);
    before
        .map(|range| Covered {
            to: range.to.min(end),
            ..range
        })
        .collect()
}

/// The milliseconds after `after` that are known up to the end of `last`.
fn whole_millis(after: MessageId, last: Interval) -> Covered {
    // No message has the id 0.
    let is_all = after.0 == 0;
    let is_whole = last.to.0 & WITHIN_MS == WITHIN_MS || has_rest_of_millisecond(last);
    Covered {
        after: Millis(after.created_at().0 - i64::from(is_all)),
        to: Millis(last.to.created_at().0 - i64::from(!is_whole)),
    }
}

/// Whether nothing else was posted in the interval's last millisecond.
///
/// Pages end with whole milliseconds, except that a channel's newest page ends with its newest message.
/// If that page was requested when the millisecond was over, it lists all of it. The first id of a
/// millisecond may be a single message that was fetched by id.
fn has_rest_of_millisecond(last: Interval) -> bool {
    let over = last.to.created_at().0.saturating_add(LEEWAY);
    last.by == Evidence::Rest && last.to.0 & WITHIN_MS > 0 && last.since.millis().0 > over
}

fn hole(first: Millis, last: Millis) -> Covered {
    Covered {
        after: Millis(first.0 - 1),
        to: last,
    }
}

/// A range without holes, which are sorted and apart.
fn without(range: Covered, holes: &[Covered]) -> Vec<Covered> {
    let mut left = Vec::new();
    let mut after = range.after;
    for hole in holes {
        let to = range.to.min(hole.after);
        left.push(Covered { after, to });
        after = after.max(hole.to);
    }
    left.push(Covered { after, ..range });
    left.retain(|left| left.after < left.to);
    left
}

/// The ids of these times; `None` if there are none.
pub fn covered_ids(times: Covered) -> Option<IdRange> {
    let (after, to) = (
        MessageId::last_at(times.after),
        MessageId::last_at(times.to),
    );
    (after < to).then_some(IdRange { after, to })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use propsbot_model::{ChannelId, GuildId, Live};

    fn interval(after: u64, to: u64) -> Interval {
        Interval {
            after: MessageId(after),
            to: MessageId(to),
            by: Evidence::Rest,
            since: Stamp(1),
        }
    }

    /// An id in one of the first milliseconds: the first two of that millisecond, or the last two.
    fn id() -> impl Strategy<Value = MessageId> {
        let within = prop::sample::select(vec![0, 1, WITHIN_MS - 1, WITHIN_MS]);
        (0..8_u64, within).prop_map(|(millis, within)| MessageId(millis << 22 | within))
    }

    fn coverage(ranges: impl IntoIterator<Item = IdRange>) -> Coverage {
        let mut coverage = Coverage::unknown(GuildId(1), ChannelId(2));
        for range in ranges {
            coverage.add(interval(range.after.0, range.to.0));
        }
        coverage
    }

    /// The channel and what is known of it, its live part included.
    fn known() -> impl Strategy<Value = (Coverage, Option<Millis>, Coverage)> {
        let ranges = prop::collection::vec((id(), id()), 0..6);
        let live = prop::option::of((id(), 0..8_i64));
        (ranges, live).prop_map(|(ranges, live)| {
            let ranges = ranges.into_iter().map(|(after, to)| IdRange { after, to });
            let mut known = coverage(ranges);
            let mut channel = known.clone();
            let mut heard = None;
            if let Some((after, until)) = live {
                channel.live = Some(Live {
                    session: 1,
                    after,
                    since: Stamp(0),
                });
                let until = Millis(MessageId(0).created_at().0 + until);
                heard = Some(Millis(until.0 + LEEWAY));
                known.add(interval(after.0, MessageId::last_at(until).0));
            }
            (channel, heard, known)
        })
    }

    /// Whether all ids of a range are known.
    fn covers(known: &Coverage, range: IdRange) -> bool {
        let gaps = known.gaps(range.to);
        gaps.iter().all(|gap| gap.to <= range.after)
    }

    proptest! {
        /// What an archive claims, and a store restored from it, is known and finished; and claims the
        /// same again.
        #[test]
        fn never_claims_more_than_is_known(
            (channel, heard, known) in known(),
            unfinished in prop::collection::btree_set(id(), 0..4),
        ) {
            let told = covered_times(&channel, heard, &unfinished);
            prop_assert!(told.is_sorted_by(|one, next| one.to <= next.after));
            let restored: Vec<IdRange> = told.iter().filter_map(|times| covered_ids(*times)).collect();
            prop_assert_eq!(restored.len(), told.len());
            for range in &restored {
                prop_assert!(covers(&known, *range), "{:?} of {:?}", range, known.intervals);
                prop_assert!(unfinished.iter().all(|id| *id <= range.after || *id > range.to));
            }
            prop_assert_eq!(&covered_times(&coverage(restored), None, &BTreeSet::new()), &told);
            // Nothing else is lost than milliseconds that are not known as a whole.
            for millis in 0..8_u64 {
                let first = MessageId(millis << 22);
                let all = IdRange { after: MessageId(first.0.saturating_sub(1)), to: MessageId(first.0 | WITHIN_MS) };
                let at = first.created_at();
                let is_told = told.iter().any(|times| times.after < at && at <= times.to);
                let is_finished = unfinished.iter().all(|id| id.created_at() != at);
                prop_assert_eq!(is_told, covers(&known, all) && is_finished, "{}", millis);
            }
        }
    }

    /// A channel's newest message ends its coverage; what was read long after it has the rest of its
    /// millisecond.
    #[test]
    fn covers_the_millisecond_of_the_newest_message_once_it_is_over() {
        let newest = MessageId(5 << 22 | 7);
        let at = newest.created_at();
        let known = |to: MessageId, by: Evidence, read_at: i64| {
            let mut known = coverage([]);
            known.add(Interval {
                by,
                since: Stamp::from(Millis(at.0 + read_at)),
                ..interval(0, to.0)
            });
            covered_times(&known, None, &BTreeSet::new())[0].to.0 - at.0
        };
        assert_eq!(known(newest, Evidence::Rest, LEEWAY + 1), 0);
        assert_eq!(known(newest, Evidence::Rest, LEEWAY), -1);
        assert_eq!(known(newest, Evidence::Gateway, LEEWAY + 1), -1);
        assert_eq!(known(MessageId(5 << 22), Evidence::Rest, LEEWAY + 1), -1);
    }

    #[test]
    fn leaves_out_what_is_still_to_be_looked_back_at() {
        let range = |after, to| Covered {
            after: Millis(after),
            to: Millis(to),
        };
        let since = Millis(LEEWAY + 100);
        let covered = vec![range(0, 40), range(50, 60), range(60, 90), range(95, 99)];
        let left = without_unseen(covered, since, 30);
        assert_eq!(left, [range(0, 40), range(50, 60), range(60, 70)]);
    }

    #[test]
    fn merges_many_holes_in_times() {
        let known = coverage([IdRange {
            after: MessageId(0),
            to: MessageId(1_000 << 22),
        }]);
        let unfinished = (100..=300).map(|millis| MessageId(millis << 22));
        let told = covered_times(&known, None, &unfinished.collect());
        let start = MessageId(0).created_at().0;
        let told: Vec<_> = told
            .iter()
            .map(|times| (times.after.0 - start, times.to.0 - start))
            .collect();
        assert_eq!(told, [(-1, 99), (300, 999)]);
    }
}
