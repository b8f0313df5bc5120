//! What is asked of an archive, and what comes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    sync::Arc,
};

use memchr::memmem;
use serde_json::{Map, Value};

use super::{
    canonical::Problem,
    check_rows::{Checked, RowTimes},
    error::{ReadError, damaged},
    file::{self, named},
    layout::ALWAYS,
    references::Reference,
};
use crate::{
    Column, Hash, Id, Kind, Level, Millis, Row, Schema, Scope, Table,
    manifest::Counts,
    row::{decode_json, decode_row},
};

/// Which rows to read. Files that have none of them are not read.
#[derive(Clone, Debug)]
pub struct Query {
    /// Of which parts; `None`: all.
    pub parts: Option<BTreeSet<Id>>,
    /// Of which tables; `None`: all.
    pub tables: Option<BTreeSet<&'static str>>,
    /// Of which times.
    pub times: RangeInclusive<Millis>,
    /// Belonging to rows of which times. Unless that is all times, only rows of tables that
    /// [belong to others](Table::belongs_to).
    pub item_times: RangeInclusive<Millis>,
    /// By or about which user: those with this id in a column of [users](Kind::User). `None`: all.
    pub user: Option<Id>,
}

impl Query {
    /// All rows.
    pub fn all() -> Self {
        Self {
            parts: None,
            tables: None,
            times: ALWAYS,
            item_times: ALWAYS,
            user: None,
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
        self.tables.is_none() && self.is_of_all_times()
    }

    pub(super) fn is_of_all_times(&self) -> bool {
        self.times == ALWAYS && self.item_times == ALWAYS
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
        let mut tables = schema.tables_of(level);
        self.tables.is_none() || tables.any(|table| self.has_table(table.name))
    }

    /// Whether a file of these times may have rows of this table that are asked for.
    pub(super) fn reaches(
        &self,
        schema: &Schema,
        table: &str,
        times: &RangeInclusive<Millis>,
    ) -> bool {
        let (mut from, to) = (*self.times.start(), *self.times.end());
        if self.item_times != ALWAYS {
            match schema.table(table).and_then(|table| table.belongs_to) {
                Some(_) => from = from.max(*self.item_times.start()),
                None => return false,
            }
        }
        self.has_table(table) && from <= *times.end() && *times.start() <= to
    }

    /// Whether a file of these times may have some of these rows, counted by table, that are asked for.
    pub(super) fn reaches_some(
        &self,
        schema: &Schema,
        rows: &Counts,
        times: &RangeInclusive<Millis>,
    ) -> bool {
        rows.keys().any(|table| self.reaches(schema, table, times))
    }

    /// How many of these rows are of tables that are asked for.
    pub(super) fn count(&self, rows: &Counts) -> u64 {
        let rows = rows.iter().filter(|(table, _)| self.has_table(table));
        rows.map(|(_, count)| count)
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn is_of_times(&self, times: RowTimes) -> bool {
        let is_of_item = |time| self.item_times.contains(&time);
        self.times.contains(&times.time)
            && (self.item_times == ALWAYS || times.belongs_to.is_some_and(is_of_item))
    }

    /// The rows of a file's table and part that are asked for.
    pub(super) fn take(&self, checked: &Checked, bytes: &[u8]) -> Result<Vec<Taken>, Problem> {
        let group = &checked.group;
        let is_of_part = group.part.as_ref().is_none_or(|part| self.has_part(part));
        let Some(table) = group
            .table
            .filter(|table| is_of_part && self.has_table(table.name))
        else {
            return Ok(Vec::new());
        };
        let mut taken = Vec::new();
        for ((start, end), times) in group.spans().zip(&checked.times) {
            let row = &bytes[start as usize..end as usize];
            if self.is_of_times(*times) && self.is_of_user(table, row)? {
                let times = *times;
                taken.push(Taken { start, end, times });
            }
        }
        Ok(taken)
    }

    /// Whether a row is by or about the user.
    fn is_of_user(&self, table: &Table, row: &[u8]) -> Result<bool, Problem> {
        let Some(user) = &self.user else {
            return Ok(true);
        };
        let user = user.as_str();
        // Most rows have it nowhere, which is seen without decoding them.
        if memmem::find(row, user.as_bytes()).is_none() {
            return Ok(false);
        }
        let row = decode_json(row).map_err(|error| error.to_string())?;
        Ok(has_user(table.columns, &row, user))
    }
}

/// Whether the columns of users have this one.
fn has_user(columns: &[Column], row: &Map<String, Value>, user: &str) -> bool {
    fn is_user(kind: &Kind, value: &Value, user: &str) -> bool {
        match (kind, value) {
            (Kind::User, Value::String(id)) => id == user,
            (Kind::List(kind), Value::Array(items)) => {
                items.iter().any(|item| is_user(kind, item, user))
            }
            (Kind::Map(columns), Value::Object(fields)) => has_user(columns, fields, user),
            _ => false,
        }
    }
    let mut columns = columns.iter();
    columns.any(|column| {
        let value = row.get(column.name);
        value.is_some_and(|value| is_user(&column.kind, value, user))
    })
}

/// Rows of one table and part, sorted by key.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose rows.
    pub scope: Scope,
    /// Their table.
    pub table: &'static str,
    pub(super) file: Hash,
    pub(super) bytes: Arc<Vec<u8>>,
    /// The rows of the file that are asked for.
    pub(super) taken: Vec<Taken>,
    /// By what other rows refer to these, and to what these refer, where that was not checked yet.
    pub(super) ids: Vec<u64>,
    pub(super) references: Vec<Reference>,
}

/// A row that is asked for: where in its file it is, and when it is of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    start: u32,
    end: u32,
    times: RowTimes,
}

impl Batch {
    /// The rows, which are of this type.
    pub fn rows<R: Row>(&self) -> Result<Vec<R>, ReadError> {
        let rows = self.raw().map(|row| decode_row(row.bytes));
        let rows: Result<_, rmp_serde::decode::Error> = rows.collect();
        rows.map_err(|error| self.damaged(format!("it has no {}: {error}", R::TABLE)))
    }

    /// The rows as they are written, for programs that do not know their type.
    pub fn raw(&self) -> impl DoubleEndedIterator<Item = RawRow<'_>> {
        self.taken.iter().map(|row| RawRow {
            time: row.times.time,
            belongs_to: row.times.belongs_to,
            bytes: &self.bytes[row.start as usize..row.end as usize],
        })
    }

    /// The rows as JSON: maps of a table's columns to their values.
    pub fn json(&self) -> impl DoubleEndedIterator<Item = Result<Map<String, Value>, ReadError>> {
        let rows = self.raw().map(|row| decode_json(row.bytes));
        rows.map(|row| row.map_err(|error| self.damaged(error.to_string())))
    }

    pub(super) fn damaged(&self, problem: Problem) -> ReadError {
        damaged(&named(file::Kind::Rows, self.file))(problem)
    }
}

/// A row as it is written.
#[derive(Clone, Copy, Debug)]
pub struct RawRow<'a> {
    /// When it is of.
    pub time: Millis,
    /// When the row is of that it [belongs to](Row::belongs_to).
    pub belongs_to: Option<Millis>,
    /// A map of names to values, in MessagePack.
    pub bytes: &'a [u8],
}

/// A file that a query reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeededFile {
    /// Where it is in the archive.
    pub path: String,
    /// How long it is, uncompressed.
    pub bytes: u64,
    /// How many rows it has of the tables that are asked for, of all parts and times.
    pub rows: u64,
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
    /// Each file, if they are to be listed.
    pub needed: Option<Vec<NeededFile>>,
}

impl Tally {
    /// Notes a file that was read.
    pub(super) fn read(&mut self, path: String, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
        self.need(path, bytes, 0);
    }

    /// Notes a file that is to be read.
    pub(super) fn need(&mut self, path: String, bytes: u64, rows: u64) {
        if let Some(needed) = &mut self.needed {
            needed.push(NeededFile { path, bytes, rows });
        }
    }
}
