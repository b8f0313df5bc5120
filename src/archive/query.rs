//! What is asked of an archive, and what comes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use super::{
    error::{ReadError, damaged},
    file::{Kind, named},
    layout::ALWAYS,
    references::Reference,
};
use crate::{Hash, Id, Level, Millis, Row, Schema, Scope, manifest::Counts, row::decode_rows};

/// Which rows to read.
#[derive(Clone, Debug)]
pub struct Query {
    /// Of which parts; `None`: all.
    pub parts: Option<BTreeSet<Id>>,
    /// Of which tables; `None`: all.
    pub tables: Option<BTreeSet<&'static str>>,
    /// Of which times.
    pub times: RangeInclusive<Millis>,
}

impl Query {
    /// All rows.
    pub fn all() -> Self {
        Self {
            parts: None,
            tables: None,
            times: ALWAYS,
        }
    }

    /// All rows of a table.
    pub fn table(table: &'static str) -> Self {
        Self {
            tables: Some([table].into()),
            ..Self::all()
        }
    }

    /// Whether all that rows refer to is read, too.
    pub(super) fn is_whole(&self) -> bool {
        self.tables.is_none() && self.times == ALWAYS
    }

    pub(super) fn has_table(&self, table: &str) -> bool {
        self.tables
            .as_ref()
            .is_none_or(|tables| tables.contains(table))
    }

    pub(super) fn has_part(&self, part: &Id) -> bool {
        self.parts.as_ref().is_none_or(|parts| parts.contains(part))
    }

    pub(super) fn has_level(&self, schema: &Schema, level: Level) -> bool {
        schema
            .tables_of(level)
            .any(|table| self.has_table(table.name))
    }

    pub(super) fn overlaps(&self, times: &RangeInclusive<Millis>) -> bool {
        self.times.start() <= times.end() && times.start() <= self.times.end()
    }
}

/// Rows of one table and part, sorted by key.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose rows.
    pub scope: Scope,
    /// Their table.
    pub table: &'static str,
    /// How many there are in the file; those of other times than asked for are left out.
    pub count: u32,
    pub(super) times: RangeInclusive<Millis>,
    pub(super) file: Hash,
    /// Where in the file they are.
    pub(super) array: Range<usize>,
    pub(super) bytes: Arc<Vec<u8>>,
    /// By what other rows refer to these, and to what these refer, where that was not checked yet.
    pub(super) ids: Vec<u64>,
    pub(super) references: Vec<Reference>,
}

impl Batch {
    /// The rows, which are of this type.
    pub fn rows<R: Row>(&self) -> Result<Vec<R>, ReadError> {
        let rows = decode_rows::<R>(&self.bytes[self.array.clone()]);
        let mut rows = rows.map_err(|error| {
            damaged(&named(Kind::Rows, self.file))(format!("it has no {}: {error}", R::TABLE))
        })?;
        rows.retain(|row| self.times.contains(&row.key().time));
        Ok(rows)
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files, lists included.
    pub files: u64,
    /// How long they are, uncompressed.
    pub bytes: u64,
    /// Rows in them, by table.
    pub rows: Counts,
    /// Rows that refer to one that the archive does not have, by their table and the other: known where all
    /// tables were read. That is no fault: the other may not have been fetched yet, or not be shown.
    pub unresolved: BTreeMap<(&'static str, &'static str), u64>,
}
