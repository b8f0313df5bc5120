//! Arithmetic on the intervals of ids that are known to be complete.

use crate::model::{ChannelId, Coverage, Interval, MessageId};

impl Coverage {
    /// Nothing is known of the channel.
    pub fn unknown(channel_id: ChannelId) -> Self {
        Self {
            channel_id,
            intervals: Vec::new(),
            live: None,
        }
    }

    /// Adds an interval; an empty one says nothing.
    pub fn add(&mut self, new: Interval) {
        if new.after >= new.to {
            return;
        }
        // Those that end before the new one begins stay; so do those that begin after its end.
        // All between them melt into one.
        let first = self.intervals.partition_point(|it| it.to < new.after);
        let last = self.intervals.partition_point(|it| it.after <= new.to);
        let melted = self.intervals[first..last]
            .iter()
            .fold(new, |all, it| Interval {
                after: all.after.min(it.after),
                to: all.to.max(it.to),
            });
        self.intervals.splice(first..last, [melted]);
    }

    /// Whether the id is covered.
    pub fn covers(&self, id: MessageId) -> bool {
        let next = self.intervals.partition_point(|it| it.to < id);
        self.intervals.get(next).is_some_and(|it| it.after < id)
    }

    /// The last id that is covered; 0 if none is.
    pub fn top(&self) -> MessageId {
        self.intervals.last().map(|it| it.to).unwrap_or_default()
    }

    /// What is missing up to and including `to`, sorted.
    pub fn gaps(&self, to: MessageId) -> Vec<Interval> {
        let mut gaps = Vec::new();
        let mut after = MessageId(0);
        for it in self.intervals.iter().take_while(|it| it.after < to) {
            if after < it.after {
                gaps.push(Interval {
                    after,
                    to: it.after,
                });
            }
            after = it.to;
        }
        if after < to {
            gaps.push(Interval { after, to });
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
            .flat_map(|it| it.after.0 + 1..=it.to.0)
            .collect()
    }

    proptest! {
        /// Whatever is added in whatever order, the ledger covers exactly that, in normal form,
        /// and its gaps are exactly the rest.
        #[test]
        fn intervals_are_sets_of_ids(
            mut pairs in proptest::collection::vec((0u64..60, 0u64..60), 0..12),
            to in 0u64..70,
        ) {
            let mut coverage = Coverage::unknown(ChannelId(1));
            let mut expected = BTreeSet::new();
            for (after, to) in &pairs {
                coverage.add(Interval { after: MessageId(*after), to: MessageId(*to) });
                expected.extend(after + 1..=*to);
            }
            prop_assert_eq!(&covered(&coverage), &expected);
            prop_assert!(coverage.intervals.windows(2).all(|pair| pair[0].to < pair[1].after));
            let gaps: BTreeSet<u64> =
                coverage.gaps(MessageId(to)).iter().flat_map(|it| it.after.0 + 1..=it.to.0).collect();
            prop_assert_eq!(gaps, (1..=to).filter(|id| !expected.contains(id)).collect());

            pairs.reverse();
            let mut reversed = Coverage::unknown(ChannelId(1));
            for (after, to) in &pairs {
                reversed.add(Interval { after: MessageId(*after), to: MessageId(*to) });
            }
            prop_assert_eq!(reversed, coverage);
        }
    }
}
