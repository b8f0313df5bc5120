//! Limits on giving props, and the time since when each applies.
//!
//! Commands and the graph share one rule. Within a UTC day, week or month, a member's props count
//! in message order. A props message counts if the quota has room for all its recipients; otherwise
//! it doesn't count at all.

use std::{fmt, ops::RangeInclusive};

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::Millis;

/// Allowed values of [`Quota::count`].
pub const QUOTA: RangeInclusive<u32> = 1..=1_000;

/// How many changes of a setting are kept, which is more than an admin makes on purpose.
const KEPT: usize = 500;

const DAY_MS: i64 = 86_400_000;

/// How much a member can give in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Number of recipients, counting repetitions.
    pub count: u32,
    pub period: QuotaPeriod,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaPeriod {
    /// A UTC day.
    Day,
    /// Monday to Sunday, UTC.
    Week,
    /// A UTC calendar month.
    Month,
}

impl QuotaPeriod {
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Start of the period that contains `time`.
    pub fn start(self, time: Millis) -> Millis {
        let day = time.0.div_euclid(DAY_MS);
        let first = match self {
            Self::Day => day,
            // 1 January 1970 was a Thursday.
            Self::Week => (day + 3).div_euclid(7) * 7 - 3,
            Self::Month => day + 1 - day_of_month(time),
        };
        Millis(first * DAY_MS)
    }

    pub fn end(self, time: Millis) -> Millis {
        let start = self.start(time);
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            // A day in the next month, moved back to its first.
            Self::Month => return Self::Month.start(Millis(start.0 + 31 * DAY_MS)),
        };
        Millis(start.0 + days * DAY_MS)
    }
}

/// The day of the month; 1 for times outside the calendar.
fn day_of_month(time: Millis) -> i64 {
    Timestamp::from_millisecond(time.0).map_or(1, |at| TimeZone::UTC.to_datetime(at).day().into())
}

impl fmt::Display for QuotaPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        })
    }
}

/// Limits that apply since a time, until the next entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub since: Millis,
    /// `None`: unlimited.
    pub quota: Option<Quota>,
    /// Whether plain messages don't count as props.
    pub commands_only: bool,
    /// Minutes after posting within which an edit can add recipients.
    pub edit_minutes: u32,
}

impl Begun for Limits {
    fn since(&self) -> Millis {
        self.since
    }

    fn begun(self, since: Millis) -> Self {
        Self { since, ..self }
    }
}

/// A state of a setting that holds from a time until the next entry of its history.
pub(crate) trait Begun: Clone + PartialEq {
    fn since(&self) -> Millis;

    /// The same state with another beginning.
    fn begun(self, since: Millis) -> Self;
}

/// The state at a time; `None` before the first entry.
pub(crate) fn at_time<T: Begun>(all: &[T], time: Millis) -> Option<&T> {
    let begun = all.partition_point(|entry| entry.since() <= time);
    all[..begun].last()
}

/// Appends a state if it differs from the current one.
pub(crate) fn note<T: Begun>(all: &mut Vec<T>, new: T) {
    match all.last_mut() {
        Some(last) if new == last.clone().begun(new.since()) => {}
        Some(last) if last.since() >= new.since() => *last = new.begun(last.since()),
        _ => all.push(new),
    }
    all.drain(..all.len().saturating_sub(KEPT));
}

impl Limits {
    /// The limits at a time; `None` (unlimited) before the first entry.
    pub fn at(all: &[Self], time: Millis) -> Option<&Self> {
        at_time(all, time)
    }

    /// Appends limits if they differ from the current ones.
    pub fn note(all: &mut Vec<Self>, new: Self) {
        note(all, new);
    }

    /// The time since when props are needed to decide which ones between `from` and `to` count.
    pub fn needed_since(all: &[Self], from: Millis, to: Millis) -> Millis {
        let mut since = from;
        loop {
            // Each entry needs the props since the start of its current period.
            let begun = all.partition_point(|limits| limits.since <= since);
            let in_effect = all[begun.saturating_sub(1)..].iter();
            let earliest = in_effect
                .take_while(|limits| limits.since <= to)
                .filter_map(|limits| Some(limits.quota?.period.start(limits.since.max(since))))
                .min();
            match earliest {
                Some(earlier) if earlier < since => since = earlier,
                _ => return since,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Millis {
        Millis(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn periods_follow_the_utc_calendar() {
        let at = time("2026-11-29T23:59:59.999Z");
        for (period, start, end) in [
            (
                QuotaPeriod::Day,
                "2026-11-29T00:00:00Z",
                "2026-11-30T00:00:00Z",
            ),
            (
                QuotaPeriod::Week,
                "2026-11-23T00:00:00Z",
                "2026-11-30T00:00:00Z",
            ),
            (
                QuotaPeriod::Month,
                "2026-11-01T00:00:00Z",
                "2026-12-01T00:00:00Z",
            ),
        ] {
            assert_eq!(period.start(at), time(start), "{period}");
            assert_eq!(period.end(at), time(end), "{period}");
        }
        assert_eq!(
            QuotaPeriod::Month.end(time("2024-02-01T00:00:00Z")),
            time("2024-03-01T00:00:00Z")
        );
    }

    #[test]
    fn limits_apply_until_the_next_entry() {
        let limits = |since, count| Limits {
            since: Millis(since),
            quota: Some(Quota {
                count,
                period: QuotaPeriod::Day,
            }),
            commands_only: false,
            edit_minutes: 10,
        };
        let mut all = Vec::new();
        for new in [limits(5, 1), limits(6, 1), limits(9, 2), limits(9, 3)] {
            Limits::note(&mut all, new);
        }
        assert_eq!(all, [limits(5, 1), limits(9, 3)]);
        let at = |time| Limits::at(&all, Millis(time)).copied();
        assert_eq!(
            [at(4), at(5), at(8), at(9)],
            [None, Some(all[0]), Some(all[0]), Some(all[1])]
        );
        for count in 0..2_000 {
            Limits::note(&mut all, limits(10 + i64::from(count), count));
        }
        assert_eq!(all.len(), KEPT);
    }

    proptest! {
        #[test]
        fn periods_contain_their_times(at in 1_420_070_400_000..4_000_000_000_000_i64) {
            for period in QuotaPeriod::ALL {
                let (start, end) = (period.start(Millis(at)), period.end(Millis(at)));
                prop_assert!(start.0 <= at && at < end.0);
                prop_assert_eq!(period.start(start), start);
                prop_assert_eq!(period.start(Millis(end.0 - 1)), start);
                prop_assert_eq!(period.start(end), end);
            }
        }
    }
}
