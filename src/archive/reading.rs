//! A reading of a space under way: what was read so far, which rows across files are checked against.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use futures::channel::mpsc;

use super::{
    canonical::Problem,
    check_rows::{Checked, Expected, Keys},
    error::{ReadError, damaged},
    file::{FileRef, Kind, named},
    manifest::Index,
    period::Period,
    query::{Batch, Query, Tally},
    references::References,
    verify::Depth,
};
use crate::{Id, Schema};

/// What is done about a fault: give up with it, or note it and go on.
pub(super) type Faults<'a> = dyn FnMut(ReadError) -> Result<(), ReadError> + Send + 'a;

/// A reading under way.
pub(super) struct Reading<'a> {
    pub(super) query: Arc<Query>,
    pub(super) depth: Depth,
    /// Where the rows go; `None` if nobody wants them.
    pub(super) each: Option<mpsc::Sender<Batch>>,
    pub(super) faults: &'a mut Faults<'a>,
    /// The parts that are listed, if all lists were read, and those that have a row.
    pub(super) listed: Option<BTreeSet<Id>>,
    pub(super) described: BTreeSet<Id>,
    pub(super) keys: Keys,
    pub(super) references: References,
    /// How long the rows of each open file are.
    pub(super) open: BTreeMap<Period, u64>,
    pub(super) tally: Tally,
}

impl Reading<'_> {
    /// Notes rows that are sound by themselves, and checks them against all others.
    pub(super) fn take(
        &mut self,
        expected: &Expected,
        checked: &mut Checked,
    ) -> Result<(), Problem> {
        let group = &checked.group;
        if self.query.is_whole()
            && let Some(table) = group.table
        {
            let (part, references) = (group.part.as_ref(), mem::take(&mut checked.references));
            self.references
                .take(part, table.name, &checked.ids, references);
        }
        self.described.extend(checked.parts.iter().cloned());
        match expected {
            Expected::Base(..) => self.keys.base(&checked.keys),
            Expected::Open(open) => {
                *self.open.entry(open.period).or_default() += checked.bytes;
                let part = checked.group.part.as_ref();
                if let (Some(listed), Some(part)) = (&self.listed, part)
                    && !listed.contains(part)
                {
                    return Err("it has rows of a part that is not listed".to_owned());
                }
                self.keys.open(&checked.keys)
            }
        }
    }

    /// The files of an index, as far as it could be read, that have rows that are asked for: the newest first.
    pub(super) fn base(
        &mut self,
        schema: &Schema,
        part: Option<&Id>,
        file: FileRef,
        read: Result<Index, ReadError>,
    ) -> Result<Vec<Expected>, ReadError> {
        let index = match read {
            Ok(index) => index,
            Err(fault) => {
                (self.faults)(fault)?;
                return Ok(Vec::new());
            }
        };
        self.tally.read(named(Kind::Index, file.hash), file.bytes);
        let mut files = Vec::new();
        for (table, entries) in index.tables {
            let entries = entries.into_iter().rev();
            let entries = entries.filter(|entry| {
                let times = entry.period.times();
                self.query.reaches(schema, &table, &times)
            });
            files.extend(entries.map(|entry| Expected::Base(part.cloned(), table.clone(), entry)));
        }
        Ok(files)
    }

    /// Which rows are handed on; `None` if none are.
    pub(super) fn wanted(&self) -> Option<Arc<Query>> {
        self.each.is_some().then(|| Arc::clone(&self.query))
    }

    /// Notes a file of rows that is not read.
    pub(super) fn need(&mut self, file: &Expected) {
        let rows = match file {
            Expected::Open(open) => self.query.count(&open.rows),
            Expected::Base(_, _, entry) => entry.rows,
        };
        let FileRef { hash, bytes } = file.file();
        self.tally.need(named(Kind::Rows, hash), bytes, rows);
    }

    pub(super) fn fault(&mut self, path: &str, problem: Problem) -> Result<(), ReadError> {
        (self.faults)(damaged(path)(problem))
    }
}
