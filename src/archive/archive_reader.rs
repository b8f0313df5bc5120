//! Reads all spaces of an archive, each as of one generation.

use std::collections::BTreeMap;

use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use super::{
    check,
    error::{ReadError, check_format, check_kind, damaged},
    files::read,
    manifest::{MANIFEST_LIMIT, Manifest, ROOT, Root, manifest_path, parse_checked},
    query::{Batch, Query},
    reader::SpaceReader,
};
use crate::{DataArchive, Hash, Id, Row, Schema, Stamps};

/// How often a reader starts over because the archive changed under it.
const ATTEMPTS: usize = 5;

/// How many manifests are read at a time.
const MANIFESTS: usize = 16;

/// An archive with all of its spaces, each at the generation that was current when it was opened.
pub struct ArchiveReader<'a> {
    spaces: Vec<SpaceReader<'a>>,
    root: Hash,
}

impl<'a> ArchiveReader<'a> {
    /// Opens an archive of this schema's provider.
    pub async fn open(
        archive: &'a dyn DataArchive,
        schema: &'static Schema,
    ) -> Result<Self, ReadError> {
        let (root, ids) = open_root(archive, schema).await?;
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let spaces: Vec<_> = ids
            .into_iter()
            .map(|id| open_space(archive, schema, root, id))
            .collect();
        let spaces = stream::iter(spaces).buffered(MANIFESTS).try_collect();
        Ok(Self {
            spaces: spaces.await?,
            root,
        })
    }

    /// The spaces, by id.
    pub fn spaces(&self) -> &[SpaceReader<'a>] {
        &self.spaces
    }

    /// The spaces, by id.
    pub fn into_spaces(self) -> Vec<SpaceReader<'a>> {
        self.spaces
    }

    /// A space.
    ///
    /// # Errors
    /// [`ReadError::NoSpace`]
    pub fn space(&self, id: &Id) -> Result<&SpaceReader<'a>, ReadError> {
        let mut spaces = self.spaces.iter();
        let space = spaces.find(|space| space.manifest().space == *id);
        space.ok_or_else(|| ReadError::NoSpace(id.clone()))
    }

    /// The hash of the root.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The manifests: which generations are read, and how old they are.
    pub fn manifests(&self) -> Vec<Manifest> {
        let spaces = self.spaces.iter();
        spaces.map(|space| space.manifest().clone()).collect()
    }

    /// The highest generation of a space; 0 if there is none.
    pub fn generation(&self) -> u64 {
        let spaces = self.spaces.iter();
        let generations = spaces.map(|space| space.manifest().generation);
        generations.max().unwrap_or_default()
    }

    /// What a store that is restored from this archive starts from: by path, the hash of each space's
    /// manifest, and its stamps.
    pub fn origins(&self) -> BTreeMap<String, (Hash, Option<Stamps>)> {
        let origin = |space: &SpaceReader<'_>| {
            let manifest = space.manifest();
            let path = manifest_path(&manifest.space);
            (path, (space.hash(), manifest.stamps))
        };
        self.spaces.iter().map(origin).collect()
    }

    /// All rows of a table, in memory.
    pub async fn rows<R: Row>(&self) -> Result<Vec<R>, ReadError> {
        let query = Query::table(R::TABLE);
        let (mut batches, mut rows) = (self.batches(&query), Vec::new());
        while let Some(batch) = batches.try_next().await? {
            rows.extend(batch.rows::<R>()?);
        }
        Ok(rows)
    }

    /// The rows that are asked for, space by space: see [`SpaceReader::batches`].
    pub fn batches<'s>(&'s self, query: &'s Query) -> BoxStream<'s, Result<Batch, ReadError>> {
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let spaces = self.spaces.iter();
        let spaces: Vec<_> = spaces.map(|space| space.batches(query)).collect();
        stream::iter(spaces).flatten().boxed()
    }
}

/// The provider of an archive.
pub async fn provider_of(archive: &dyn DataArchive) -> Result<String, ReadError> {
    let bytes = read(archive, ROOT, MANIFEST_LIMIT).await?;
    let bytes = bytes.ok_or(ReadError::Empty)?;
    check_format(ROOT, &bytes)?;
    let root: Root = parse_checked(&bytes).map_err(damaged(ROOT))?;
    Ok(root.provider)
}

/// The hash of the root, and the spaces that it names.
pub(super) async fn open_root(
    archive: &dyn DataArchive,
    schema: &Schema,
) -> Result<(Hash, Vec<Id>), ReadError> {
    let bytes = read(archive, ROOT, MANIFEST_LIMIT).await?;
    let bytes = bytes.ok_or(ReadError::Empty)?;
    check_kind(ROOT, schema, &bytes)?;
    let root = check::root(schema, &bytes).map_err(damaged(ROOT))?;
    Ok((Hash::of(&bytes), root.spaces))
}

/// A space that the root names.
pub(super) async fn open_space<'a>(
    archive: &'a dyn DataArchive,
    schema: &'static Schema,
    root: Hash,
    id: Id,
) -> Result<SpaceReader<'a>, ReadError> {
    if let Some(space) = SpaceReader::open(archive, schema, &id).await? {
        return Ok(space);
    }
    let now = read(archive, ROOT, MANIFEST_LIMIT).await?;
    Err(if now.is_some_and(|now| Hash::of(&now) == root) {
        ReadError::Missing(manifest_path(&id))
    } else {
        ReadError::Superseded
    })
}

/// Reads an archive, again if exports change it under the reader, a few times.
pub async fn retry<'a, T, F: Future<Output = Result<T, ReadError>>>(
    archive: &'a dyn DataArchive,
    schema: &'static Schema,
    read: impl Fn(ArchiveReader<'a>) -> F,
) -> Result<T, ReadError> {
    let mut attempt = 1;
    loop {
        let done = match ArchiveReader::open(archive, schema).await {
            Ok(reader) => read(reader).await,
            Err(error) => Err(error),
        };
        match done {
            Err(ReadError::Superseded) if attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}
