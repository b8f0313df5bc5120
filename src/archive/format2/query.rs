//! What is asked of an archive, and what comes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use super::layout::ALWAYS;
use crate::{Id, Level, Millis, Row, Schema, Scope, manifest::Counts, row::decode_blob};

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
pub struct Batch<'a> {
    /// Whose rows.
    pub scope: Scope,
    /// Their table.
    pub table: &'static str,
    pub(super) times: &'a RangeInclusive<Millis>,
    pub(super) array: &'a [u8],
}

impl Batch<'_> {
    /// The rows, which are of this type.
    pub fn rows<R: Row>(&self) -> Result<Vec<R>, rmp_serde::decode::Error> {
        let mut rows = decode_blob::<R>(self.array)?;
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
