//! Brings one table's partitions up to date, reading no more than changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use super::{PlanError, Planner, tasks::Extent};
use crate::{
    Entry, Hash, Id, Millis, Object, Period, Scope, Unit,
    partition::{Leaf, Partitioner, stale_regions, undersized},
    row::encode_blob,
};

impl Planner<'_> {
    /// The partitions of a table, of which only some are read anew.
    pub(super) fn read_table(
        &mut self,
        scope: &Scope,
        table: &'static str,
        before: &[Entry],
        extent: &Extent,
    ) -> Result<Vec<Entry>, PlanError> {
        let mut entries: BTreeMap<Period, Entry> = before
            .iter()
            .map(|before| (before.period, *before))
            .collect();
        let mut regions = match extent {
            Extent::All => {
                entries.clear();
                let all = Millis(i64::MIN)..=Millis(i64::MAX);
                self.read_rows(scope, table, all, Unit::Year, &mut entries)?;
                BTreeSet::new()
            }
            Extent::Days(days) => stale_regions(&entries, days),
        };
        loop {
            for region in &regions {
                entries.retain(|period, _| !region.contains(*period));
                self.read_rows(scope, table, region.times(), region.unit(), &mut entries)?;
            }
            // What shrank may have to be joined with its neighbours.
            regions = undersized(
                entries.values().map(|entry| (entry.period, entry.bytes)),
                self.limit,
            );
            if regions.is_empty() {
                return Ok(entries.into_values().collect());
            }
        }
    }

    fn read_rows(
        &mut self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        top: Unit,
        entries: &mut BTreeMap<Period, Entry>,
    ) -> Result<(), PlanError> {
        // The ids of the parts that go out, if these are the rows of parts.
        let schema = self.request.schema;
        let parts: Option<BTreeSet<&Id>> = (table == schema.parts).then(|| {
            let spaces = self.request.spaces.iter();
            let own = spaces.filter(|space| space.id == scope.space);
            own.flat_map(|space| &space.parts)
                .map(|part| &part.id)
                .collect()
        });
        let mut partitioner = Partitioner::new(self.limit, top);
        let mut last = *times.start();
        // An error of ours, carried past the source, which knows only its own.
        let mut ours = None;
        let source = self.source;
        let outcome = source.scan(scope, table, times.clone(), &mut |row| {
            let time = row.key.time;
            if time < last || !times.contains(&time) {
                return Err(format!("a row of {time:?} came out of order, after {last:?}").into());
            }
            last = time;
            // No source's mistake shall show what is private.
            if let Some(parts) = &parts
                && !row.part.as_ref().is_some_and(|part| parts.contains(part))
            {
                return Ok(());
            }
            for leaf in partitioner.push(row) {
                if let Err(error) = self.write_leaf(leaf, entries) {
                    ours = Some(error);
                    return Err("the export was stopped".into());
                }
            }
            Ok(())
        });
        if let Some(error) = ours {
            return Err(error);
        }
        outcome.map_err(|source| PlanError::Source {
            scope: scope.clone(),
            table,
            source,
        })?;
        match partitioner.finish() {
            Some(leaf) => self.write_leaf(leaf, entries),
            None => Ok(()),
        }
    }

    fn write_leaf(
        &mut self,
        mut leaf: Leaf,
        entries: &mut BTreeMap<Period, Entry>,
    ) -> Result<(), PlanError> {
        leaf.rows.sort_by(|one, other| one.key.cmp(&other.key));
        let bytes = encode_blob(&leaf.rows);
        let blob = Hash::of(&bytes);
        let rows = leaf.rows.len() as u64;
        entries.insert(
            leaf.period,
            Entry {
                period: leaf.period,
                rows,
                bytes: leaf.bytes,
                blob,
            },
        );
        let path = blob.blob_path();
        if self.put(Object { path, bytes })? {
            self.summary.blobs += 1;
            self.summary.rows += rows;
        }
        Ok(())
    }

    /// Hands on an object, unless the archive has it; returns whether it was new.
    pub(super) fn put(&mut self, object: Object) -> Result<bool, PlanError> {
        let is_there =
            self.unneeded.contains(&object.path) && !self.request.anew.contains(&object.path);
        if is_there || self.written.contains(&object.path) {
            return Ok(false);
        }
        self.written.insert(object.path.clone());
        self.summary.bytes += object.bytes.len() as u64;
        (self.put)(object)?;
        Ok(true)
    }
}
