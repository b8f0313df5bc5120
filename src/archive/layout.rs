//! Where a row lies: a function of its time and of two stamps, and of nothing that was exported before.
//!
//! Rows of a space's parts from `hours_from` on lie in the open file of their hour, from `days_from` on in that
//! of their day, and before in the base: files by part, table and period. A space's own tables are always in the
//! base. What is longer than a limit is split into the next smaller periods. Owns these rules; knows nothing of
//! tables, sources and hashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use serde::{Deserialize, Serialize};

use super::period::{Period, Unit};
use crate::{Level, Millis};

/// How long the rows of a file may be together, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In a file of parts. An hour that is as long stays the same file when it lies in its day: so little is
    /// written twice where much is said, and an old row that changes takes little with it.
    pub parts: u64,
    /// In a file of a space's own tables. One member who changes writes a file of members again, and readers want few:
    /// with 700 members, these are two files.
    pub own: u64,
    /// What readers let stay whole in a space's own tables. Archives from when `own` was larger have such files.
    pub own_whole: u64,
    /// What readers let stay split in a space's own tables: files of a year or more, and files within a year that
    /// are together longer than this. Archives from before `own` was larger, and periods longer, have such files.
    pub own_apart: u64,
}

/// The limits of the format.
pub const LIMITS: Limits = Limits {
    parts: 1 << 20,
    own: 96 << 10,
    own_whole: 128 << 10,
    own_apart: 64 << 10,
};

const HOUR: i64 = 3_600_000;

/// Every time there is.
pub const ALWAYS: RangeInclusive<Millis> = Millis(i64::MIN)..=Millis(i64::MAX);

/// The times before this one.
pub fn before(time: Millis) -> RangeInclusive<Millis> {
    Millis(i64::MIN)..=Millis(time.0 - 1)
}

/// Whether a row may have this time: the calendar of the layout ends after the year 9998.
pub fn is_row_time(time: Millis) -> bool {
    Period::of(Unit::Second, time).times().contains(&time)
}

/// From when on the rows of a space's parts lie in open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps {
    /// The day from which on they lie by hour.
    pub hours_from: Period,
    /// The month from which on they lie by day. It is not after `hours_from`.
    pub days_from: Period,
}

impl Stamps {
    /// The stamps of a space whose newest row is of this time, leaving out those that are later than the clock.
    ///
    /// A day is closed an hour after its end, a month a day after its end. So there are at most 55 open files, unless
    /// some are split: 30 days, and 25 hours.
    pub fn of(newest: Millis) -> Self {
        let earlier = |hours: i64| Millis(newest.0.saturating_sub(hours * HOUR));
        Self {
            hours_from: Period::of(Unit::Day, earlier(1)),
            days_from: Period::of(Unit::Month, earlier(24)),
        }
    }

    /// The later of each: stamps never move back.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        Self {
            hours_from: self.hours_from.max(other.hours_from),
            days_from: self.days_from.max(other.days_from),
        }
    }

    /// Whether they are a day and a month, in that order.
    pub fn are_sound(self) -> bool {
        (self.hours_from.unit(), self.days_from.unit()) == (Unit::Day, Unit::Month)
            && self.days_from.start() <= self.hours_from.start()
    }

    /// The times of rows in open files.
    pub fn open(self) -> RangeInclusive<Millis> {
        self.days_from.start()..=*ALWAYS.end()
    }

    /// The times of rows in files by day.
    pub fn days(self) -> RangeInclusive<Millis> {
        self.days_from.start()..=Millis(self.hours_from.start().0 - 1)
    }

    /// The times of rows in files by hour.
    pub fn hours(self) -> RangeInclusive<Millis> {
        self.hours_from.start()..=*ALWAYS.end()
    }

    /// The hour or day that a time which lies in open files belongs to: the largest file that it may lie in.
    pub fn open_period(self, time: Millis) -> Period {
        let is_hour = time >= self.hours_from.start();
        Period::of(if is_hour { Unit::Hour } else { Unit::Day }, time)
    }
}

/// Where the base of a table ends, and how coarse its files may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// The rows before this month are in the base; `None`: all are.
    until: Option<Period>,
    /// The largest unit of a file.
    top: Unit,
    /// How long the rows of a file may be together, in bytes.
    pub limit: u64,
    /// What is longer than this must be split.
    pub whole: u64,
    /// What is not longer than this, and within a year, may not be split.
    apart: u64,
}

impl Base {
    /// The base of tables of this level.
    pub fn of(level: Level, stamps: Option<Stamps>, limits: Limits) -> Self {
        match level {
            Level::Space => Self {
                until: None,
                top: Unit::Century,
                limit: limits.own,
                whole: limits.own_whole,
                apart: limits.own_apart,
            },
            Level::Part => Self {
                until: stamps.map(|stamps| stamps.days_from),
                top: Unit::Year,
                limit: limits.parts,
                whole: limits.parts,
                apart: limits.parts,
            },
        }
    }

    /// The times of its rows.
    pub fn times(self) -> RangeInclusive<Millis> {
        self.until.map_or(ALWAYS, |until| before(until.start()))
    }

    /// Its times in ranges, each with the largest period that a file in it may have. A year that is not over is
    /// never one file: it would be written again each month.
    pub fn ranges(self) -> Vec<(RangeInclusive<Millis>, Unit)> {
        let Some(until) = self.until else {
            return vec![(ALWAYS, self.top)];
        };
        let year = Period::of(Unit::Year, until.start()).start();
        let months = year..=*self.times().end();
        vec![(before(year), self.top), (months, Unit::Month)]
    }

    /// Whether a file may have this period.
    pub fn allows(self, period: Period) -> bool {
        let whole = if period.unit() < Unit::Month {
            Period::of(Unit::Year, period.start()) // which must be over
        } else {
            period
        };
        let is_over = |until: Period| whole.end() < until.start();
        period.unit() >= self.top && self.until.is_none_or(is_over)
    }

    /// The periods to read again when rows of these periods changed, none within another: files that hold such
    /// a period, and else the largest period around it in which no other file lies. All that is around them is
    /// split, as far as the files tell.
    pub fn stale_regions<T>(
        self,
        files: &BTreeMap<Period, T>,
        changed: &BTreeSet<Period>,
    ) -> BTreeSet<Period> {
        let mut regions: BTreeSet<Period> = BTreeSet::new();
        for period in changed.iter().copied() {
            if regions.iter().any(|region| region.contains(period)) {
                continue;
            }
            let mut around = std::iter::once(period).chain(period.ancestors());
            let file = around.find(|around| files.contains_key(around));
            let mut region = file.unwrap_or(period);
            let alone = |around: &Period| {
                let mut others = files.keys().filter(|file| around.contains(**file));
                self.allows(*around) && others.all(|file| region.contains(*file))
            };
            if let Some(wider) = region.ancestors().take_while(alone).last() {
                region = wider;
            }
            regions.retain(|inner| !region.contains(*inner));
            regions.insert(region);
        }
        regions
    }

    /// The periods whose files are not as an export makes them: what is split although one file may hold it, and what is
    /// too long for one. None is within another. Takes the length of each file's rows.
    pub fn to_divide_again(
        self,
        files: impl Iterator<Item = (Period, u64)> + Clone,
    ) -> BTreeSet<Period> {
        let mut periods = undersized(files.clone(), self.limit, |period| self.allows(period));
        let is_too_long = |(period, bytes): &(Period, u64)| {
            *bytes > self.limit && period.unit().finer().is_some()
        };
        periods.extend(files.filter(is_too_long).map(|(period, _)| period));
        periods
    }

    /// A period that is split although no export ever did that. Takes the length of each file's rows.
    pub fn needlessly_split(self, files: impl Iterator<Item = (Period, u64)>) -> Option<Period> {
        let allows = |period: Period| period.unit() >= Unit::Year && self.allows(period);
        undersized(files, self.apart, allows).pop_first()
    }
}

/// The periods whose rows are split over several files although they are not longer than the limit, and a file
/// may hold them; none within another. Takes the length of each file's rows.
pub fn undersized(
    files: impl Iterator<Item = (Period, u64)>,
    limit: u64,
    allows: impl Fn(Period) -> bool,
) -> BTreeSet<Period> {
    let mut sums: BTreeMap<Period, u64> = BTreeMap::new();
    for (period, bytes) in files {
        for around in period.ancestors().take_while(|around| allows(*around)) {
            let sum = sums.entry(around).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }
    let small = sums.into_iter().filter(|(_, bytes)| *bytes <= limit);
    let small: BTreeSet<Period> = small.map(|(period, _)| period).collect();
    let is_outermost = |period: &Period| !period.ancestors().any(|around| small.contains(&around));
    small.iter().copied().filter(is_outermost).collect()
}

/// What is divided into files.
pub trait Timed {
    /// When its row was made.
    fn time(&self) -> Millis;
    /// How long it is in its file, in bytes.
    fn bytes(&self) -> u64;
}

/// The rows of one file.
#[derive(Debug)]
pub struct Leaf<T> {
    /// When they are of.
    pub period: Period,
    /// In the order of their times.
    pub rows: Vec<T>,
    /// The sum of the rows' lengths.
    pub bytes: u64,
}

impl<T: Timed> Leaf<T> {
    fn new(period: Period) -> Self {
        Self {
            period,
            rows: Vec::new(),
            bytes: 0,
        }
    }

    fn add(&mut self, row: T) {
        self.bytes += row.bytes();
        self.rows.push(row);
    }
}

/// Divides rows that come in the order of their times, holding no more of them than one file's.
pub struct Partitioner<T> {
    limit: u64,
    /// The largest unit of a file.
    top: Unit,
    /// The periods around the last row that turned out to be split, the largest first.
    split: Vec<Period>,
    open: Option<Leaf<T>>,
}

impl<T: Timed> Partitioner<T> {
    /// Into files that are no longer than `limit` and no larger than `top`, as large as that allows.
    pub fn new(limit: u64, top: Unit) -> Self {
        Self {
            limit,
            top,
            split: Vec::new(),
            open: None,
        }
    }

    /// Takes the next row, whose time is not before the last one's; returns the files that are complete with
    /// that.
    pub fn push(&mut self, row: T) -> Vec<Leaf<T>> {
        let mut complete = Vec::new();
        let time = row.time();
        let is_over = |open: &mut Leaf<T>| !open.period.times().contains(&time);
        complete.extend(self.open.take_if(is_over));
        let mut open = self.open.take().unwrap_or_else(|| {
            self.split.retain(|period| period.times().contains(&time));
            let finer = self.split.last().map(|split| split.unit().finer());
            let unit = finer.map_or(self.top, |unit| unit.expect("seconds are never split"));
            Leaf::new(Period::of(unit, time))
        });
        open.add(row);
        while open.bytes > self.limit
            && let Some(finer) = open.period.unit().finer()
        {
            self.split.push(open.period);
            let mut children = divide(open.rows, finer);
            open = children.pop().expect("what is too long has rows");
            complete.append(&mut children);
        }
        self.open = Some(open);
        complete
    }

    /// The last file.
    pub fn finish(self) -> Option<Leaf<T>> {
        self.open
    }
}

fn divide<T: Timed>(rows: Vec<T>, unit: Unit) -> Vec<Leaf<T>> {
    let mut leaves: Vec<Leaf<T>> = Vec::new();
    for row in rows {
        let period = Period::of(unit, row.time());
        if leaves.last().is_none_or(|last| last.period != period) {
            leaves.push(Leaf::new(period));
        }
        leaves.last_mut().expect("there is one by now").add(row);
    }
    leaves
}
