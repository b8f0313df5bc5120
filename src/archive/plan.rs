//! The export plan of a space: what has to be written so that its archive says what the source says.
//!
//! Owns the decision which files are made again, which are new and which are no longer needed, and whether there
//! is anything to publish. Does no I/O of its own: rows come from a [`Source`], earlier files from [`Files`], new
//! ones go to a closure as soon as they are known. Time is an argument. The files depend on the rows and the
//! stamps alone, not on earlier exports; from those it only takes what needs no writing.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use indexmap::IndexMap;

use super::{
    base::Tables,
    check, coverage,
    file::{FILE_LIMIT, FileRef, Kind, PartRow, named, pack},
    layout::{LIMITS, Limits, Stamps, is_row_time},
    list,
    manifest::{
        Covered, Days, Entry, FORMAT, LAST_GENERATION, Line, Manifest, Open, add, print,
        print_checked,
    },
    open::bytes_in,
    period::{Period, Unit},
    request::{ExportPart, Files, Plan, PlanError, Previous, Request, Source},
};
use crate::{
    Hash, Id, Level, Millis, Object, Schema, Scope, SourceError,
    manifest::{Counts, sort},
};

/// How many indexes are read ahead.
const AHEAD: usize = 16;

/// Plans the export of a space: hands each new file to `put`, and returns what to publish after them.
pub fn plan(
    previous: Option<&Previous>,
    request: &Request,
    source: &dyn Source,
    files: &dyn Files,
    put: &mut dyn FnMut(Object) -> Result<(), SourceError>,
) -> Result<Plan, PlanError> {
    plan_within(LIMITS, previous, request, source, files, put)
}

pub(super) fn plan_within(
    limits: Limits,
    previous: Option<&Previous>,
    request: &Request,
    source: &dyn Source,
    files: &dyn Files,
    put: &mut dyn FnMut(Object) -> Result<(), SourceError>,
) -> Result<Plan, PlanError> {
    let before = previous.map(|previous| &previous.manifest);
    let newest = match request.marks() {
        Some(marks) if before.is_some_and(|before| before.stamps.is_some()) => {
            source.newest_since(&request.id, request.now, marks)
        }
        _ => source.newest(&request.id, request.now),
    };
    let newest = newest.map_err(|source| PlanError::Source {
        scope: Scope::space(&request.id),
        source,
    })?;
    let told = [before.and_then(|before| before.stamps), request.stamps];
    let stamps = told.into_iter().chain([newest.map(Stamps::of)]).flatten();
    let parts = request.parts.iter().map(|part| (part.id.clone(), part));
    Planner {
        previous: before,
        request,
        source,
        files,
        put,
        limits,
        stamps: stamps.reduce(Stamps::later),
        parts: parts.collect(),
        had: BTreeSet::new(),
        needed: BTreeSet::new(),
        written: BTreeSet::new(),
        newest: before.and_then(|before| before.newest),
        ahead: BTreeMap::new(),
    }
    .plan(previous)
}

pub(super) struct Planner<'a> {
    previous: Option<&'a Manifest>,
    pub(super) request: &'a Request,
    pub(super) source: &'a dyn Source,
    pub(super) files: &'a dyn Files,
    put: &'a mut dyn FnMut(Object) -> Result<(), SourceError>,
    pub(super) limits: Limits,
    pub(super) stamps: Option<Stamps>,
    /// The parts that go out.
    pub(super) parts: BTreeMap<Id, &'a ExportPart>,
    /// Paths that the previous generation named, as far as what names them was looked at.
    had: BTreeSet<String>,
    /// Paths that the new one names of these places.
    needed: BTreeSet<String>,
    written: BTreeSet<String>,
    newest: Option<Millis>,
    /// Indexes that were read ahead.
    ahead: BTreeMap<Hash, Result<Vec<u8>, SourceError>>,
}

impl Planner<'_> {
    fn plan(mut self, previous: Option<&Previous>) -> Result<Plan, PlanError> {
        let manifest = previous.map(|previous| &previous.manifest);
        let (mut before, mut open) = (BTreeMap::new(), Vec::new());
        if let Some(manifest) = manifest {
            let lines = list::read(self.files, self.request.schema, manifest, &mut self.had);
            before = self.unless_damaged(lines)?;
            let days = list::days(self.files, manifest, &mut self.had);
            open = self.unless_damaged(days)?;
            open.extend_from_slice(&manifest.hours);
            self.had(open.iter().map(|open| named(Kind::Rows, open.file.hash)));
        }
        let stamps = manifest.and_then(|manifest| manifest.stamps);
        // Without marks, nothing is taken over but what need not be written again.
        let marks = self.request.marks();
        let is_known = previous.is_some() && stamps.is_some() == self.stamps.is_some();
        let (mut stale, mut closed) = (self.everything(), BTreeMap::new());
        let marks = marks.filter(|_| is_known);
        if let Some(marks) = marks {
            stale = self.stale(marks, &before, stamps)?;
            if let (Some(from), Some(to)) = (stamps, self.stamps) {
                let months = from.days_from.start()..=Millis(to.days_from.start().0 - 1);
                closed = self.closed(&months, bytes_in(&open, &months), &stale)?;
            }
        }
        let year = |stamps: Stamps| Period::of(Unit::Year, stamps.days_from.start());
        let is_new_year = stamps.map(year) != self.stamps.map(year);

        let own = Scope::space(&self.request.id);
        let index = manifest.and_then(|manifest| manifest.index);
        let index = (index, of_level(manifest, self.request.schema));
        let index = match stale.base.get(&own) {
            Some(extents) => self.index(&own, index, marks.is_some(), extents, Tables::new())?,
            None => index,
        };
        let of = |id: &Id| before.get(id).and_then(|line| line.index);
        let is_touched = |id: &Id| {
            stale.base.contains_key(&Scope::part(&self.request.id, id))
                || closed.contains_key(id)
                || (is_new_year && of(id).is_some())
        };
        let parts = self.parts.iter();
        let parts: Vec<_> = parts
            .map(|(id, part)| (id.clone(), *part, is_touched(id)))
            .collect();
        let none = BTreeMap::new();
        let mut lines = Vec::new();
        for parts in parts.chunks(AHEAD) {
            let touched = parts.iter().filter(|(_, _, is_touched)| *is_touched);
            self.read_ahead(touched.filter_map(|(id, ..)| of(id)));
            for (id, part, is_touched) in parts {
                let line = before.get(id);
                let index = match line {
                    Some(line) => (line.index, line.rows.clone()),
                    None => (None, Counts::new()),
                };
                let scope = Scope::part(&self.request.id, id);
                let (index, rows) = if *is_touched {
                    let extents = stale.base.get(&scope).unwrap_or(&none);
                    let closed = closed.remove(id).unwrap_or_default();
                    self.index(&scope, index, marks.is_some(), extents, closed)?
                } else {
                    index
                };
                lines.push(Line {
                    name: part.name.clone(),
                    index,
                    rows,
                    covered: coverage::of_base(&self.covered(part), self.stamps),
                    id: id.clone(),
                });
            }
        }
        let is_gone = |(id, _): &(&Id, &Line)| !self.parts.contains_key(*id);
        let gone = before.iter().filter(is_gone);
        let gone = gone.filter_map(|(id, line)| Some((id, line.index?, &line.rows)));
        let gone: Vec<_> = gone.collect();
        for gone in gone.chunks(AHEAD) {
            self.read_ahead(gone.iter().map(|(_, index, _)| *index));
            for (id, index, rows) in gone {
                self.load(Some(id), (*index, rows))?;
            }
        }
        let now = self.open(&open, &stale)?;
        self.finish(previous, (&before, &open), index, &lines, now)
    }

    /// What was read of the archive; nothing if that failed and the archive is to be repaired.
    fn unless_damaged<T: Default>(&self, read: Result<T, PlanError>) -> Result<T, PlanError> {
        match read {
            Err(PlanError::File { .. }) if !self.request.damaged.is_empty() => Ok(T::default()),
            read => read,
        }
    }

    fn covered(&self, part: &ExportPart) -> Vec<Covered> {
        coverage::up_to(&part.covered, self.request.known_until())
    }

    /// Reads rows of all exported parts, checking what the source promises.
    pub(super) fn recent(
        &mut self,
        times: &RangeInclusive<Millis>,
        each: &mut dyn FnMut(&mut Self, PartRow) -> Result<(), PlanError>,
    ) -> Result<(), PlanError> {
        let (source, space) = (self.source, self.request.id.clone());
        let mut last = *times.start();
        // An error of ours, carried past the source, which knows only its own.
        let mut ours = None;
        let read = source.recent(&space, times.clone(), &mut |row| {
            self.take(times, &mut last, row.row.key.time)?;
            // No source's mistake shall show what is private.
            if !row
                .part
                .as_ref()
                .is_some_and(|part| self.parts.contains_key(part))
            {
                return Ok(());
            }
            each(self, row).map_err(|error| {
                ours = Some(error);
                "the export was stopped".into()
            })
        });
        match ours {
            Some(error) => Err(error),
            None => read.map_err(|source| PlanError::Source {
                scope: Scope::space(space),
                source,
            }),
        }
    }

    /// Notes the time of the next row, and checks that it may come next.
    pub(super) fn take(
        &mut self,
        times: &RangeInclusive<Millis>,
        last: &mut Millis,
        time: Millis,
    ) -> Result<(), SourceError> {
        if time < *last || !times.contains(&time) || !is_row_time(time) {
            return Err(format!("a row of {time:?} came out of order, after {last:?}").into());
        }
        *last = time;
        self.newest = self.newest.max(Some(time));
        Ok(())
    }

    /// Reads these indexes at once. Each is [loaded](Self::load) soon.
    fn read_ahead(&mut self, indexes: impl Iterator<Item = FileRef>) {
        let indexes: Vec<FileRef> = indexes.collect();
        if !indexes.is_empty() {
            let read = self.files.read_all(Kind::Index, &indexes);
            let hashes = indexes.iter().map(|index| index.hash);
            self.ahead = hashes.zip(read).collect();
        }
    }

    /// The tables of an index that the archive has. It and its files are among those that may go.
    pub(super) fn load(
        &mut self,
        part: Option<&Id>,
        (file, listed): (FileRef, &Counts),
    ) -> Result<IndexMap<String, Vec<Entry>>, PlanError> {
        let Some(manifest) = self.previous else {
            return Ok(IndexMap::new());
        };
        let path = named(Kind::Index, file.hash);
        self.had.insert(path.clone());
        let read = self.ahead.remove(&file.hash);
        let read = read.unwrap_or_else(|| self.files.read(Kind::Index, file));
        let index = read.and_then(|bytes| {
            let schema = self.request.schema;
            Ok(check::index(
                schema,
                self.limits,
                manifest,
                part,
                Some(listed),
                &bytes,
            )?)
        });
        let index = index.map_err(|source| PlanError::File { path, source });
        let Some(index) = self.unless_damaged(index.map(Some))? else {
            return Ok(IndexMap::new());
        };
        self.had(index.paths());
        Ok(index.tables)
    }

    pub(super) fn had(&mut self, paths: impl Iterator<Item = String>) {
        self.had.extend(paths);
    }

    pub(super) fn need(&mut self, paths: impl Iterator<Item = String>) {
        self.needed.extend(paths);
    }

    /// Hands on a file, unless the archive has it.
    pub(super) fn store(&mut self, kind: Kind, bytes: &[u8]) -> Result<FileRef, PlanError> {
        let file = FileRef {
            hash: Hash::of(bytes),
            bytes: bytes.len() as u64,
        };
        let path = named(kind, file.hash);
        // No reader would take it.
        if file.bytes > FILE_LIMIT {
            let problem = format!("{path} would be longer than {FILE_LIMIT} bytes");
            return Err(PlanError::NotKept(problem.into()));
        }
        let is_there = self.had.contains(&path) && !self.request.damaged.contains(&path);
        if !is_there && self.written.insert(path) {
            (self.put)(pack(kind, bytes).1).map_err(PlanError::NotKept)?;
        }
        Ok(file)
    }

    fn finish(
        mut self,
        previous: Option<&Previous>,
        (before, open_before): (&BTreeMap<Id, Line>, &[Open]),
        (index, mut rows): (Option<FileRef>, Counts),
        lines: &[Line],
        mut open: Vec<Open>,
    ) -> Result<Plan, PlanError> {
        let request = self.request;
        let manifest = previous.map(|previous| &previous.manifest);
        for counts in lines
            .iter()
            .map(|line| &line.rows)
            .chain(open.iter().map(|open| &open.rows))
        {
            add(&mut rows, counts);
        }
        sort(&mut rows, request.schema);
        let same_lines = lines.len() == before.len()
            && lines.iter().zip(before.values()).all(|(now, before)| {
                (&now.id, &now.name, now.index, &now.rows)
                    == (&before.id, &before.name, before.index, &before.rows)
            });
        let says_the_same = manifest.is_some_and(|before| {
            let now = (&request.name, index, &rows, self.stamps);
            let before = (&before.name, before.index, &before.rows, before.stamps);
            same_lines && open == open_before && now == before
        });
        let mut plan = Plan {
            manifest: None,
            remove: BTreeSet::new(),
            added: self
                .parts
                .keys()
                .filter(|id| !before.contains_key(*id))
                .cloned()
                .collect(),
            withdrawn: before
                .keys()
                .filter(|id| !self.parts.contains_key(*id))
                .cloned()
                .collect(),
        };
        if says_the_same && request.damaged.is_empty() {
            return Ok(plan);
        }
        let (parts, needed) = list::write(&request.id, lines, &mut |kind, bytes| {
            self.store(kind, bytes)
        })?;
        self.needed.extend(needed);
        let from = self.stamps.map(|stamps| stamps.hours_from.start());
        let hours = open.split_off(open.partition_point(|open| Some(open.period.start()) < from));
        let mut days = None;
        if !open.is_empty() {
            let list = Days {
                space: request.id.clone(),
                days: open,
            };
            let file = self.store(Kind::Days, &print(&list))?;
            self.needed.insert(named(Kind::Days, file.hash));
            days = Some(file);
        }
        let generation = manifest.map_or(0, |manifest| manifest.generation) + 1;
        if generation >= LAST_GENERATION {
            return Err(PlanError::LastGeneration);
        }
        let covered = self
            .parts
            .values()
            .map(|part| (&part.id, self.covered(part)));
        let covered: Vec<(&Id, Vec<Covered>)> = covered.collect();
        let covered = covered.iter().map(|(id, covered)| (*id, &covered[..]));
        let (covered_to, exceptions) = coverage::of_manifest(covered, self.stamps);
        // A clock that was set right counts again.
        let former = manifest.filter(|manifest| manifest.check_clock(request.now).is_ok());
        let times = [
            former.map(|manifest| manifest.created_at),
            request.known_until(),
        ];
        let manifest = Manifest {
            format: FORMAT,
            provider: request.schema.provider.to_owned(),
            schema: request.schema.version,
            space: request.id.clone(),
            name: request.name.clone(),
            generation,
            previous: previous.map(|previous| previous.hash),
            created_at: times.into_iter().flatten().fold(request.now, Millis::max),
            heard_at: request.heard_at,
            newest: self.newest,
            synced: request.synced.clone(),
            history: request.history,
            stamps: self.stamps,
            rows,
            index,
            hours,
            days,
            parts,
            covered_to,
            exceptions,
        };
        let bytes = print_checked(&manifest);
        let unneeded = self.had.union(&self.written);
        plan.remove = unneeded
            .filter(|path| !self.needed.contains(*path))
            .cloned()
            .collect();
        plan.manifest = Some((manifest, bytes));
        Ok(plan)
    }
}

/// How many rows a space's own tables have.
fn of_level(manifest: Option<&Manifest>, schema: &Schema) -> Counts {
    let mut rows = manifest
        .map(|manifest| manifest.rows.clone())
        .unwrap_or_default();
    rows.retain(|name, _| {
        schema
            .table(name)
            .is_some_and(|table| table.level == Level::Space)
    });
    rows
}
