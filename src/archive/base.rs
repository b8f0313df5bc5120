//! The base of one scope: brings its tables up to date, reading no more than changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use indexmap::IndexMap;

use super::{
    file::{FileRef, Kind, PartRow, encode, named, overhead},
    layout::{Base, Leaf, Partitioner},
    manifest::{Entry, Index, print},
    period::{Period, Unit},
    plan::Planner,
    request::PlanError,
    stale::Stale,
};
use crate::{Id, Millis, Scope, manifest::Counts};

/// How long rows may be together that are held in memory while months are closed.
const PASS: u64 = 64 << 20;

/// Which rows of a table to read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All.
    All,
    /// Those of these times.
    Periods(BTreeSet<Period>),
}

/// The files of a table.
pub(super) type Entries = BTreeMap<Period, Entry>;

/// The files of tables.
pub(super) type Tables = BTreeMap<&'static str, Entries>;

impl Planner<'_> {
    /// The files of months that are closed: the rows in them are no longer in open files.
    pub(super) fn closed(
        &mut self,
        months: &RangeInclusive<Millis>,
        open: u64,
        stale: &Stale,
    ) -> Result<BTreeMap<Id, Tables>, PlanError> {
        let mut closed: BTreeMap<Id, Tables> = BTreeMap::new();
        if months.is_empty() {
            return Ok(closed);
        }
        let passes = open / PASS + 1;
        for pass in 0..passes {
            let mut rows: BTreeMap<(Id, &'static str), Partitioner<PartRow>> = BTreeMap::new();
            self.recent(months, &mut |planner, row| {
                let part = row.part.clone().expect("those of parts are asked for");
                let is_read_anyway =
                    stale.reads_all(&Scope::part(&planner.request.id, &part), row.table);
                if u64::from(super::manifest::shard_of(&part)) % passes != pass || is_read_anyway {
                    return Ok(());
                }
                let key = (part, row.table);
                let new = || Partitioner::new(planner.limits.parts, Unit::Month);
                let complete = rows.entry(key.clone()).or_insert_with(new).push(row);
                let entries = closed.entry(key.0).or_default().entry(key.1).or_default();
                complete
                    .into_iter()
                    .try_for_each(|leaf| planner.write(leaf, entries))
            })?;
            for ((part, table), rows) in rows {
                let entries = closed.entry(part).or_default().entry(table).or_default();
                if let Some(leaf) = rows.finish() {
                    self.write(leaf, entries)?;
                }
            }
        }
        Ok(closed)
    }

    /// Brings an index up to date, with the files that it names. Returns what names it, and its rows.
    pub(super) fn index(
        &mut self,
        scope: &Scope,
        (listed, rows): (Option<FileRef>, Counts),
        is_kept: bool,
        extents: &BTreeMap<&'static str, Extent>,
        mut closed: Tables,
    ) -> Result<(Option<FileRef>, Counts), PlanError> {
        let mut before = match listed {
            Some(file) => self.load(scope.part.as_ref(), (file, &rows))?,
            None => IndexMap::new(),
        };
        if !is_kept {
            before.clear();
        }
        let base = Base::of(scope.level(), self.stamps, self.limits);
        let mut tables = IndexMap::new();
        for table in self.request.schema.tables_of(scope.level()) {
            let entries = before.swap_remove(table.name).unwrap_or_default();
            let mut entries: Entries = entries
                .into_iter()
                .map(|entry| (entry.period, entry))
                .collect();
            entries.extend(closed.remove(table.name).unwrap_or_default());
            let mut regions = match extents.get(table.name) {
                Some(Extent::All) => {
                    entries.clear();
                    for (times, unit) in base.ranges() {
                        self.read(scope, table.name, times, (base.limit, unit), &mut entries)?;
                    }
                    BTreeSet::new()
                }
                Some(Extent::Periods(periods)) => base.stale_regions(&entries, periods),
                None => BTreeSet::new(),
            };
            loop {
                for region in &regions {
                    entries.retain(|period, _| !region.contains(*period));
                    let (times, limits) = (region.times(), (base.limit, region.unit()));
                    self.read(scope, table.name, times, limits, &mut entries)?;
                }
                // What shrank, or lies in a year that is over now, may have to be joined with its neighbours. What an
                // earlier version left whole is split.
                regions = base.to_divide_again(entries.values().map(|entry| {
                    let head = overhead(&scope.space, scope.part.as_ref(), table.name, entry.rows);
                    (entry.period, entry.file.bytes.saturating_sub(head))
                }));
                if regions.is_empty() {
                    break;
                }
            }
            if !entries.is_empty() {
                tables.insert(table.name.to_owned(), entries.into_values().collect());
            }
        }
        if tables.is_empty() {
            return Ok((None, Counts::new()));
        }
        let index = Index {
            space: scope.space.clone(),
            part: scope.part.clone(),
            tables,
        };
        let file = self.store(Kind::Index, &print(&index))?;
        self.need(index.paths().chain([named(Kind::Index, file.hash)]));
        Ok((Some(file), index.rows()))
    }

    fn read(
        &mut self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        (limit, top): (u64, Unit),
        entries: &mut Entries,
    ) -> Result<(), PlanError> {
        if times.is_empty() {
            return Ok(());
        }
        let is_of_parts = table == self.request.schema.parts;
        let mut rows = Partitioner::new(limit, top);
        let mut last = *times.start();
        // An error of ours, carried past the source, which knows only its own.
        let mut ours = None;
        let source = self.source;
        let read = source.scan(scope, table, times.clone(), &mut |row| {
            self.take(&times, &mut last, row.key.time)?;
            // No source's mistake shall show what is private.
            if is_of_parts
                && !row
                    .part
                    .as_ref()
                    .is_some_and(|part| self.parts.contains_key(part))
            {
                return Ok(());
            }
            let row = PartRow {
                part: scope.part.clone(),
                table,
                row,
            };
            let mut complete = rows.push(row).into_iter();
            complete
                .try_for_each(|leaf| self.write(leaf, entries))
                .map_err(|error| {
                    ours = Some(error);
                    "the export was stopped".into()
                })
        });
        if let Some(error) = ours {
            return Err(error);
        }
        read.map_err(|source| PlanError::Source {
            scope: scope.clone(),
            source,
        })?;
        rows.finish()
            .map_or(Ok(()), |leaf| self.write(leaf, entries))
    }

    fn write(&mut self, mut leaf: Leaf<PartRow>, entries: &mut Entries) -> Result<(), PlanError> {
        let bytes = encode(self.request.schema, &self.request.id, &mut leaf.rows);
        let file = self.store(Kind::Rows, &bytes)?;
        let period = leaf.period;
        let rows = leaf.rows.len() as u64;
        entries.insert(period, Entry { period, rows, file });
        Ok(())
    }
}
