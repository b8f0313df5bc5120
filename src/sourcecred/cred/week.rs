//! Weeks, as SourceCred counts them: from Sunday 00:00 UTC.
//!
//! Source: SourceCred 0.11.2, `core/interval.js`.

use propsbot_archive::Millis;

const DAY: i64 = 86_400_000;
const WEEK: i64 = 7 * DAY;
/// The first Sunday after the epoch, which is a Thursday.
const SUNDAY: i64 = 3 * DAY;
/// JavaScript has no dates further from the epoch.
const FARTHEST: i64 = 8_640_000_000_000_000;

/// A row of weeks without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weeks {
    first: i64,
    count: usize,
}

impl Weeks {
    /// The weeks from that of the earliest time to that of the latest; `None` if there are no times, or
    /// one that JavaScript has no date for.
    pub(super) fn covering(times: impl Iterator<Item = Millis>) -> Option<Self> {
        let ends = |ends: Option<(i64, i64)>, Millis(at)| {
            let (first, last) = ends.unwrap_or((at, at));
            Some((first.min(at), last.max(at)))
        };
        let (first, last) = times.fold(None, ends)?;
        if first < -FARTHEST || last > FARTHEST {
            return None;
        }
        let first = start_of(first);
        let count = usize::try_from((start_of(last) - first) / WEEK).ok()? + 1;
        Some(Self { first, count })
    }

    /// How many there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(self) -> usize {
        self.count
    }

    /// When each week starts.
    pub fn starts(self) -> impl ExactSizeIterator<Item = Millis> {
        (0..self.count).map(move |week| self.start(week))
    }

    /// When a week starts.
    pub fn start(self, week: usize) -> Millis {
        let weeks = i64::try_from(week).expect("as many weeks as JavaScript has dates for");
        Millis(self.first + weeks * WEEK)
    }

    /// When the last week ends.
    pub fn end(self) -> Millis {
        self.start(self.count)
    }

    /// The week that a time is in; one outside counts to the nearest.
    pub(super) fn of(self, Millis(at): Millis) -> usize {
        let week = (at - self.first).div_euclid(WEEK);
        usize::try_from(week).unwrap_or(0).min(self.count - 1)
    }

    /// The week whose part of a participant an edge of this time leads to. A time exactly at a week's
    /// start belongs to the week before, so in the first week there is none: `None`.
    pub(super) fn of_edge(self, Millis(at): Millis) -> Option<usize> {
        (at > self.first).then(|| self.of(Millis(at - 1)))
    }

    /// The week that starts at this time, if there is one.
    pub(super) fn starting(self, Millis(at): Millis) -> Option<usize> {
        let week = usize::try_from((at - self.first).div_euclid(WEEK)).ok()?;
        (week < self.count && self.start(week) == Millis(at)).then_some(week)
    }

    /// These weeks, and those around them that these times are in.
    pub(super) fn and(self, times: impl Iterator<Item = Millis>) -> Option<Self> {
        let own = [self.start(0), Millis(self.end().0 - 1)];
        Self::covering(own.into_iter().chain(times))
    }
}

/// When the week of this time starts.
fn start_of(at: i64) -> i64 {
    (at - SUNDAY).div_euclid(WEEK) * WEEK + SUNDAY
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Sunday: 2023-01-01.
    const START: i64 = 1_672_531_200_000;

    fn weeks(times: &[i64]) -> Weeks {
        Weeks::covering(times.iter().map(|at| Millis(*at))).unwrap()
    }

    #[test]
    fn a_week_starts_on_sunday() {
        assert_eq!(weeks(&[START]).start(0), Millis(START));
        assert_eq!(weeks(&[START - 1]).start(0), Millis(START - WEEK));
        assert_eq!(weeks(&[START, START + WEEK]).len(), 2);
        assert_eq!(weeks(&[-1]).start(0), Millis(-4 * DAY));
    }

    #[test]
    fn an_edge_at_the_start_belongs_to_the_week_before() {
        let weeks = weeks(&[START, START + WEEK]);
        assert_eq!(weeks.of_edge(Millis(START)), None);
        assert_eq!(weeks.of_edge(Millis(START + 1)), Some(0));
        assert_eq!(weeks.of_edge(Millis(START + WEEK)), Some(0));
        assert_eq!(weeks.of(Millis(START + WEEK)), 1);
    }
}
