//! Rows as bytes: a version, then MessagePack with ids as integers.

use crate::{Record, RowError};

/// The version of the rows' encoding. A field may be added at the end of a record with a default;
/// any other change takes a new schema of the store, and an upgrade from the old one.
const VERSION: u8 = 1;

/// A row as bytes.
pub(crate) fn encode<R: Record>(row: &R) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    rmp_serde::encode::write(&mut bytes, row).expect("records consist of plain data");
    bytes
}

/// A row from bytes.
pub(crate) fn decode<R: Record>(bytes: &[u8]) -> Result<R, RowError> {
    let fail = |reason: String| RowError {
        table: R::TABLE.name,
        reason,
    };
    match bytes.split_first() {
        Some((&VERSION, row)) => {
            rmp_serde::from_slice(row).map_err(|error| fail(error.to_string()))
        }
        Some((version, _)) => Err(fail(format!("encoding version {version} is unknown"))),
        None => Err(fail("it is empty".to_owned())),
    }
}
