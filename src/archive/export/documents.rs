//! The documents beside the manifests: when each is written again.
//!
//! Row counts change with every row, and an export of one row shall write no more files than it has to. So the
//! README says as of which generations its figures are, and goes out once a day, or when spaces come, go or are
//! renamed. The specification goes with it.

use super::request::ExportRequest;
use crate::{
    ArchiveError, DataArchive, Documents, FORMAT_MD, Manifest, README, SOURCECRED, format_md,
    readme::without_figures,
};

/// The longest README that is read.
const README_LIMIT: u64 = 1 << 20;

/// Adds what people read, if it is due with these manifests.
pub(super) fn add_texts(
    documents: &mut Documents,
    request: &ExportRequest,
    after: &[&Manifest],
    before: &[&Manifest],
) {
    let told = |manifests: &[&Manifest]| -> Vec<_> {
        let manifests = manifests.iter();
        manifests
            .map(|manifest| {
                let Manifest {
                    space,
                    name,
                    stamps,
                    ..
                } = *manifest;
                (space.clone(), name.clone(), *stamps)
            })
            .collect()
    };
    if before.is_empty() || told(after) != told(before) {
        documents.insert(README, Some((request.schema.readme)(after).into_bytes()));
        let format = format_md(request.schema).into_bytes();
        documents.insert(FORMAT_MD, Some(format));
    }
}

/// Removes SourceCred's files of an earlier export if this one makes none. Readers would take them for current.
pub(super) async fn left_beside(
    archive: &dyn DataArchive,
    request: &ExportRequest,
) -> Result<Documents, ArchiveError> {
    let mut left = Documents::new();
    if request.beside.is_none() {
        for path in SOURCECRED {
            if is_there(archive, path).await? {
                left.insert(path, None);
            }
        }
    }
    Ok(left)
}

/// The documents that aren't as they should be although no manifest changes: an export was interrupted before it
/// wrote them, an earlier version or a person did, or they were just enabled.
pub(super) async fn outdated(
    archive: &dyn DataArchive,
    request: &ExportRequest,
    manifests: &[&Manifest],
    beside: Documents,
) -> Result<Documents, ArchiveError> {
    let mut outdated = Documents::new();
    let format = format_md(request.schema).into_bytes();
    for (path, document) in beside.into_iter().chain([(FORMAT_MD, Some(format))]) {
        let is_right = match &document {
            Some(bytes) => archive.has(path, bytes).await?,
            None => !is_there(archive, path).await?,
        };
        if !is_right {
            outdated.insert(path, document);
        }
    }
    let readme = (request.schema.readme)(manifests);
    let found = match archive.read(README, README_LIMIT).await {
        Err(ArchiveError::TooLong { .. }) => None,
        found => found?,
    };
    let is_right = found.is_some_and(|found| {
        without_figures(&String::from_utf8_lossy(&found)) == without_figures(&readme)
    });
    if !is_right {
        outdated.insert(README, Some(readme.into_bytes()));
    }
    Ok(outdated)
}

async fn is_there(archive: &dyn DataArchive, path: &str) -> Result<bool, ArchiveError> {
    match archive.read(path, 0).await {
        Err(ArchiveError::TooLong { .. }) => Ok(true),
        found => Ok(found?.is_some()),
    }
}
