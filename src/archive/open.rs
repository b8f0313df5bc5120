//! The open files: those of all parts by hour and by day.

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::{
    file::{Kind, PartRow, encode, named},
    layout::{Leaf, Partitioner},
    manifest::Open,
    period::{Period, Unit},
    plan::Planner,
    request::PlanError,
    stale::Stale,
};
use crate::{
    Millis,
    manifest::{Counts, sort},
};

impl Planner<'_> {
    /// The open files, of which only the stale ones are read again.
    pub(super) fn open(&mut self, before: &[Open], stale: &Stale) -> Result<Vec<Open>, PlanError> {
        let Some(stamps) = self.stamps else {
            return Ok(Vec::new());
        };
        let mut open: BTreeMap<Period, Open> = BTreeMap::new();
        let ranges: Vec<(RangeInclusive<Millis>, Unit)> = if stale.all_open {
            vec![(stamps.days(), Unit::Day), (stamps.hours(), Unit::Hour)]
        } else {
            let is_kept = |file: &&Open| {
                stamps.open().contains(&file.period.start())
                    && !stale.open.iter().any(|period| period.contains(file.period))
            };
            let kept = before.iter().filter(is_kept);
            open.extend(kept.map(|file| (file.period, file.clone())));
            let stale = stale.open.iter();
            stale
                .map(|period| (period.times(), period.unit()))
                .collect()
        };
        for (times, unit) in ranges.into_iter().filter(|(times, _)| !times.is_empty()) {
            let mut rows = Partitioner::new(self.limits.parts, unit);
            self.recent(&times, &mut |planner, row| {
                for leaf in rows.push(row) {
                    planner.write_open(leaf, &mut open)?;
                }
                Ok(())
            })?;
            if let Some(leaf) = rows.finish() {
                self.write_open(leaf, &mut open)?;
            }
        }
        let open: Vec<Open> = open.into_values().collect();
        self.need(open.iter().map(|open| named(Kind::Rows, open.file.hash)));
        Ok(open)
    }

    fn write_open(
        &mut self,
        mut leaf: Leaf<PartRow>,
        open: &mut BTreeMap<Period, Open>,
    ) -> Result<(), PlanError> {
        let mut rows = Counts::new();
        for row in &leaf.rows {
            *rows.entry(row.table.to_owned()).or_default() += 1;
        }
        sort(&mut rows, self.request.schema);
        let bytes = encode(self.request.schema, &self.request.id, &mut leaf.rows);
        let file = self.store(Kind::Rows, &bytes)?;
        let period = leaf.period;
        open.insert(period, Open { period, file, rows });
        Ok(())
    }
}

/// How long the open files of these times are together.
pub(super) fn bytes_in(open: &[Open], times: &RangeInclusive<Millis>) -> u64 {
    let within = open
        .iter()
        .filter(|open| times.contains(&open.period.start()));
    within
        .map(|open| open.file.bytes)
        .fold(0, u64::saturating_add)
}
