//! Archives: the contract of every backend, readers during crashed exports, reports of damage, and
//! compatibility with format 1.

pub(crate) mod bucket;
pub(crate) mod community;
mod contract;
mod crash;
mod damage;
mod fixture;
mod github;

use futures::{StreamExt, stream};
use propsbot_archive::{
    ArchiveError, Change, DataArchive, Depth, Hash, Object, Verification, verify,
};
use propsbot_rows::SCHEMA;

fn blob(bytes: &[u8]) -> Object {
    Object {
        path: Hash::of(bytes).blob_path(),
        bytes: bytes.to_vec(),
    }
}

async fn write(
    archive: &dyn DataArchive,
    expected: Option<Hash>,
    changes: Vec<Change>,
) -> Result<(), ArchiveError> {
    archive.write(expected, stream::iter(changes).boxed()).await
}

async fn assert_valid(archive: &dyn DataArchive) -> Verification {
    let found = verify(archive, &SCHEMA, Depth::Whole).await.unwrap();
    assert_eq!(found.faults, Vec::<String>::new());
    found
}
