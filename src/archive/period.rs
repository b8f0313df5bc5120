//! Periods of the calendar, UTC: the borders between partitions.
//!
//! Owns which periods there are, how they nest, and how they are spelled.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use jiff::{
    Span, Timestamp,
    civil::{DateTime, date},
    tz::TimeZone,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Millis;

/// The calendar's units, from the coarsest to the finest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// `2026`
    Year,
    /// `2026-11`
    Month,
    /// `2026-11-23`
    Day,
    /// `2026-11-23T10`
    Hour,
    /// `2026-11-23T10:05`
    Minute,
    /// `2026-11-23T10:05:59`
    Second,
}

impl Unit {
    const ALL: [Self; 6] = [
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Hour,
        Self::Minute,
        Self::Second,
    ];

    /// The next smaller unit; a second has none.
    pub fn finer(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }

    fn coarser(self) -> Option<Self> {
        Self::ALL.get((self as usize).checked_sub(1)?).copied()
    }

    /// How many characters of `2026-11-23T10:05:59` name it.
    fn width(self) -> usize {
        [4, 7, 10, 13, 16, 19][self as usize]
    }

    fn span(self) -> Span {
        match self {
            Self::Year => Span::new().years(1),
            Self::Month => Span::new().months(1),
            Self::Day => Span::new().days(1),
            Self::Hour => Span::new().hours(1),
            Self::Minute => Span::new().minutes(1),
            Self::Second => Span::new().seconds(1),
        }
    }
}

/// One year, month, day, hour, minute or second, UTC. Ordered by beginning, the coarser first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    start: DateTime,
    unit: Unit,
}

impl Period {
    /// The period of this unit in which `time` lies. Times outside the years 0 to 9998 count as
    /// 1970.
    pub fn of(unit: Unit, time: Millis) -> Self {
        let at = Timestamp::from_millisecond(time.0)
            .map(|at| TimeZone::UTC.to_datetime(at))
            .ok()
            .filter(|at| (0..=9998).contains(&at.year()))
            .unwrap_or(date(1970, 1, 1).at(0, 0, 0, 0));
        Self::floor(unit, at)
    }

    /// The UTC day that is this many days after 1970-01-01.
    pub fn day(days: i64) -> Self {
        Self::of(Unit::Day, Millis(days.saturating_mul(86_400_000)))
    }

    fn floor(unit: Unit, at: DateTime) -> Self {
        let keep = |of: Unit, value: i8, least: i8| if unit >= of { value } else { least };
        let day = date(
            at.year(),
            keep(Unit::Month, at.month(), 1),
            keep(Unit::Day, at.day(), 1),
        );
        let start = day.at(
            keep(Unit::Hour, at.hour(), 0),
            keep(Unit::Minute, at.minute(), 0),
            keep(Unit::Second, at.second(), 0),
            0,
        );
        Self { start, unit }
    }

    /// Which unit it is one of.
    pub fn unit(self) -> Unit {
        self.unit
    }

    /// The next larger period around it; a year has none.
    pub fn parent(self) -> Option<Self> {
        Some(Self::floor(self.unit.coarser()?, self.start))
    }

    /// All larger periods around it, the smallest first.
    pub fn ancestors(self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), |period| period.parent())
    }

    /// Whether `other` lies in it, or is it.
    pub fn contains(self, other: Self) -> bool {
        self.unit <= other.unit && Self::floor(self.unit, other.start) == self
    }

    /// The times in it.
    pub fn times(self) -> RangeInclusive<Millis> {
        let end = self
            .start
            .checked_add(self.unit.span())
            .expect("periods begin before the year 9999");
        millis(self.start)..=Millis(millis(end).0 - 1)
    }
}

fn millis(at: DateTime) -> Millis {
    let at = TimeZone::UTC
        .to_timestamp(at)
        .expect("periods lie between the years 0 and 9999");
    Millis(at.as_millisecond())
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.start.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        f.write_str(&whole[..self.unit.width()])
    }
}

/// A text names no period.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no period: a year `2026`, or `2026-11`, `2026-11-23` … `2026-11-23T10:05:59`")]
pub struct NotAPeriod(String);

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        const FIRST: &str = "0000-01-01T00:00:00";
        let parse = || {
            let unit = Unit::ALL
                .into_iter()
                .find(|unit| unit.width() == text.len())?;
            let whole = format!("{text}{}", FIRST.get(text.len()..)?);
            let start: DateTime = whole.parse().ok()?;
            Some(Self { start, unit })
        };
        parse()
            // Only the one spelling counts, and only years that have a next.
            .filter(|period| period.start.year() < 9999 && period.to_string() == text)
            .ok_or_else(|| NotAPeriod(text.to_owned()))
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> Period {
        text.parse().unwrap()
    }

    #[test]
    fn periods_are_spelled_in_one_way() {
        for text in [
            "2026",
            "2026-11",
            "2026-11-23",
            "2026-11-23T10",
            "2026-11-23T10:05",
            "2026-11-23T10:05:59",
        ] {
            assert_eq!(period(text).to_string(), text);
        }
        for text in [
            "",
            "26",
            "2026-13",
            "2026-11-23 10",
            "2026-1-1",
            "2026-02-30",
            "９９",
            "9999",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn periods_nest() {
        let second = period("2026-11-23T10:05:59");
        let around: Vec<String> = second
            .ancestors()
            .map(|ancestor| ancestor.to_string())
            .collect();
        assert_eq!(
            around,
            [
                "2026-11-23T10:05",
                "2026-11-23T10",
                "2026-11-23",
                "2026-11",
                "2026"
            ]
        );
        assert!(period("2026").contains(second));
        assert!(!second.contains(period("2026")));
        assert!(!period("2025").contains(second));
    }

    #[test]
    fn times_of_neighbours_touch() {
        for (one, next) in [
            ("2026", "2027"),
            ("2024-02", "2024-03"),
            ("2026-12-31", "2027-01-01"),
            ("2026-11-23T23", "2026-11-24T00"),
        ] {
            assert_eq!(
                period(one).times().end().0 + 1,
                period(next).times().start().0
            );
        }
    }

    #[test]
    fn every_time_is_in_its_period() {
        for time in [0, 1, 1_420_070_400_000, 1_795_428_000_123].map(Millis) {
            for unit in Unit::ALL {
                let period = Period::of(unit, time);
                assert!(period.times().contains(&time), "{time:?} in {period}");
            }
        }
    }
}
