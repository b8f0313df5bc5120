//! The files of one generation of a space: reads them within the length that names them, and lists them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{
    error::{ReadError, check_format, damaged},
    file::{FileRef, Kind, longest, named, unpack},
    manifest::{
        Days, Directory, Index, Line, MANIFEST_LIMIT, Manifest, ONE_LIST, ROOT, Root,
        manifest_path, parse, parse_checked, parse_list,
    },
};
use crate::{ArchiveError, DataArchive, Hash, Id};

/// How many lists, indexes and manifests are read at a time.
pub(super) const READS: usize = 16;

/// A file of an archive, as it is found; `None` if there is none.
pub(super) async fn read(
    archive: &dyn DataArchive,
    path: &str,
    longest: u64,
) -> Result<Option<Vec<u8>>, ReadError> {
    archive
        .read(path, longest)
        .await
        .map_err(|error| match error {
            ArchiveError::TooLong { longest, .. } => {
                damaged(path)(format!("it is longer than {longest} bytes"))
            }
            source @ ArchiveError::Io { .. } => ReadError::Unreadable {
                path: path.to_owned(),
                source,
            },
            error => error.into(),
        })
}

/// How many bytes of files are kept for tables that are read later.
const KEPT: usize = 64 << 20;

/// Files that are needed again for the next table, as they were found: lists, indexes and open files, which
/// have rows of all tables.
#[derive(Default)]
pub(super) struct Kept(Mutex<BTreeMap<String, Arc<Vec<u8>>>>);

impl Kept {
    fn get(&self, path: &str) -> Option<Arc<Vec<u8>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(path).cloned()
    }

    fn put(&self, path: &str, packed: Arc<Vec<u8>>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: usize = kept.values().map(|packed| packed.len()).sum();
        if bytes + packed.len() <= KEPT {
            kept.insert(path.to_owned(), packed);
        }
    }
}

/// Whether the file at this path is read to find out what it names.
pub(super) type IsRead<'a> = dyn Fn(&str) -> bool + Send + Sync + 'a;

/// The files of one generation of a space.
#[derive(Clone)]
pub(super) struct SpaceFiles<'a> {
    pub(super) archive: &'a dyn DataArchive,
    /// Where files are kept that are read several times; `None` if each is read once.
    pub(super) kept: Option<Arc<Kept>>,
    pub(super) manifest: Manifest,
    /// The hash of the manifest's bytes.
    pub(super) hash: Hash,
}

impl<'a> SpaceFiles<'a> {
    /// The files that the manifest at this path names, each of which is read once.
    pub(super) fn of(
        archive: &'a dyn DataArchive,
        path: &str,
        manifest: &[u8],
    ) -> Result<Self, ReadError> {
        Ok(Self {
            archive,
            kept: None,
            manifest: parse_checked(manifest).map_err(damaged(path))?,
            hash: Hash::of(manifest),
        })
    }

    /// A file as it is found, if its uncompressed bytes are at most so many.
    pub(super) async fn packed(&self, path: &str, bytes: u64) -> Result<Vec<u8>, ReadError> {
        if let Some(packed) = read(self.archive, path, longest(bytes)).await? {
            return Ok(packed);
        }
        let own = manifest_path(&self.manifest.space);
        let now = read(self.archive, &own, MANIFEST_LIMIT).await?;
        Err(if now.is_some_and(|now| Hash::of(&now) == self.hash) {
            ReadError::Missing(path.to_owned())
        } else {
            ReadError::Superseded
        })
    }

    /// The same for a file that may be needed again.
    pub(super) async fn packed_again(
        &self,
        path: &str,
        bytes: u64,
    ) -> Result<Arc<Vec<u8>>, ReadError> {
        if let Some(packed) = self.kept.as_ref().and_then(|kept| kept.get(path)) {
            return Ok(packed);
        }
        let packed = Arc::new(self.packed(path, bytes).await?);
        if let Some(kept) = &self.kept {
            kept.put(path, Arc::clone(&packed));
        }
        Ok(packed)
    }

    /// The uncompressed bytes of a file.
    pub(super) async fn read(&self, kind: Kind, file: FileRef) -> Result<Vec<u8>, ReadError> {
        let path = named(kind, file.hash);
        let packed = self.packed_again(&path, file.bytes).await?;
        unpack(&packed, file).map_err(damaged(&path))
    }

    /// The paths of all files that the manifest and its lists and indexes name, and the parts' ids.
    pub(super) async fn named(&self) -> Result<(BTreeSet<String>, Vec<Id>), ReadError> {
        self.named_in(&|_| true).await
    }

    /// The same, but only what these lists and indexes name.
    pub(super) async fn named_in(
        &self,
        is_read: &IsRead<'_>,
    ) -> Result<(BTreeSet<String>, Vec<Id>), ReadError> {
        let (mut paths, mut parts) = (BTreeSet::new(), Vec::new());
        let mut open = self.manifest.hours.clone();
        let days = self.manifest.days;
        if let Some(file) = days.filter(|days| is_read(&named(Kind::Days, days.hash))) {
            let days: Days = self.parsed(Kind::Days, file, &mut paths).await?;
            open.extend(days.days);
        }
        paths.extend(open.iter().map(|open| named(Kind::Rows, open.file.hash)));
        let mut lists = Vec::new();
        if let Some(file) = self.manifest.parts.list {
            if self.manifest.parts.count <= ONE_LIST {
                lists.push(file);
            } else if is_read(&named(Kind::Directory, file.hash)) {
                let directory: Directory = self.parsed(Kind::Directory, file, &mut paths).await?;
                lists.extend(directory.shards.iter().map(|shard| shard.file));
            }
        }
        lists.retain(|list| is_read(&named(Kind::Parts, list.hash)));
        let mut indexes: Vec<FileRef> = self.manifest.index.into_iter().collect();
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let reads: Vec<_> = lists.into_iter().map(|file| self.listed(file)).collect();
        let mut reads = stream::iter(reads).buffered(READS);
        while let Some((path, lines)) = reads.try_next().await? {
            indexes.extend(lines.iter().filter_map(|line| line.index));
            parts.extend(lines.into_iter().map(|line| line.id));
            paths.insert(path);
        }
        indexes.retain(|index| is_read(&named(Kind::Index, index.hash)));
        let reads: Vec<_> = indexes.into_iter().map(|file| self.indexed(file)).collect();
        let mut reads = stream::iter(reads).buffer_unordered(READS);
        while let Some(indexed) = reads.try_next().await? {
            paths.extend(indexed);
        }
        Ok((paths, parts))
    }

    /// The path of a list of parts, and its lines.
    async fn listed(&self, file: FileRef) -> Result<(String, Vec<Line>), ReadError> {
        let path = named(Kind::Parts, file.hash);
        let list = self.read(Kind::Parts, file).await?;
        let (_, lines) = parse_list(&list).map_err(damaged(&path))?;
        Ok((path, lines))
    }

    /// The paths of an index and of the files that it names.
    async fn indexed(&self, file: FileRef) -> Result<BTreeSet<String>, ReadError> {
        let mut paths = BTreeSet::new();
        let index: Index = self.parsed(Kind::Index, file, &mut paths).await?;
        paths.extend(index.paths());
        Ok(paths)
    }

    async fn parsed<T: serde::de::DeserializeOwned>(
        &self,
        kind: Kind,
        file: FileRef,
        paths: &mut BTreeSet<String>,
    ) -> Result<T, ReadError> {
        let path = named(kind, file.hash);
        let bytes = self.read(kind, file).await?;
        let parsed = parse(&bytes).map_err(damaged(&path))?;
        paths.insert(path);
        Ok(parsed)
    }
}

/// The path of every file that the archive needs, the spaces' manifests included; none if there is no root.
///
/// # Errors
/// Anything that can't be read: what it names is unknown, so nothing may be removed.
pub async fn needed(archive: &dyn DataArchive) -> Result<BTreeSet<String>, ReadError> {
    let all = needed_in(archive, &|_| true).await?;
    match all.unknown.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(all.paths),
    }
}

/// What is needed of an archive, as far as it was looked at.
#[derive(Default)]
pub(super) struct Needed {
    pub(super) paths: BTreeSet<String>,
    /// By their manifests, the spaces of which it isn't known, and why. Of their files, `paths` has only the manifests.
    pub(super) unknown: BTreeMap<String, ReadError>,
}

/// The same as [`needed`], but only what these lists and indexes name, and as far as it is known.
pub(super) async fn needed_in(
    archive: &dyn DataArchive,
    is_read: &IsRead<'_>,
) -> Result<Needed, ReadError> {
    let mut needed = Needed::default();
    let Some(bytes) = read(archive, ROOT, MANIFEST_LIMIT).await? else {
        return Ok(needed);
    };
    check_format(ROOT, &bytes)?;
    let root: Root = parse_checked(&bytes).map_err(damaged(ROOT))?;
    // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
    let spaces = root.by_provider().into_values().flatten();
    let spaces: Vec<_> = spaces.map(|space| open(archive, space)).collect();
    let mut spaces = stream::iter(spaces).buffered(READS);
    while let Some((path, files)) = spaces.next().await {
        let named = match files {
            Ok(Some(files)) => files.named_in(is_read).await,
            Ok(None) => Err(ReadError::Missing(path.clone())),
            Err(error) => Err(error),
        };
        needed.paths.insert(path.clone());
        match named {
            Ok((paths, _)) => needed.paths.extend(paths),
            Err(error) => drop(needed.unknown.insert(path, error)),
        }
    }
    Ok(needed)
}

/// The path of a space's manifest, and the files of its generation if it is there.
async fn open(
    archive: &dyn DataArchive,
    space: Id,
) -> (String, Result<Option<SpaceFiles<'_>>, ReadError>) {
    let path = manifest_path(&space);
    let opened = async {
        let Some(bytes) = read(archive, &path, MANIFEST_LIMIT).await? else {
            return Ok(None);
        };
        SpaceFiles::of(archive, &path, &bytes).map(Some)
    };
    let opened = opened.await;
    (path, opened)
}
