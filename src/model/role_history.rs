//! The roles of a member over time.

use serde::{Deserialize, Serialize};

use super::{RoleId, Stamp};

/// The most spans kept per member; older ones are dropped.
const MOST_SPANS: usize = 500;

/// A period over which every sighting of a user showed the same roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSpan {
    /// First sighting of these roles; the change happened then or earlier.
    pub since: Stamp,
    /// Last sighting of these roles.
    pub until: Stamp,
    /// Sorted; `None` while the user wasn't a member.
    pub roles: Option<Vec<RoleId>>,
}

/// A member's roles over time, as sorted spans. Adjacent spans differ.
///
/// A deleted role stays in its spans, and counts until its deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleHistory(Vec<RoleSpan>);

impl RoleHistory {
    /// All spans, oldest first.
    pub fn spans(&self) -> &[RoleSpan] {
        &self.0
    }

    /// The last span that began by this time.
    pub fn at(&self, time: Stamp) -> Option<&RoleSpan> {
        self.0[..self.begun_by(time)].last()
    }

    /// Records the user's roles at `at`, or `None` if they weren't a member. The order of calls
    /// doesn't matter: [`Self::at`] returns each sighting at its own time.
    pub fn see(&mut self, at: Stamp, roles: Option<&[RoleId]>) {
        let is_same = |span: &RoleSpan| span.roles.as_deref() == roles;
        let begun = self.begun_by(at);
        if let Some(span) = self.0[..begun].last().filter(|span| span.until >= at) {
            if is_same(span) {
                return;
            }
            // A late sighting splits what looked like one span.
            let (before, after) = (span.clone(), span.clone());
            let parts = [
                RoleSpan {
                    until: Stamp(at.0 - 1),
                    ..before
                },
                RoleSpan {
                    since: Stamp(at.0 + 1),
                    ..after
                },
            ];
            let parts = parts.into_iter().filter(|part| part.since <= part.until);
            self.0.splice(begun - 1..begun, parts);
        }
        let mut seen = RoleSpan {
            since: at,
            until: at,
            roles: roles.map(<[RoleId]>::to_vec),
        };
        // Coalesce with equal neighbours.
        let (mut first, mut end) = (self.begun_by(at), self.begun_by(at));
        if let Some(before) = self.0[..first].last().filter(|span| is_same(span)) {
            seen.since = before.since;
            first -= 1;
        }
        if let Some(after) = self.0.get(end).filter(|span| is_same(span)) {
            seen.until = after.until;
            end += 1;
        }
        self.0.splice(first..end, [seen]);
        let surplus = self.0.len().saturating_sub(MOST_SPANS);
        self.0.drain(..surplus);
    }

    fn begun_by(&self, time: Stamp) -> usize {
        self.0.partition_point(|span| span.since <= time)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Sightings by time: roles as a number, 0 for no membership.
    fn told(of: &[(i64, u64)]) -> RoleHistory {
        let mut history = RoleHistory::default();
        for (at, roles) in of {
            history.see(Stamp(*at), roles_of(*roles).as_deref());
        }
        history
    }

    fn roles_of(number: u64) -> Option<Vec<RoleId>> {
        (number > 0).then(|| (1..number).map(RoleId).collect())
    }

    fn spans(history: &RoleHistory) -> Vec<(i64, i64, u64)> {
        let number = |role_span: &RoleSpan| {
            role_span
                .roles
                .as_ref()
                .map_or(0, |role| role.len() as u64 + 1)
        };
        let spans = history.spans().iter();
        spans
            .map(|span| (span.since.0, span.until.0, number(span)))
            .collect()
    }

    #[test]
    fn equal_sightings_share_a_span() {
        let seen = [(1, 2), (3, 2), (5, 1), (7, 0), (9, 0), (11, 2)];
        let expected = [(1, 3, 2), (5, 5, 1), (7, 9, 0), (11, 11, 2)];
        assert_eq!(spans(&told(&seen)), expected);
    }

    #[test]
    fn late_sightings_split_or_extend_spans() {
        // Before all others, between two, at an edge, and within a span.
        let first = [(10, 1), (20, 1), (30, 2)];
        for (late, expected) in [
            ((5, 1), vec![(5, 20, 1), (30, 30, 2)]),
            ((5, 2), vec![(5, 5, 2), (10, 20, 1), (30, 30, 2)]),
            ((25, 1), vec![(10, 25, 1), (30, 30, 2)]),
            ((25, 2), vec![(10, 20, 1), (25, 30, 2)]),
            ((25, 0), vec![(10, 20, 1), (25, 25, 0), (30, 30, 2)]),
            (
                (15, 0),
                vec![(10, 14, 1), (15, 15, 0), (16, 20, 1), (30, 30, 2)],
            ),
        ] {
            let seen: Vec<_> = first.into_iter().chain([late]).collect();
            assert_eq!(spans(&told(&seen)), expected, "{late:?}");
        }
    }

    #[test]
    fn drops_the_oldest_spans() {
        let many = i64::try_from(MOST_SPANS).unwrap() + 10;
        let seen: Vec<_> = (1..=many)
            .map(|at| (at, at.unsigned_abs() % 2 + 1))
            .collect();
        let history = told(&seen);
        assert_eq!(history.spans().len(), MOST_SPANS);
        assert_eq!(history.at(Stamp(10)), None);
        assert!(history.at(Stamp(many)).is_some());
    }

    proptest! {
        /// In any order and with repetitions, every sighted time has its sighting.
        #[test]
        fn role_history_is_independent_of_order(
            truth in proptest::collection::btree_map(1..60i64, 0..3u64, 1..25),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let truth: BTreeMap<i64, u64> = truth;
            let all: Vec<_> = truth.iter().map(|(at, roles)| (*at, *roles)).collect();
            let mut seen: Vec<_> = order.iter().map(|order| *order.get(&all)).collect();
            seen.extend(all.iter().rev());
            let history = told(&seen);
            for (at, roles) in &truth {
                let answer = history.at(Stamp(*at)).map(|at| at.roles.clone());
                prop_assert_eq!(answer, Some(roles_of(*roles)), "at {} of {:?}", at, spans(&history));
            }
            let found = history.spans();
            prop_assert!(found.iter().all(|found| found.since <= found.until));
            prop_assert!(found.is_sorted_by(|a, b| a.until < b.since && a.roles != b.roles));
            // Repetition changes nothing; in order, there are as few spans as possible.
            let mut again = seen.clone();
            again.extend(&all);
            prop_assert_eq!(&told(&again), &history);
            let changes = 1 + all.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
            prop_assert_eq!(told(&all).spans().len(), changes);
        }
    }
}
