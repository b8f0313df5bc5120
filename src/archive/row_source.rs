//! Rows by table and scope, wherever they are: in an archive, or on their way into one.
//!
//! Owns [`RowSource`], which graph plugins read from. A plugin asks for one table at a time and gets its
//! rows in batches, so memory holds only a few files at once. Its implementations: `lent_rows.rs` reads an
//! archive, `exported_rows.rs` an export, and `together.rs` lets several readers share one of them.

use std::{
    any::Any,
    fmt,
    ops::RangeInclusive,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value};

use super::{
    canonical::Problem,
    error::ReadError,
    layout::ALWAYS,
    query::Batch,
    row::{decode_json, decode_row},
};
use crate::{EncodedRow, Level, Millis, Row, Schema, Scope, Table};

/// A provider's rows, as of one generation of its archive or as one export sees them.
///
/// Reading blocks; [`read_rows`](crate::read_rows) calls the reader of an archive on a thread that may.
pub trait RowSource {
    /// The provider's schema.
    fn schema(&self) -> &'static Schema;

    /// The spaces, or the parts of all of them.
    fn scopes(&self, level: Level) -> Vec<Scope>;

    /// Hands the rows that the query asks for to `each` in batches, for the spaces or parts that are
    /// `wanted`. Each row comes once, in any order. Ends with the first error, also of `each`.
    ///
    /// This is what a new source implements. To read one, call its methods `each` or
    /// `all`.
    ///
    /// # Errors
    /// Rows that can't be read.
    fn scan(
        &self,
        query: &TableQuery,
        wanted: &dyn Fn(&Scope) -> bool,
        each: &mut EachBatch<'_>,
    ) -> Result<(), ReadError>;
}

/// Takes some rows of a table.
pub type EachBatch<'a> = dyn FnMut(TableRows) -> Result<(), ReadError> + 'a;

impl dyn RowSource + '_ {
    /// Hands every row of `R`'s table to `each`, for the spaces or parts that are `wanted`. Each row
    /// comes once, in any order.
    ///
    /// # Errors
    /// Rows that can't be read, or a table that the provider doesn't have.
    pub fn each<R: Row>(
        &self,
        wanted: impl Fn(&Scope) -> bool,
        mut each: impl FnMut(&R),
    ) -> Result<(), ReadError> {
        let Some(table) = self.schema().table(R::TABLE) else {
            return Err(ReadError::NoTable {
                provider: self.schema().provider,
                table: R::TABLE,
            });
        };
        self.scan(&TableQuery::of(table), &wanted, &mut |batch| {
            batch.rows()?.for_each(&mut each);
            Ok(())
        })
    }

    /// All rows of `R`'s table.
    ///
    /// # Errors
    /// As `each`.
    pub fn all<R: Row + Clone>(&self) -> Result<Vec<R>, ReadError> {
        let mut rows = Vec::new();
        self.each(|_| true, |row: &R| rows.push(row.clone()))?;
        Ok(rows)
    }
}

/// Which rows of a table to read.
#[derive(Clone, Debug)]
pub struct TableQuery {
    /// The table.
    pub table: &'static str,
    /// Whether it is kept by space or by part.
    pub level: Level,
    /// Of which times.
    pub times: RangeInclusive<Millis>,
}

impl TableQuery {
    /// All rows of a table.
    pub fn of(table: &'static Table) -> Self {
        Self {
            table: table.name,
            level: table.level,
            times: ALWAYS,
        }
    }
}

/// Some rows of one table and scope. Cheap to clone.
#[derive(Clone)]
pub struct TableRows {
    rows: Arc<Shared>,
    /// Which of them; `None` for all.
    only: Option<Arc<[usize]>>,
}

/// Rows that several readers may look at: they are decoded for the first one that does.
struct Shared {
    scope: Scope,
    table: &'static str,
    encoded: Encoded,
    decoded: OnceLock<Result<Box<dyn Any + Send + Sync>, Problem>>,
}

/// Rows as they are written.
enum Encoded {
    Read(Batch),
    Exported(Vec<EncodedRow>),
}

impl Encoded {
    /// Each row with its time.
    fn rows(&self) -> Vec<(Millis, &[u8])> {
        match self {
            Self::Read(batch) => batch.raw().map(|row| (row.time, row.bytes)).collect(),
            Self::Exported(rows) => {
                let rows = rows.iter();
                rows.map(|row| (row.key.time, &*row.bytes)).collect()
            }
        }
    }
}

impl TableRows {
    /// Rows that were read from an archive.
    pub(super) fn read(batch: Batch) -> Self {
        let (scope, table) = (batch.scope.clone(), batch.table);
        Self::new(scope, table, Encoded::Read(batch))
    }

    /// Rows on their way into an archive.
    pub fn exported(scope: Scope, table: &'static str, rows: Vec<EncodedRow>) -> Self {
        Self::new(scope, table, Encoded::Exported(rows))
    }

    fn new(scope: Scope, table: &'static str, encoded: Encoded) -> Self {
        let rows = Shared {
            scope,
            table,
            encoded,
            decoded: OnceLock::new(),
        };
        Self {
            rows: Arc::new(rows),
            only: None,
        }
    }

    /// Whose rows they are.
    pub fn scope(&self) -> &Scope {
        &self.rows.scope
    }

    /// Their table.
    pub fn table(&self) -> &'static str {
        self.rows.table
    }

    /// The rows, which are of this type.
    ///
    /// # Errors
    /// Rows of another type.
    pub fn rows<R: Row>(&self) -> Result<impl Iterator<Item = &R>, ReadError> {
        let decoded = self.rows.decoded.get_or_init(|| {
            let rows = self.rows.encoded.rows().into_iter();
            let rows: Result<Vec<R>, _> = rows.map(|(_, row)| decode_row(row)).collect();
            match rows {
                Ok(rows) => Ok(Box::new(rows)),
                Err(error) => Err(format!("it has no {}: {error}", R::TABLE)),
            }
        });
        let decoded = decoded.as_ref().map_err(|problem| self.damaged(problem))?;
        let rows: &Vec<R> = decoded
            .downcast_ref()
            .expect("a table has one type of rows");
        let only = self.only.as_deref();
        Ok((0..only.map_or(rows.len(), <[usize]>::len))
            .map(move |index| &rows[only.map_or(index, |only| only[index])]))
    }

    /// The rows as JSON, for readers that don't know their type: maps of columns to values.
    pub fn json(&self) -> impl Iterator<Item = Result<Map<String, Value>, ReadError>> {
        let rows = self.rows.encoded.rows();
        let only = self.only.as_deref();
        (0..only.map_or(rows.len(), <[usize]>::len)).map(move |index| {
            let (_, row) = rows[only.map_or(index, |only| only[index])];
            decode_json(row).map_err(|error| self.damaged(&error.to_string()))
        })
    }

    /// Those of these times; `None` if there are none.
    pub(super) fn within(&self, times: &RangeInclusive<Millis>) -> Option<Self> {
        if *times == ALWAYS {
            return Some(self.clone());
        }
        let rows = self.rows.encoded.rows().into_iter().enumerate();
        let rows = rows.filter(|(_, (time, _))| times.contains(time));
        let only: Arc<[usize]> = rows.map(|(index, _)| index).collect();
        (!only.is_empty()).then(|| Self {
            rows: Arc::clone(&self.rows),
            only: Some(only),
        })
    }

    fn damaged(&self, problem: &str) -> ReadError {
        match &self.rows.encoded {
            Encoded::Read(batch) => batch.damaged(problem.to_owned()),
            Encoded::Exported(_) => ReadError::Source {
                scope: self.rows.scope.clone(),
                table: self.rows.table,
                source: problem.into(),
            },
        }
    }
}

impl fmt::Debug for TableRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.rows.table, self.rows.scope)
    }
}
