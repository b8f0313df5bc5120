//! What an archive has before an export, and whether the export may replace it.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::request::{ExportError, ExportRequest};
use crate::{
    Bases, DataArchive, Hash, Id, check,
    error::{ReadError, check_format, check_kind, damaged},
    files::{SpaceFiles, read},
    manifest::{MANIFEST_LIMIT, Manifest, ROOT, Spaces, manifest_path, parse_checked},
};

/// How many manifests are read at a time.
const MANIFESTS: usize = 16;

/// What an archive has before an export.
pub(super) struct Current<'a> {
    /// The root's bytes; `None` if it has none that can be kept.
    pub(super) root: Option<Vec<u8>>,
    /// The spaces of the export's provider that it has.
    pub(super) spaces: BTreeMap<Id, SpaceFiles<'a>>,
    /// Those of other providers, which stay as they are.
    pub(super) others: Spaces,
    /// What lies at the paths of the root and of the manifests of all spaces that it has or will have.
    pub(super) bases: Bases,
    /// Whether a new root names all that the archive needs. Otherwise nothing may be swept.
    pub(super) is_known: bool,
}

impl<'a> Current<'a> {
    /// Reads the root and the manifests. Fails if the export may not replace them.
    pub(super) async fn open(
        archive: &'a dyn DataArchive,
        request: &ExportRequest,
    ) -> Result<Self, ExportError> {
        let bytes = read(archive, ROOT, MANIFEST_LIMIT).await?;
        if bytes.is_none() && !request.begins_anew {
            archive.check_place(request.has_published).await?;
        }
        let mut bases = Bases::new();
        bases.insert(ROOT.to_owned(), bytes.as_deref().map(Hash::of));
        let asked = || request.spaces.iter().map(|space| space.id.clone());
        let provider = request.schema.provider;
        let mut is_known = true;
        let (root, mut others) = match bytes {
            None if request.sweeps || request.makes_again(ROOT) => {
                let (others, are_all) = others(archive, request).await?;
                is_known = are_all;
                (None, others)
            }
            None => (None, Spaces::new()),
            Some(bytes) => match spaces(request, &bytes) {
                Ok(spaces) => (Some(bytes), spaces),
                Err(ReadError::FormatOne) if request.begins_anew => (None, Spaces::new()),
                // Which spaces there were is lost, but those that are asked for may be intact, and so may those of
                // other providers. Their next exports add the rest again.
                Err(ReadError::Damaged { .. }) if request.makes_again(ROOT) => {
                    let (mut all, are_all) = others(archive, request).await?;
                    is_known = are_all;
                    all.insert(provider.to_owned(), asked().collect());
                    (None, all)
                }
                Err(error) => return Err(error.into()),
            },
        };
        let named: BTreeSet<Id> = others.remove(provider).into_iter().flatten().collect();
        for (provider, spaces) in &others {
            if let Some(space) = asked().find(|space| spaces.contains(space)) {
                let provider = provider.clone();
                return Err(ExportError::Taken { space, provider });
            }
        }
        let is_lost = root.is_none();
        let all: BTreeSet<Id> = named.iter().cloned().chain(asked()).collect();
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let reads: Vec<_> = all
            .into_iter()
            .map(|id| found(archive, request, id))
            .collect();
        let mut reads = stream::iter(reads).buffered(MANIFESTS);
        let mut found = BTreeMap::new();
        while let Some((id, hash, manifest)) = reads.try_next().await? {
            let path = manifest_path(&id);
            bases.insert(path.clone(), hash);
            // An interrupted export may have left a manifest that the root doesn't name, without its files.
            if !named.contains(&id) {
                continue;
            }
            let (hash, manifest) = match (hash, manifest) {
                (Some(hash), Ok(manifest)) => (hash, manifest),
                (None, _) if is_lost || request.makes_again(&path) => continue,
                (None, _) => return Err(missing(archive, &bases, path).await),
                (_, Err(ReadError::Damaged { .. })) if request.makes_again(&path) => continue,
                (_, Err(error)) => return Err(error.into()),
            };
            check_known(request, &path, hash, &manifest)?;
            let files = SpaceFiles {
                kept: None,
                archive,
                manifest,
                hash,
            };
            found.insert(id, files);
        }
        Ok(Self {
            root,
            spaces: found,
            others,
            bases,
            is_known,
        })
    }

    /// The spaces' manifests.
    pub(super) fn manifests(&self) -> Vec<&Manifest> {
        self.spaces.values().map(|space| &space.manifest).collect()
    }

    /// The manifests of other providers' spaces, by provider. Those that are damaged are left out: they are not
    /// this export's concern.
    pub(super) async fn neighbours(
        &self,
        archive: &dyn DataArchive,
    ) -> Result<BTreeMap<&str, Vec<Manifest>>, ReadError> {
        let mut neighbours = BTreeMap::new();
        for (provider, spaces) in &self.others {
            // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
            let reads = spaces.iter().map(|id| neighbour(archive, provider, id));
            let reads: Vec<_> = reads.collect();
            let reads = stream::iter(reads).buffered(MANIFESTS);
            let found: Vec<_> = reads.try_collect().await?;
            neighbours.insert(provider.as_str(), found.into_iter().flatten().collect());
        }
        Ok(neighbours)
    }

    /// The hashes of the root and of the spaces' manifests, by path.
    pub(super) fn hashes(&self) -> BTreeMap<String, Hash> {
        let root = self.root.as_deref().map(Hash::of);
        let root = root.map(|hash| (ROOT.to_owned(), hash));
        let spaces = self.spaces.iter();
        spaces
            .map(|(id, space)| (manifest_path(id), space.hash))
            .chain(root)
            .collect()
    }
}

fn spaces(request: &ExportRequest, bytes: &[u8]) -> Result<Spaces, ReadError> {
    check_format(ROOT, bytes)?;
    check::root(request.schema, bytes).map_err(damaged(ROOT))
}

/// The manifest of another provider's space; `None` if it can't be understood.
async fn neighbour(
    archive: &dyn DataArchive,
    provider: &str,
    id: &Id,
) -> Result<Option<Manifest>, ReadError> {
    let manifest = parsed(archive, &manifest_path(id)).await?;
    Ok(manifest.filter(|found| found.provider == provider && found.space == *id))
}

/// The manifest at this path; `None` if it can't be understood.
async fn parsed(archive: &dyn DataArchive, path: &str) -> Result<Option<Manifest>, ReadError> {
    match read(archive, path, MANIFEST_LIMIT).await {
        Ok(bytes) => Ok(bytes.and_then(|bytes| parse_checked(&bytes).ok())),
        Err(ReadError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The spaces of other providers whose manifests are intact, whatever the root says, and whether these are all.
async fn others(
    archive: &dyn DataArchive,
    request: &ExportRequest,
) -> Result<(Spaces, bool), ExportError> {
    let mut others = Spaces::new();
    let Some(paths) = archive.list_spaces().await? else {
        return Ok((others, false));
    };
    let asked = request.spaces.iter();
    let asked: BTreeSet<String> = asked.map(|space| manifest_path(&space.id)).collect();
    let mut are_all = true;
    for path in paths.iter().filter(|path| !asked.contains(*path)) {
        match parsed(archive, path).await? {
            Some(found) if manifest_path(&found.space) != *path => are_all = false,
            Some(found) if found.provider == request.schema.provider => {}
            Some(found) => others.entry(found.provider).or_default().push(found.space),
            None => are_all = false,
        }
    }
    Ok((others, are_all))
}

/// What lies at the path of a space's manifest: its hash, and what it says.
async fn found(
    archive: &dyn DataArchive,
    request: &ExportRequest,
    id: Id,
) -> Result<(Id, Option<Hash>, Result<Manifest, ReadError>), ExportError> {
    let path = manifest_path(&id);
    let bytes = read(archive, &path, MANIFEST_LIMIT).await?;
    let hash = bytes.as_deref().map(Hash::of);
    let bytes = bytes.unwrap_or_default();
    let manifest = check_kind(&path, request.schema, &bytes).and_then(|()| {
        let manifest = check::manifest(request.schema, &id, &bytes);
        manifest.map_err(damaged(&path))
    });
    Ok((id, hash, manifest))
}

/// Why the manifest of a space that the root names isn't there.
async fn missing(archive: &dyn DataArchive, bases: &Bases, path: String) -> ExportError {
    let now = read(archive, ROOT, MANIFEST_LIMIT).await;
    let now = now.map(|now| now.as_deref().map(Hash::of));
    let error = match now {
        Ok(now) if Some(&now) == bases.get(ROOT) => ReadError::Missing(path),
        Ok(_) => ReadError::Superseded,
        Err(error) => error,
    };
    error.into()
}

/// Fails if the store doesn't know the manifest that it would replace.
fn check_known(
    request: &ExportRequest,
    path: &str,
    hash: Hash,
    manifest: &Manifest,
) -> Result<(), ExportError> {
    let is_known = |only: &BTreeMap<String, BTreeSet<Hash>>| {
        only.get(path).is_some_and(|known| known.contains(&hash))
    };
    if request.only_over.as_ref().is_none_or(is_known) {
        return Ok(());
    }
    Err(ExportError::Foreign {
        space: manifest.space.clone(),
        generation: manifest.generation,
    })
}
