//! Archives: the contract of every backend, readers during crashed exports, reports of damage, and
//! the documents beside them.

mod bucket;
pub(crate) mod community;
mod contract;
mod crash;
mod damage;
mod documents;
mod export;
pub(crate) mod git;
mod github;
mod large;
pub(crate) mod object_store;
mod tables;

use propsbot_archive::{
    ArchiveError, DataArchive, Depth, Hash, Object, Verification, base, verify,
};
use propsbot_rows::SCHEMA;

/// Puts these objects on the manifest of this hash, and publishes nothing.
async fn put_only(
    archive: &dyn DataArchive,
    expected: Option<Hash>,
    objects: impl IntoIterator<Item = Object>,
) -> Result<(), ArchiveError> {
    let mut write = archive.write(base(expected)).await?;
    let mut put = Ok(());
    for object in objects {
        put = put.and(write.put(object).await);
    }
    let ended = write.abandon().await;
    put.and(ended)
}

async fn assert_valid(archive: &dyn DataArchive) -> Verification {
    let found = verify(archive, &SCHEMA, Depth::Whole).await.unwrap();
    assert_eq!(found.faults, Vec::<String>::new());
    found
}
