//! Marks of what changed since the last export.

use std::fmt;

use propsbot_archive::{Id, Millis, Scope};
use serde::{Deserialize, Serialize};

use crate::{KeyPart, PrefixOf, Record, Table};

/// The smallest set of rows that an export can be told to read again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// The space.
    pub space: Id,
    /// The table's number.
    pub table: u8,
    /// The part, for tables kept by part.
    pub part: Option<Id>,
    /// The UTC day of the rows' times, counted from 1970-01-01; `None` for all days.
    pub day: Option<i64>,
}

impl Mark {
    /// All rows of a table in a space.
    pub fn of_space(space: impl fmt::Display, table: Table) -> Self {
        Self {
            space: Id::new(space),
            table: table.number,
            part: None,
            day: None,
        }
    }

    /// The rows of a part's table on the day of `time`.
    pub fn of_part(
        space: impl fmt::Display,
        part: impl fmt::Display,
        table: Table,
        time: Millis,
    ) -> Self {
        Self {
            part: Some(Id::new(part)),
            day: Some(time.0.div_euclid(86_400_000)),
            ..Self::of_space(space, table)
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
        KeyPart::write(&self.day, bytes);
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
