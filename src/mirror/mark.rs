//! Marks of what changed since the last export.

use std::fmt;

use propsbot_archive::{Id, Millis, Period, Scope, Unit};
use serde::{Deserialize, Serialize};

use crate::{KeyPart, Place, PrefixOf, Record, Table};

/// The smallest set of rows that an export can be told to read again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// The space.
    pub space: Id,
    /// The table's number.
    pub table: u8,
    /// The part, for tables kept by part.
    pub part: Option<Id>,
    /// The hour or month of the rows' times; `None` for all times.
    pub period: Option<Period>,
}

impl Mark {
    /// All rows of a table in a space.
    pub fn of_space(space: impl fmt::Display, table: Table) -> Self {
        Self {
            space: Id::new(space),
            table: table.number,
            part: None,
            period: None,
        }
    }

    /// The rows of a table around a place.
    ///
    /// Rows before `recent_from` are marked by month: with hours, a backfill would set a mark for
    /// nearly every message.
    pub(crate) fn of(place: &Place, table: Table, recent_from: Millis) -> Self {
        let period = place.part.as_ref().map(|(_, time)| {
            let is_recent = *time >= recent_from;
            Period::of(if is_recent { Unit::Hour } else { Unit::Month }, *time)
        });
        Self {
            space: place.space.clone(),
            table: table.number,
            part: place.part.as_ref().map(|(part, _)| part.clone()),
            period,
        }
    }

    /// Whether the mark belongs to this table.
    pub fn is_of(&self, table: Table) -> bool {
        self.table == table.number
    }

    /// The space or part of the rows.
    pub fn scope(&self) -> Scope {
        Scope {
            space: self.space.clone(),
            part: self.part.clone(),
        }
    }
}

impl KeyPart for Mark {
    fn write(&self, bytes: &mut Vec<u8>) {
        KeyPart::write(&self.space, bytes);
        KeyPart::write(&self.table, bytes);
        KeyPart::write(&self.part, bytes);
        let period = self.period.map(|period| period.to_string());
        KeyPart::write(&period, bytes);
    }
}

impl PrefixOf<Mark> for Id {
    fn write_prefix(&self, bytes: &mut Vec<u8>) {
        KeyPart::write(self, bytes);
    }
}

/// A mark, and the generation of the last batch that set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dirty {
    /// What changed.
    pub mark: Mark,
    /// Increases with each batch.
    pub generation: u64,
}

impl Record for Dirty {
    type Key = Mark;

    const TABLE: Table = Table::MARKS;

    fn key(&self) -> Mark {
        self.mark.clone()
    }
}
