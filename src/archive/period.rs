//! Periods of the calendar, UTC: the borders between files.
//!
//! Owns which periods there are, how they nest, and how they are spelled.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use jiff::{
    Span, Timestamp,
    civil::{DateTime, date},
    tz::TimeZone,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Millis;

/// The calendar's units, from the coarsest to the finest. Each divides the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// `2000/P100Y`
    Century,
    /// `2020/P20Y`
    TwentyYears,
    /// `2024/P4Y`
    FourYears,
    /// `2026/P2Y`
    TwoYears,
    /// `2026`
    Year,
    /// `2026-07/P6M`
    HalfYear,
    /// `2026-10/P3M`
    Quarter,
    /// `2026-11`
    Month,
    /// `2026-11-21/P10D`: a month's days 1 to 10, 11 to 20, and from 21 on
    TenDays,
    /// `2026-11-23`
    Day,
    /// `2026-11-23T12/PT12H`
    HalfDay,
    /// `2026-11-23T18/PT6H`
    QuarterDay,
    /// `2026-11-23T21/PT3H`
    ThreeHours,
    /// `2026-11-23T22`
    Hour,
    /// `2026-11-23T22:30/PT30M`
    HalfHour,
    /// `2026-11-23T22:50/PT10M`
    TenMinutes,
    /// `2026-11-23T22:55`
    Minute,
    /// `2026-11-23T22:55:59`
    Second,
}

impl Unit {
    const ALL: [Self; 18] = [
        Self::Century,
        Self::TwentyYears,
        Self::FourYears,
        Self::TwoYears,
        Self::Year,
        Self::HalfYear,
        Self::Quarter,
        Self::Month,
        Self::TenDays,
        Self::Day,
        Self::HalfDay,
        Self::QuarterDay,
        Self::ThreeHours,
        Self::Hour,
        Self::HalfHour,
        Self::TenMinutes,
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

    /// How it is spelled: how many characters of `2026-11-23T22:55:59`, and what follows them.
    fn spelling(self) -> (usize, &'static str) {
        match self {
            Self::Century => (4, "/P100Y"),
            Self::TwentyYears => (4, "/P20Y"),
            Self::FourYears => (4, "/P4Y"),
            Self::TwoYears => (4, "/P2Y"),
            Self::Year => (4, ""),
            Self::HalfYear => (7, "/P6M"),
            Self::Quarter => (7, "/P3M"),
            Self::Month => (7, ""),
            Self::TenDays => (10, "/P10D"),
            Self::Day => (10, ""),
            Self::HalfDay => (13, "/PT12H"),
            Self::QuarterDay => (13, "/PT6H"),
            Self::ThreeHours => (13, "/PT3H"),
            Self::Hour => (13, ""),
            Self::HalfHour => (16, "/PT30M"),
            Self::TenMinutes => (16, "/PT10M"),
            Self::Minute => (16, ""),
            Self::Second => (19, ""),
        }
    }

    /// How many years, months, days, hours or minutes it has: one for units that are no such pieces.
    fn length(self) -> i8 {
        match self {
            Self::Century => 100,
            Self::TwentyYears => 20,
            Self::FourYears => 4,
            Self::TwoYears => 2,
            Self::HalfYear | Self::QuarterDay => 6,
            Self::Quarter | Self::ThreeHours => 3,
            Self::TenDays | Self::TenMinutes => 10,
            Self::HalfDay => 12,
            Self::HalfHour => 30,
            _ => 1,
        }
    }

    fn span(self) -> Span {
        let (span, length) = (Span::new(), i64::from(self.length()));
        match self {
            Self::Century | Self::TwentyYears | Self::FourYears | Self::TwoYears | Self::Year => {
                span.years(length)
            }
            Self::HalfYear | Self::Quarter | Self::Month => span.months(length),
            Self::TenDays | Self::Day => span.days(length),
            Self::HalfDay | Self::QuarterDay | Self::ThreeHours | Self::Hour => span.hours(length),
            Self::HalfHour | Self::TenMinutes | Self::Minute => span.minutes(length),
            Self::Second => span.seconds(1),
        }
    }
}

/// One of the calendar's centuries, years, months, …, seconds, UTC. Ordered by beginning, the coarser first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    start: DateTime,
    unit: Unit,
}

impl Period {
    /// The period of this unit in which `time` lies. Times outside the years 0 to 9998 count as
    /// 1970-01-01T00:00Z.
    pub fn of(unit: Unit, time: Millis) -> Self {
        let at = Timestamp::from_millisecond(time.0)
            .map(|at| TimeZone::UTC.to_datetime(at))
            .ok()
            .filter(|at| (0..=9998).contains(&at.year()))
            .unwrap_or(date(1970, 1, 1).at(0, 0, 0, 0));
        Self::floor(unit, at)
    }

    fn floor(unit: Unit, at: DateTime) -> Self {
        // What is finer than the unit is the least; of the unit's own pieces, only as many as are whole.
        let keep = |first: Unit, last: Unit, value: i8, least: i8| match unit {
            unit if unit < first => least,
            unit if unit <= last => value - (value - least) % unit.length(),
            _ => value,
        };
        let year = if unit < Unit::Year {
            at.year() - at.year() % i16::from(unit.length())
        } else {
            at.year()
        };
        let month = keep(Unit::HalfYear, Unit::Month, at.month(), 1);
        // The 31st is one of the days from the 21st on.
        let day = if unit == Unit::TenDays {
            at.day().min(30)
        } else {
            at.day()
        };
        let day = keep(Unit::TenDays, Unit::Day, day, 1);
        let hour = keep(Unit::HalfDay, Unit::Hour, at.hour(), 0);
        let minute = keep(Unit::HalfHour, Unit::Minute, at.minute(), 0);
        let second = keep(Unit::Second, Unit::Second, at.second(), 0);
        let start = date(year, month, day).at(hour, minute, second, 0);
        Self { start, unit }
    }

    /// Which unit it is one of.
    pub fn unit(self) -> Unit {
        self.unit
    }

    /// All larger periods around it, the smallest first.
    pub fn ancestors(self) -> impl Iterator<Item = Self> {
        let parent = |period: &Self| Some(Self::floor(period.unit.coarser()?, period.start));
        std::iter::successors(parent(&self), parent)
    }

    /// Whether `other` lies in it, or is it.
    pub fn contains(self, other: Self) -> bool {
        self.unit <= other.unit && Self::floor(self.unit, other.start) == self
    }

    /// The periods of a unit in a range of times, the first and the last of which may begin or end outside it.
    pub fn all(unit: Unit, times: RangeInclusive<Millis>) -> impl Iterator<Item = Self> {
        let first = (!times.is_empty()).then(|| Self::of(unit, *times.start()));
        let next = move |period: &Self| {
            let next = Self::of(unit, Millis(period.end().0 + 1));
            (next > *period).then_some(next) // the calendar ends
        };
        let all = std::iter::successors(first, next);
        all.take_while(move |period| period.start() <= *times.end())
    }

    /// Its first millisecond.
    pub fn start(self) -> Millis {
        millis(self.start)
    }

    /// Its last millisecond: at the latest, that of the year 9998.
    pub fn end(self) -> Millis {
        let (start, unit) = match self.unit {
            Unit::TenDays if self.start.day() > 20 => (self.start.first_of_month(), Unit::Month),
            unit => (self.start, unit),
        };
        let end_of_calendar = date(9999, 1, 1).at(0, 0, 0, 0);
        let next = start.checked_add(unit.span());
        let next = next.map_or(end_of_calendar, |next| next.min(end_of_calendar));
        Millis(millis(next).0 - 1)
    }

    /// The times in it.
    pub fn times(self) -> RangeInclusive<Millis> {
        self.start()..=self.end()
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
        let (width, suffix) = self.unit.spelling();
        write!(f, "{}{suffix}", &whole[..width])
    }
}

/// A text names no period.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no period, such as `2026`, `2024/P4Y`, `2026-11-23`, `2026-11-23T12/PT6H` or `2026-11-23T10:05:59`"
)]
pub struct NotAPeriod(String);

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        const FIRST: &str = "0000-01-01T00:00:00";
        let parse = || {
            let at = text.find('/').unwrap_or(text.len());
            let (date, suffix) = text.split_at(at);
            let spelling = (date.len(), suffix);
            let unit = Unit::ALL
                .into_iter()
                .find(|unit| unit.spelling() == spelling)?;
            let start = format!("{date}{}", FIRST.get(date.len()..)?).parse().ok()?;
            Some(Self { start, unit })
        };
        parse()
            // Only the one spelling counts, only whole periods, and only years that have a next.
            .filter(|period| period.start.year() < 9999 && period.to_string() == text)
            .filter(|period| Self::floor(period.unit, period.start) == *period)
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
    fn periods_nest_and_are_spelled_in_one_way() {
        let around = [
            "2026-11-23T22:55",
            "2026-11-23T22:50/PT10M",
            "2026-11-23T22:30/PT30M",
            "2026-11-23T22",
            "2026-11-23T21/PT3H",
            "2026-11-23T18/PT6H",
            "2026-11-23T12/PT12H",
            "2026-11-23",
            "2026-11-21/P10D",
            "2026-11",
            "2026-10/P3M",
            "2026-07/P6M",
            "2026",
            "2026/P2Y",
            "2024/P4Y",
            "2020/P20Y",
            "2000/P100Y",
        ];
        let second = period("2026-11-23T22:55:59");
        let ancestors = second.ancestors().map(|ancestor| ancestor.to_string());
        assert!(ancestors.eq(around));
        for text in around {
            assert_eq!(period(text).to_string(), text);
            assert!(period(text).contains(second), "{text}");
            assert!(!second.contains(period(text)), "{text}");
        }
        for text in [
            "",
            "26",
            "2026-13",
            "2026-1-1",
            "2026-02-30",
            "９９",
            "9999",
            "2026-11-23T22/PT3H",
            "2026-11-23T22/PT1H",
            "2026-11-23/PT12H",
            "2026-11-31/P10D",
            "2026-11-10/P10D",
            "2026-11/P3M",
            "2026-10/P6M",
            "2026-11-23T22:55/PT10M",
            "2026/",
            "2026/P1Y",
            "2025/P2Y",
            "2026/P4Y",
            "2026/P20Y",
            "2020/P100Y",
            "2026-01/P2Y",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_time_is_in_its_periods() {
        let minutes = (0..1_000_000)
            .step_by(7)
            .map(|minute| Millis(1_798_000_000_000 + minute * 60_000));
        for time in minutes.chain([Millis(0), Millis(-1), Millis(1_795_428_000_123)]) {
            let mut around: Option<Period> = None;
            for unit in Unit::ALL {
                let period = Period::of(unit, time);
                assert!(period.times().contains(&time), "{time:?} in {period}");
                if let Some(around) = around {
                    assert!(around.contains(period), "{around}, {period}");
                    assert!(around.start() <= period.start() && period.end() <= around.end());
                }
                around = Some(period);
            }
        }
    }

    #[test]
    fn neighbours_touch() {
        for (one, next) in [
            ("1900/P100Y", "2000/P100Y"),
            ("2000/P20Y", "2020/P20Y"),
            ("2020/P4Y", "2024/P4Y"),
            ("2024/P2Y", "2026/P2Y"),
            ("2026", "2027"),
            ("2026-07/P6M", "2027-01/P6M"),
            ("2026-10/P3M", "2027-01/P3M"),
            ("2024-02", "2024-03"),
            ("2024-02-11/P10D", "2024-02-21/P10D"),
            ("2024-02-21/P10D", "2024-03-01/P10D"),
            ("2026-12-21/P10D", "2027-01-01/P10D"),
            ("2026-12-31", "2027-01-01"),
            ("2026-12-31T12/PT12H", "2027-01-01T00/PT12H"),
            ("2026-11-23T23", "2026-11-24T00"),
        ] {
            assert_eq!(period(one).end().0 + 1, period(next).start().0);
            let times = period(one).start()..=period(next).start();
            let unit = period(one).unit();
            assert!(Period::all(unit, times).eq([period(one), period(next)]));
        }
    }

    #[test]
    fn the_calendar_ends_with_the_year_9998() {
        let last = period("9998").end();
        for text in ["9900/P100Y", "9980/P20Y", "9996/P4Y", "9998/P2Y"] {
            assert_eq!(period(text).end(), last, "{text}");
            let all = Period::all(period(text).unit(), period("9998").times());
            assert!(all.eq([period(text)]), "{text}");
        }
        assert_eq!(period("0000/P100Y").start(), period("0000").start());
    }
}
