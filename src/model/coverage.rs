//! Arithmetic on covered id intervals.

use crate::{ChannelId, Coverage, Evidence, GuildId, IdRange, Interval, MessageId, Stamp};

/// The most touching intervals kept per channel. Each restart that missed messages adds two, and
/// every message rewrites the record.
const MOST_INTERVALS: usize = 64;

impl Coverage {
    /// A channel without coverage.
    pub fn unknown(guild_id: GuildId, channel_id: ChannelId) -> Self {
        Self {
            channel_id,
            intervals: Vec::new(),
            live: None,
            public_threads: None,
            private_threads: None,
            unseen_since: None,
            readers_changed: Stamp::default(),
            reread: None,
            guild_id,
            is_cut: false,
        }
    }

    /// Adds the uncovered part of an interval. Covered parts keep their evidence. Ignores an empty
    /// interval.
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
            // Touching intervals differ only in evidence; the oldest are simplified first.
            let Some(at) = (1..self.intervals.len()).find(|at| self.touches(*at)) else {
                break;
            };
            self.intervals[at].by = Evidence::Rest;
            self.intervals[at - 1].by = Evidence::Rest;
            self.coalesce(at);
        }
    }

    /// Removes the coverage of `(after, to]` that was known at `at`, because a list contradicted it.
    /// Ends `live` if it starts in that range.
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

    /// Whether the interval starts where its predecessor ends.
    fn touches(&self, at: usize) -> bool {
        at > 0 && at < self.intervals.len() && self.intervals[at - 1].to == self.intervals[at].after
    }

    /// Joins two intervals that touch and have the same evidence.
    fn coalesce(&mut self, at: usize) {
        if self.touches(at) && self.intervals[at - 1].by == self.intervals[at].by {
            let later = self.intervals.remove(at);
            let earlier = &mut self.intervals[at - 1];
            earlier.to = later.to;
            earlier.since = earlier.since.max(later.since);
        }
    }

    /// Records that the channel may have changed unseen since that time.
    pub fn unseen(&mut self, since: Stamp) {
        let since = self.unseen_since.map_or(since, |known| known.min(since));
        self.unseen_since = Some(since);
    }

    /// The newest id that the recheck begun at that time still has to read; 0 if none.
    pub fn left_to_reread(&self, begun: Stamp) -> MessageId {
        let of = self.reread.filter(|reread| reread.begun == begun);
        of.map_or(MessageId(u64::MAX), |reread| reread.left)
    }

    pub fn covers(&self, id: MessageId) -> bool {
        let next = self.intervals.partition_point(|interval| interval.to < id);
        self.intervals
            .get(next)
            .is_some_and(|interval| interval.after < id)
    }

    /// The last covered id; 0 if none.
    pub fn top(&self) -> MessageId {
        self.intervals
            .last()
            .map(|interval| interval.to)
            .unwrap_or_default()
    }

    /// Uncovered ranges up to and including `to`, sorted.
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
        /// Any additions in any order cover exactly those ids, in normal form; the gaps are the
        /// rest.
        #[test]
        fn intervals_are_sets_of_ids(
            mut pairs in proptest::collection::vec((0u64..60, 0u64..60, any::<bool>()), 0..12),
            to in 0u64..70,
        ) {
            let mut coverage = Coverage::unknown(GuildId(1), ChannelId(1));
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
            let mut reversed = Coverage::unknown(GuildId(1), ChannelId(1));
            for (after, to, heard) in &pairs {
                reversed.add(interval(*after, *to, *heard));
            }
            prop_assert_eq!(covered(&reversed), covered(&coverage));
        }
    }

    proptest! {
        /// Removes exactly what was known before.
        #[test]
        fn removes_a_contradicted_range(
            pairs in proptest::collection::vec((0u64..60, 0u64..60, any::<bool>()), 0..12),
            after in 0u64..60,
            to in 0u64..60,
        ) {
            let mut coverage = Coverage::unknown(GuildId(1), ChannelId(1));
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
    fn adding_keeps_evidence_of_covered_ids() {
        let mut coverage = Coverage::unknown(GuildId(1), ChannelId(1));
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
    fn coverage_has_a_bounded_number_of_intervals() {
        let mut coverage = Coverage::unknown(GuildId(1), ChannelId(1));
        for n in 0..1_000 {
            coverage.add(interval(n, n + 1, n % 2 == 0));
        }
        assert_eq!(coverage.intervals.len(), MOST_INTERVALS);
        assert_eq!(covered(&coverage).len(), 1_000);
    }
}
