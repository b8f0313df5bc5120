//! Derived tables: what every reader would otherwise work out from the archive's own tables.
//!
//! They are not in the archive. A provider defines them beside its rows; `propsbot tables` writes them.

use std::slice;

use serde::Serialize;

use super::{
    error::ReadError,
    lent_rows::lend,
    manifest::{Covered, Line, Manifest},
    reader::SpaceReader,
    row::encode,
    row_source::RowSource,
};
use crate::{Column, Millis};

/// A table that follows from the rows of one space.
#[derive(Clone, Copy, Debug)]
pub struct DerivedTable {
    /// Its name. It takes the place of a table of the schema with the same name.
    pub name: &'static str,
    /// Its columns, with values encoded as in the archive's own tables.
    pub columns: &'static [Column],
    /// Whether its rows are divided by the months of their times; otherwise a space has them in one file.
    pub is_by_month: bool,
    /// Hands on all rows of a space, in any order.
    pub rows: fn(&DerivedFrom<'_>, &mut EachRow<'_>) -> Result<(), ReadError>,
}

/// What a derived table follows from: one generation of a space.
pub struct DerivedFrom<'a> {
    /// The rows of the space.
    pub rows: &'a dyn RowSource,
    /// The space's manifest.
    pub manifest: &'a Manifest,
    /// Its parts, with what is covered of each.
    pub parts: &'a [(Line, Vec<Covered>)],
}

/// Takes the rows of a derived table.
pub struct EachRow<'a>(&'a mut Take<'a>);

/// Takes a row of this time, in MessagePack.
type Take<'a> = dyn FnMut(Millis, &[u8]) + 'a;

impl<'a> EachRow<'a> {
    /// Hands rows, in MessagePack, to this closure.
    pub fn new(each: &'a mut Take<'a>) -> Self {
        Self(each)
    }

    /// Takes a row of this time.
    pub fn row(&mut self, time: Millis, row: &impl Serialize) {
        (self.0)(time, &encode(row));
    }
}

/// Calls `read` with what derived tables of a space follow from, on a thread that may block.
///
/// # Errors
/// The archive can't be read, or an export has changed it since.
pub async fn read_derived<T: Send + 'static>(
    space: &SpaceReader<'_>,
    read: impl FnOnce(&DerivedFrom<'_>) -> T + Send + 'static,
) -> Result<T, ReadError> {
    let (manifest, parts) = (space.manifest().clone(), space.parts().await?);
    lend(slice::from_ref(space), space.schema(), move |rows| {
        read(&DerivedFrom {
            rows,
            manifest: &manifest,
            parts: &parts,
        })
    })
    .await
}
