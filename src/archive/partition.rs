//! The splitting rule: which rows share a blob.
//!
//! A period whose rows are together longer than the limit is split into its next smaller periods;
//! years are where it begins, seconds are never split. The rule looks at nothing but the rows, so
//! the same rows lie in the same partitions, whatever was exported before. A row's length adds to
//! its period's and to no other, so an edit never moves the borders of neighbours.
//!
//! Owns the rule, for rows that come in order and for lists of partitions. Knows nothing of tables,
//! sources or hashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use super::{EncodedRow, Entry, Millis, Period, period::Unit};

/// How long the rows of a partition may be together, in bytes.
pub const LIMIT: u64 = 1 << 20;

/// The rows of one partition.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) period: Period,
    times: RangeInclusive<Millis>,
    pub(super) rows: Vec<EncodedRow>,
    /// The sum of the rows' lengths.
    pub(super) bytes: u64,
}

impl Leaf {
    fn new(period: Period) -> Self {
        Self {
            period,
            times: period.times(),
            rows: Vec::new(),
            bytes: 0,
        }
    }

    fn add(&mut self, row: EncodedRow) {
        self.bytes += row.bytes.len() as u64;
        self.rows.push(row);
    }
}

/// Divides rows that come in the order of their times, holding no more of them than one partition's.
pub(super) struct Partitioner {
    limit: u64,
    /// The unit to begin with: all that is coarser is known to be split.
    top: Unit,
    /// The periods around the last row that turned out to be split, the largest first.
    split: Vec<Period>,
    open: Option<Leaf>,
}

impl Partitioner {
    pub(super) fn new(limit: u64, top: Unit) -> Self {
        Self {
            limit,
            top,
            split: Vec::new(),
            open: None,
        }
    }

    /// Takes the next row, whose time is not before the last one's; returns the partitions that
    /// are complete with that.
    pub(super) fn push(&mut self, row: EncodedRow) -> Vec<Leaf> {
        let mut complete = Vec::new();
        let time = row.key.time;
        if let Some(open) = self.open.take_if(|open| !open.times.contains(&time)) {
            complete.push(open);
        }
        let mut open = self.open.take().unwrap_or_else(|| {
            self.split.retain(|period| period.times().contains(&time));
            let unit = match self.split.last() {
                Some(split) => split.unit().finer().expect("seconds are never split"),
                None => self.top,
            };
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

    /// The last partition.
    pub(super) fn finish(self) -> Option<Leaf> {
        self.open
    }
}

fn divide(rows: Vec<EncodedRow>, unit: Unit) -> Vec<Leaf> {
    let mut leaves: Vec<Leaf> = Vec::new();
    for row in rows {
        let period = Period::of(unit, row.key.time);
        if leaves.last().is_none_or(|last| last.period != period) {
            leaves.push(Leaf::new(period));
        }
        leaves.last_mut().expect("there is one by now").add(row);
    }
    leaves
}

/// The periods to read anew when these days changed, none within another: partitions that hold a
/// changed day, and else the largest period around it in which no other partition lies. All that is
/// around them is split, as far as the partitions tell.
pub(super) fn stale_regions(
    entries: &BTreeMap<Period, Entry>,
    days: &BTreeSet<i64>,
) -> BTreeSet<Period> {
    let mut regions: BTreeSet<Period> = BTreeSet::new();
    for day in days.iter().map(|day| Period::day(*day)) {
        if regions.iter().any(|region| region.contains(day)) {
            continue;
        }
        let mut region = std::iter::once(day)
            .chain(day.ancestors())
            .find(|once| entries.contains_key(once))
            .unwrap_or(day);
        let alone = |parent: &Period| {
            !entries
                .keys()
                .any(|key| parent.contains(*key) && !region.contains(*key))
        };
        if let Some(wider) = region.ancestors().take_while(alone).last() {
            region = wider;
        }
        regions.retain(|inner| !region.contains(*inner));
        regions.insert(region);
    }
    regions
}

/// The split periods that are not longer than the limit and so should be one partition each; none
/// within another.
pub(super) fn undersized(
    entries: impl Iterator<Item = (Period, u64)>,
    limit: u64,
) -> BTreeSet<Period> {
    let mut sums: BTreeMap<Period, u64> = BTreeMap::new();
    for (period, bytes) in entries {
        for around in period.ancestors() {
            *sums.entry(around).or_default() += bytes;
        }
    }
    let small: BTreeSet<Period> = sums
        .into_iter()
        .filter(|(_, bytes)| *bytes <= limit)
        .map(|(period, _)| period)
        .collect();
    small
        .iter()
        .copied()
        .filter(|period| !period.ancestors().any(|around| small.contains(&around)))
        .collect()
}
