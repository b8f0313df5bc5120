//! The coverage that an archive claims for a channel.
//!
//! A restored store continues from there and doesn't fetch covered ids again. So messages with
//! pending work are holes in the exported coverage.

use std::collections::BTreeSet;

use propsbot_model::{IdRange, Interval, MessageId};

/// The most holes per channel; more are merged into one.
const HOLES: usize = 64;

/// The covered ids, without the `unfinished` messages: unreadable, or with reactor lists still to
/// fetch.
pub fn exported_coverage(known: &[Interval], unfinished: &BTreeSet<MessageId>) -> Vec<IdRange> {
    let hole = |first: MessageId, last: MessageId| IdRange {
        after: MessageId(first.0.saturating_sub(1)),
        to: last,
    };
    let holes: Vec<IdRange> = match (unfinished.first(), unfinished.last()) {
        (Some(first), Some(last)) if unfinished.len() > HOLES => vec![hole(*first, *last)],
        _ => unfinished.iter().map(|id| hole(*id, *id)).collect(),
    };
    let mut covered = Vec::new();
    for interval in known.chunk_by(|one, next| one.to == next.after) {
        // The archive doesn't record the evidence of an interval.
        let interval = IdRange {
            after: interval[0].after,
            to: interval[interval.len() - 1].to,
        };
        let mut after = interval.after;
        for hole in &holes {
            if hole.to > after && hole.after < interval.to {
                covered.push(IdRange {
                    after,
                    to: hole.after,
                });
                after = hole.to;
            }
        }
        covered.push(IdRange {
            after,
            to: interval.to,
        });
    }
    covered.retain(|covered| covered.after < covered.to);
    covered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use propsbot_model::{Evidence, Stamp};

    fn interval(after: u64, to: u64) -> Interval {
        Interval {
            after: MessageId(after),
            to: MessageId(to),
            by: Evidence::Rest,
            since: Stamp(1),
        }
    }

    fn ids(intervals: &[IdRange]) -> BTreeSet<u64> {
        let each = intervals
            .iter()
            .flat_map(|interval| interval.after.0 + 1..=interval.to.0);
        each.collect()
    }

    proptest! {
        /// Everything known except unfinished messages.
        #[test]
        fn cuts_out_unfinished_messages(
            ends in proptest::collection::btree_set(0u64..60, 0..12),
            unfinished in proptest::collection::btree_set(0u64..60, 0..12),
        ) {
            let ends: Vec<u64> = ends.into_iter().collect();
            let known: Vec<Interval> =
                ends.chunks_exact(2).map(|pair| interval(pair[0], pair[1])).collect();
            let found = exported_coverage(&known, &unfinished.iter().copied().map(MessageId).collect());
            let expected: BTreeSet<u64> = ids(&exported_coverage(&known, &BTreeSet::new())).difference(&unfinished).copied().collect();
            prop_assert_eq!(ids(&found), expected);
            prop_assert!(found.windows(2).all(|pair| pair[0].to <= pair[1].after));
        }
    }

    #[test]
    fn merges_many_holes() {
        let known = [interval(0, 400), interval(400, 1000)];
        let unfinished = (100..=200).map(MessageId).filter(|id| id.0 % 2 == 0);
        assert_eq!(
            exported_coverage(&known, &unfinished.clone().collect()).len(),
            52
        );
        let more = unfinished.chain((301..=400).map(MessageId)).collect();
        let found: Vec<_> = exported_coverage(&known, &more)
            .iter()
            .map(|covered| (covered.after.0, covered.to.0))
            .collect();
        assert_eq!(found, [(0, 99), (400, 1000)]);
    }
}
