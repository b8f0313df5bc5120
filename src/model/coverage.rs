//! Arithmetic on the intervals of ids that are known to be complete.

use crate::{ChannelId, Coverage, Evidence, IdRange, Interval, MessageId, Stamp};

/// Intervals of a channel that are told apart though they touch: each restart that missed something
/// makes two, and the row is written with every message.
const MOST_INTERVALS: usize = 64;

impl Coverage {
    /// Nothing is known of the channel.
    pub fn unknown(channel_id: ChannelId) -> Self {
        Self {
            channel_id,
            intervals: Vec::new(),
            live: None,
            public_threads: None,
            private_threads: None,
            unseen_since: None,
            readers_changed: Stamp::default(),
            reread: None,
        }
    }

    /// Adds what of an interval was not covered yet: what was, stays known as it became known. An
    /// empty one says nothing.
    pub fn add(&mut self, new: Interval) {
        let missing = self.gaps(new.to).into_iter();
        for gap in missing.filter(|gap| gap.to > new.after) {
            let (after, to) = (gap.after.max(new.after), gap.to);
            let at = self
                .intervals
                .partition_point(|interval| interval.to <= after);
            self.intervals.insert(at, Interval { after, to, ..new });
            self.coalesce(at + 1);
            self.coalesce(at);
        }
        while self.intervals.len() > MOST_INTERVALS {
            // What touches differs only in how it is known: the oldest is remembered least.
            let Some(at) = (1..self.intervals.len()).find(|at| self.touches(*at)) else {
                break;
            };
            self.intervals[at].by = Evidence::Rest;
            self.intervals[at - 1].by = Evidence::Rest;
            self.coalesce(at);
        }
    }

    /// Takes away what of `(after, to]` was known at `at`: a list has contradicted it. If that is all
    /// there was, it isn't known either that everything new is heard.
    pub fn remove(&mut self, after: MessageId, to: MessageId, at: Stamp) {
        if after >= to {
            return;
        }
        let split = |known: Interval| {
            let older = Interval {
                to: known.to.min(after),
                ..known
            };
            let newer = Interval {
                after: known.after.max(to),
                ..known
            };
            let parts = if known.since > at {
                [Some(known), None]
            } else {
                [Some(older), Some(newer)]
            };
            parts
                .into_iter()
                .flatten()
                .filter(|part| part.after < part.to)
        };
        self.intervals = self.intervals.iter().copied().flat_map(split).collect();
        self.live = self.live.filter(|live| live.after >= to || live.since > at);
    }

    /// Whether the interval at this place goes on where the one before it ends.
    fn touches(&self, at: usize) -> bool {
        at > 0 && at < self.intervals.len() && self.intervals[at - 1].to == self.intervals[at].after
    }

    /// Makes one of two intervals that touch and are known in the same way.
    fn coalesce(&mut self, at: usize) {
        if self.touches(at) && self.intervals[at - 1].by == self.intervals[at].by {
            let later = self.intervals.remove(at);
            let earlier = &mut self.intervals[at - 1];
            earlier.to = later.to;
            earlier.since = earlier.since.max(later.since);
        }
    }

    /// Notes that what is known may have changed unseen since that time.
    pub fn unseen(&mut self, since: Stamp) {
        let since = self.unseen_since.map_or(since, |known| known.min(since));
        self.unseen_since = Some(since);
    }

    /// The messages with ids up to this one are still to be read again by the recheck that began then;
    /// 0: none.
    pub fn left_to_reread(&self, begun: Stamp) -> MessageId {
        let of = self.reread.filter(|reread| reread.begun == begun);
        of.map_or(MessageId(u64::MAX), |reread| reread.left)
    }

    /// Whether the id is covered.
    pub fn covers(&self, id: MessageId) -> bool {
        let next = self.intervals.partition_point(|interval| interval.to < id);
        self.intervals
            .get(next)
            .is_some_and(|interval| interval.after < id)
    }

    /// The last id that is covered; 0 if none is.
    pub fn top(&self) -> MessageId {
        self.intervals
            .last()
            .map(|interval| interval.to)
            .unwrap_or_default()
    }

    /// What is missing up to and including `to`, sorted.
    pub fn gaps(&self, to: MessageId) -> Vec<IdRange> {
        let mut gaps = Vec::new();
        let mut after = MessageId(0);
        for it in self
            .intervals
            .iter()
            .take_while(|interval| interval.after < to)
        {
            if after < it.after {
                gaps.push(IdRange {
                    after,
                    to: it.after,
                });
            }
            after = it.to;
        }
        if after < to {
            gaps.push(IdRange { after, to });
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn covered(coverage: &Coverage) -> BTreeSet<u64> {
        coverage
            .intervals
            .iter()
            .flat_map(|interval| interval.after.0 + 1..=interval.to.0)
            .collect()
    }

    fn interval(after: u64, to: u64, heard: bool) -> Interval {
        Interval {
            after: MessageId(after),
            to: MessageId(to),
            by: if heard {
                Evidence::Gateway
            } else {
                Evidence::Rest
            },
            since: Stamp(0),
        }
    }

    proptest! {
        /// Whatever is added in whatever order, the ledger covers exactly that, in normal form,
        /// and its gaps are exactly the rest.
        #[test]
        fn intervals_are_sets_of_ids(
            mut pairs in proptest::collection::vec((0u64..60, 0u64..60, any::<bool>()), 0..12),
            to in 0u64..70,
        ) {
            let mut coverage = Coverage::unknown(ChannelId(1));
            let mut expected = BTreeSet::new();
            for (after, to, heard) in &pairs {
                coverage.add(interval(*after, *to, *heard));
                expected.extend(after + 1..=*to);
            }
            prop_assert_eq!(&covered(&coverage), &expected);
            prop_assert!(coverage.intervals.iter().all(|interval| interval.after < interval.to));
            prop_assert!(coverage.intervals.windows(2).all(|pair| pair[0].to < pair[1].after
                || pair[0].to == pair[1].after && pair[0].by != pair[1].by));
            let gaps: BTreeSet<u64> =
                coverage.gaps(MessageId(to)).iter().flat_map(|gap| gap.after.0 + 1..=gap.to.0).collect();
            prop_assert_eq!(gaps, (1..=to).filter(|id| !expected.contains(id)).collect());

            pairs.reverse();
            let mut reversed = Coverage::unknown(ChannelId(1));
            for (after, to, heard) in &pairs {
                reversed.add(interval(*after, *to, *heard));
            }
            prop_assert_eq!(covered(&reversed), covered(&coverage));
        }
    }

    proptest! {
        /// What is taken away is exactly what was known before.
        #[test]
        fn a_contradicted_range_is_taken_away(
            pairs in proptest::collection::vec((0u64..60, 0u64..60, any::<bool>()), 0..12),
            after in 0u64..60,
            to in 0u64..60,
        ) {
            let mut coverage = Coverage::unknown(ChannelId(1));
            for (after, to, heard) in &pairs {
                coverage.add(interval(*after, *to, *heard));
            }
            let mut expected = covered(&coverage);
            let later = coverage.clone();
            expected.retain(|id| *id <= after || *id > to);
            coverage.remove(MessageId(after), MessageId(to), Stamp(0));
            prop_assert_eq!(covered(&coverage), expected);
            prop_assert!(coverage.intervals.is_sorted_by(|a, b| a.to <= b.after));
            let mut unchanged = later.clone();
            unchanged.remove(MessageId(after), MessageId(to), Stamp(-1));
            prop_assert_eq!(unchanged, later, "it became known since");
        }
    }

    #[test]
    fn what_was_known_stays_known_as_it_became_known() {
        let mut coverage = Coverage::unknown(ChannelId(1));
        coverage.add(Interval {
            since: Stamp(1),
            ..interval(10, 20, false)
        });
        coverage.add(Interval {
            since: Stamp(2),
            ..interval(20, 30, true)
        });
        coverage.add(Interval {
            since: Stamp(3),
            ..interval(5, 25, false)
        });
        let known: Vec<_> = coverage
            .intervals
            .iter()
            .map(|interval| {
                (
                    interval.after.0,
                    interval.to.0,
                    interval.by,
                    interval.since.0,
                )
            })
            .collect();
        assert_eq!(
            known,
            [(5, 20, Evidence::Rest, 3), (20, 30, Evidence::Gateway, 2)]
        );
    }

    #[test]
    fn the_ledger_stays_short_whatever_happens() {
        let mut coverage = Coverage::unknown(ChannelId(1));
        for n in 0..1_000 {
            coverage.add(interval(n, n + 1, n % 2 == 0));
        }
        assert_eq!(coverage.intervals.len(), MOST_INTERVALS);
        assert_eq!(covered(&coverage).len(), 1_000);
    }
}
