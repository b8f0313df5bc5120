//! A reading of a space under way: what was read so far, which rows across files are checked against.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use futures::channel::mpsc;

use super::{
    canonical::Problem,
    check_rows::{Checked, Expected, Keys},
    error::{ReadError, damaged},
    period::Period,
    query::{Batch, Query, Tally},
    references::References,
    verify::Depth,
};
use crate::Id;

/// What is done about a fault: give up with it, or note it and go on.
pub(super) type Faults<'a> = dyn FnMut(ReadError) -> Result<(), ReadError> + Send + 'a;

/// A reading under way.
pub(super) struct Reading<'a> {
    pub(super) query: &'a Query,
    pub(super) depth: Depth,
    /// Where the rows go; `None` if nobody wants them.
    pub(super) each: Option<mpsc::Sender<Batch>>,
    pub(super) faults: &'a mut Faults<'a>,
    /// The parts that are listed, and those that have a row.
    pub(super) listed: BTreeSet<Id>,
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
                if !part.is_some_and(|part| self.listed.contains(part)) {
                    return Err("it has rows of a part that is not listed".to_owned());
                }
                self.keys.open(&checked.keys)
            }
        }
    }

    pub(super) fn fault(&mut self, path: &str, problem: Problem) -> Result<(), ReadError> {
        (self.faults)(damaged(path)(problem))
    }
}
