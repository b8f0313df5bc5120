//! Stretches of time for charts: months, or more months at once if they would be too many.

use jiff::{Timestamp, tz::TimeZone};
use propsbot_archive::Millis;

/// How many months a stretch can have.
const UNITS: [i32; 4] = [1, 3, 12, 60];

/// Consecutive stretches of equal months, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// The first month, in months since the year 0.
    first: i32,
    /// How many months each has.
    months: i32,
    /// How many there are.
    pub(crate) count: usize,
}

/// The month of a time, in months since the year 0.
pub(crate) fn month_of(time: Millis) -> i32 {
    let time = Timestamp::from_millisecond(time.0).unwrap_or_default();
    let date = TimeZone::UTC.to_datetime(time).date();
    i32::from(date.year()) * 12 + i32::from(date.month()) - 1
}

/// A month as `2026-03`.
pub(crate) fn month_text(month: i32) -> String {
    format!(
        "{:04}-{:02}",
        month.div_euclid(12),
        month.rem_euclid(12) + 1
    )
}

/// The first millisecond of a month.
fn start_of(month: i32) -> Millis {
    let date = format!("{}-01T00:00:00Z", month_text(month));
    let start = date.parse::<Timestamp>();
    Millis(start.unwrap_or_default().as_millisecond())
}

impl Buckets {
    /// The shortest ones that cover both months, at most this many if that is possible.
    pub(crate) fn over(first: i32, last: i32, most: usize) -> Self {
        let of = |months: i32| {
            let (first, last) = (first.div_euclid(months), last.div_euclid(months));
            Self {
                first: first * months,
                months,
                count: usize::try_from(last - first + 1).unwrap_or(1),
            }
        };
        let fitting = UNITS.into_iter().map(of).find(|made| made.count <= most);
        fitting.unwrap_or_else(|| of(UNITS[3]))
    }

    /// Which one a month is in.
    pub(crate) fn index(&self, month: i32) -> Option<usize> {
        let index = usize::try_from((month - self.first).div_euclid(self.months)).ok()?;
        (index < self.count).then_some(index)
    }

    /// The first millisecond of one, and that of the next.
    pub(crate) fn bounds(&self, index: usize) -> (Millis, Millis) {
        let start = self.start(index);
        (start_of(start), start_of(start + self.months))
    }

    fn start(&self, index: usize) -> i32 {
        self.first + self.months * i32::try_from(index).unwrap_or(i32::MAX / self.months / 2)
    }

    /// What one is called: `2026-03`, `2026 Q1`, `2026`, `2025–2029`.
    pub(crate) fn label(&self, index: usize) -> String {
        let start = self.start(index);
        let year = start.div_euclid(12);
        match self.months {
            1 => month_text(start),
            3 => format!("{year} Q{}", start.rem_euclid(12) / 3 + 1),
            12 => year.to_string(),
            months => format!("{year}–{}", year + months / 12 - 1),
        }
    }

    /// `month`, `quarter`, …
    pub(crate) fn unit(&self) -> &'static str {
        match self.months {
            1 => "month",
            3 => "quarter",
            12 => "year",
            _ => "five years",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_as_short_as_fits() {
        let month = |year: i32, month: i32| year * 12 + month - 1;
        for (first, last, label, count) in [
            (month(2026, 3), month(2026, 3), "2026-03", 1),
            (month(2023, 5), month(2026, 4), "2023-05", 36),
            (month(2023, 5), month(2026, 5), "2023 Q2", 13),
            (month(2016, 12), month(2026, 3), "2016", 11),
            (month(1970, 1), month(2262, 1), "1970–1974", 59),
        ] {
            let made = Buckets::over(first, last, 36);
            assert_eq!((made.label(0).as_str(), made.count), (label, count));
            assert_eq!(made.index(first), Some(0));
            assert_eq!(made.index(last), Some(count - 1));
            assert_eq!(made.index(last + 60), None);
            assert_eq!(made.index(first - 60), None);
        }
    }

    #[test]
    fn bounds_are_those_of_the_calendar() {
        let february = Buckets::over(2024 * 12 + 1, 2024 * 12 + 1, 36);
        let (from, to) = february.bounds(0);
        assert_eq!(to.0 - from.0, 29 * 86_400_000);
        assert_eq!(month_of(from), 2024 * 12 + 1);
        assert_eq!(month_of(Millis(from.0 - 1)), 2024 * 12);
    }
}
