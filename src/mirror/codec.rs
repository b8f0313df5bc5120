//! Encodes rows: a version byte, then MessagePack with ids as integers.

use crate::{Record, RowError};

/// Version of the row encoding. A field with a default may be added at the end of a record; any
/// other change needs a new store schema and an upgrade from the old one.
const VERSION: u8 = 1;

pub(crate) fn encode<R: Record>(row: &R) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    rmp_serde::encode::write(&mut bytes, row).expect("records consist of plain data");
    bytes
}

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
