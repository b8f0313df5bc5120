//! Rows as bytes: a version, then MessagePack with ids as integers.

use crate::StoreError;
use propsbot_model::{Partition, Record};

/// The version of the rows' encoding. A field may be added at the end of a record with a default;
/// any other change takes a new version, and a reader for the old one.
const VERSION: u8 = 1;

/// A row as bytes.
pub(super) fn encode<R: Record>(row: &R) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    rmp_serde::encode::write(&mut bytes, row).expect("records consist of plain data");
    bytes
}

/// A row from bytes.
pub(super) fn decode<R: Record>(bytes: &[u8]) -> Result<R, StoreError> {
    let fail = |reason: String| StoreError::Row {
        table: R::TABLE,
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

/// A partition as part of a key.
pub(super) fn encode_partition(partition: &Partition) -> Vec<u8> {
    rmp_serde::to_vec(partition).expect("partitions consist of plain data")
}

/// A partition from part of a key.
pub(super) fn decode_partition(bytes: &[u8]) -> Result<Partition, String> {
    rmp_serde::from_slice(bytes).map_err(|error| error.to_string())
}
