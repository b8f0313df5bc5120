//! The documents beside the manifests: when each is written again.
//!
//! Row counts change with every row, and an export of one row shall write no more files than it has to. So the
//! README says as of which generations its figures are, and goes out once a day, or when spaces come, go or are
//! renamed. The specification goes with it. Both describe the spaces of all providers, whoever exports.

use std::collections::BTreeMap;

use super::request::ExportRequest;
use crate::{
    ArchiveError, DataArchive, Documents, FORMAT_MD, Manifest, README, Schema, format_md, one_line,
    readme::without_figures,
};

/// The longest README that is read.
const README_LIMIT: u64 = 1 << 20;

/// What people read beside the manifests.
pub(super) struct Texts {
    readme: String,
    format: String,
}

impl Texts {
    /// The texts of an archive with these spaces of the export's provider, and these of others.
    pub(super) fn new(
        request: &ExportRequest,
        others: &BTreeMap<&str, Vec<Manifest>>,
        own: &[&Manifest],
    ) -> Self {
        let mut all: Vec<(&str, Vec<&Manifest>)> = others
            .iter()
            .map(|(provider, manifests)| (*provider, manifests.iter().collect()))
            .collect();
        if !own.is_empty() || all.is_empty() {
            all.push((request.schema.provider, own.to_vec()));
        }
        all.sort_by_key(|(provider, _)| *provider);
        let schema_of = |provider: &str| {
            let mut schemas = request.others.iter().chain([&request.schema]);
            schemas.find(|schema| schema.provider == provider)
        };
        let readmes = all.iter().map(|(provider, manifests)| match schema_of(provider) {
            Some(schema) => (schema.readme)(manifests),
            None => format!(
                "# Spaces of the provider {}\n\nThe propsbot that wrote this page doesn't know this provider.\n",
                one_line(provider)
            ),
        });
        let schemas = all.iter().filter_map(|(provider, _)| schema_of(provider));
        Self {
            readme: readmes.collect::<Vec<_>>().join("\n"),
            format: format_md(&schemas.copied().collect::<Vec<&Schema>>()),
        }
    }

    /// The texts by path.
    pub(super) fn documents(self) -> Documents {
        let texts = [(README, self.readme), (FORMAT_MD, self.format)];
        let texts = texts.into_iter();
        texts
            .map(|(path, text)| (path, Some(text.into_bytes())))
            .collect()
    }
}

/// Whether what people read is due with these manifests.
pub(super) fn are_due(after: &[&Manifest], before: &[&Manifest]) -> bool {
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
    before.is_empty() || told(after) != told(before)
}

/// The documents, but for those that are to be removed and aren't there.
pub(super) async fn without_absent(
    archive: &dyn DataArchive,
    documents: Documents,
) -> Result<Documents, ArchiveError> {
    let mut left = Documents::new();
    for (path, document) in documents {
        if document.is_some() || is_there(archive, path).await? {
            left.insert(path, document);
        }
    }
    Ok(left)
}

/// The documents that aren't as they should be although no manifest changes: an export was interrupted before it
/// wrote them, an earlier version or a person did, or they were just enabled.
pub(super) async fn outdated(
    archive: &dyn DataArchive,
    texts: Texts,
    beside: Documents,
) -> Result<Documents, ArchiveError> {
    let mut outdated = Documents::new();
    for (path, document) in beside.into_iter().chain(texts.documents()) {
        let is_right = match &document {
            Some(bytes) if path == README => {
                let found = match archive.read(README, README_LIMIT).await {
                    Err(ArchiveError::TooLong { .. }) => None,
                    found => found?,
                };
                let without = |bytes: &[u8]| without_figures(&String::from_utf8_lossy(bytes));
                found.is_some_and(|found| without(&found) == without(bytes))
            }
            Some(bytes) => archive.has(path, bytes).await?,
            None => false,
        };
        if !is_right {
            outdated.insert(path, document);
        }
    }
    Ok(outdated)
}

async fn is_there(archive: &dyn DataArchive, path: &str) -> Result<bool, ArchiveError> {
    match archive.read(path, 0).await {
        Err(ArchiveError::TooLong { .. }) => Ok(true),
        found => Ok(found?.is_some()),
    }
}
