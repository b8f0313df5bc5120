//! What an export has to make again: by marks, by parts that came or went, and by stamps that moved on.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use super::{
    base::Extent,
    layout::{Base, Stamps},
    manifest::Line,
    period::{Period, Unit},
    plan::Planner,
    request::{Mark, PlanError},
};
use crate::{Id, Level, Millis, Scope};

/// What is to be made again.
#[derive(Default)]
pub(super) struct Stale {
    /// By scope and table.
    pub(super) base: BTreeMap<Scope, BTreeMap<&'static str, Extent>>,
    /// The hours and days whose open files are.
    pub(super) open: BTreeSet<Period>,
    /// Whether all open files are.
    pub(super) all_open: bool,
}

impl Stale {
    /// Whether all of a table's base is read again.
    pub(super) fn reads_all(&self, scope: &Scope, table: &str) -> bool {
        let extent = self.base.get(scope).and_then(|tables| tables.get(table));
        extent == Some(&Extent::All)
    }

    fn add(&mut self, scope: Scope, table: &'static str, period: Option<Period>) {
        let extent = self.base.entry(scope).or_default().entry(table);
        let extent = extent.or_insert_with(|| Extent::Periods(BTreeSet::new()));
        match (period, extent) {
            (None, extent) => *extent = Extent::All,
            (Some(period), Extent::Periods(periods)) => {
                periods.insert(period);
            }
            (Some(_), Extent::All) => {}
        }
    }
}

impl Planner<'_> {
    /// What these marks, the parts that came or went, and the stamps that moved on make stale.
    pub(super) fn stale(
        &mut self,
        marks: &[Mark],
        before: &BTreeMap<Id, Line>,
        from: Option<Stamps>,
    ) -> Result<Stale, PlanError> {
        let schema = self.request.schema;
        let mut stale = Stale::default();
        let own = Scope::space(&self.request.id);
        let is_known = |id: &Id| self.parts.contains_key(id) && before.contains_key(id);
        for mark in marks {
            let level = schema.table(mark.table).map(|table| table.level);
            if mark.scope.space != self.request.id {
                continue;
            }
            match (level, &mark.scope.part) {
                (Some(Level::Space), None) => stale.add(own.clone(), mark.table, mark.period),
                (Some(Level::Part), None) => {
                    for part in self.parts.keys().filter(|id| is_known(id)) {
                        self.mark_part(part, mark, &mut stale);
                    }
                }
                (Some(Level::Part), Some(part)) if is_known(part) => {
                    self.mark_part(part, mark, &mut stale);
                }
                _ => {}
            }
        }
        let added = self.parts.keys().filter(|id| !before.contains_key(*id));
        let added: Vec<Id> = added.cloned().collect();
        let withdrawn = before.keys().any(|id| !self.parts.contains_key(id));
        stale.all_open |= withdrawn;
        if withdrawn || !added.is_empty() {
            // Whether a part is exported also decides on its row.
            stale.add(own, schema.parts, None);
        }
        for part in added {
            for table in schema.tables_of(Level::Part) {
                stale.add(Scope::part(&self.request.id, &part), table.name, None);
            }
            self.find_open(&part, &mut stale)?;
        }
        if let (Some(from), Some(to)) = (from, self.stamps) {
            let first = from.hours_from.start().max(to.days_from.start());
            let days = first..=Millis(to.hours_from.start().0 - 1);
            stale.open.extend(Period::all(Unit::Day, days));
        }
        Ok(stale)
    }

    fn mark_part(&self, part: &Id, mark: &Mark, stale: &mut Stale) {
        let base = Base::of(Level::Part, self.stamps, self.limits);
        let scope = Scope::part(&self.request.id, part);
        let Some(period) = mark.period else {
            stale.all_open = true;
            stale.add(scope, mark.table, None);
            return;
        };
        if base.allows(period) {
            stale.add(scope, mark.table, Some(period));
            return;
        }
        let Some(stamps) = self.stamps else { return };
        if period.start() < stamps.days_from.start() {
            // Longer than a month: it may lie on both sides.
            stale.all_open = true;
            stale.add(scope, mark.table, None);
            return;
        }
        let of = |unit, times: RangeInclusive<Millis>| {
            let start = *period.times().start().max(times.start());
            let end = *period.times().end().min(times.end());
            Period::all(unit, start..=end)
        };
        stale.open.extend(of(Unit::Day, stamps.days()));
        stale.open.extend(of(Unit::Hour, stamps.hours()));
    }

    /// The open files in which a part has rows.
    fn find_open(&mut self, part: &Id, stale: &mut Stale) -> Result<(), PlanError> {
        let Some(stamps) = self.stamps else {
            return Ok(());
        };
        let scope = Scope::part(&self.request.id, part);
        for table in self.request.schema.tables_of(Level::Part) {
            let read = self
                .source
                .scan(&scope, table.name, stamps.open(), &mut |row| {
                    stale.open.insert(stamps.open_period(row.key.time));
                    Ok(())
                });
            read.map_err(|source| PlanError::Source {
                scope: scope.clone(),
                source,
            })?;
        }
        Ok(())
    }

    pub(super) fn everything(&self) -> Stale {
        let mut stale = Stale {
            all_open: true,
            ..Stale::default()
        };
        let own = Scope::space(&self.request.id);
        let parts = self
            .parts
            .keys()
            .map(|part| Scope::part(&self.request.id, part));
        for scope in parts.chain([own]) {
            for table in self.request.schema.tables_of(scope.level()) {
                stale.add(scope.clone(), table.name, None);
            }
        }
        stale
    }
}
