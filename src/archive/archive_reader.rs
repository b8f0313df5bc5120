//! Reads all spaces of an archive, each as of one generation.

use std::collections::{BTreeMap, BTreeSet};

use futures::{
    future::TryFutureExt as _,
    stream::{self, BoxStream, StreamExt as _, TryStreamExt as _},
};

use super::{
    check,
    error::{ReadError, check_format, damaged},
    file::FileRef,
    files::{READS, read},
    manifest::{MANIFEST_LIMIT, Manifest, ROOT, Root, Spaces, manifest_path, parse_checked},
    query::{Batch, NeededFile, Query, Tally},
    reader::SpaceReader,
    space_lists::Lists,
};
#[cfg(test)]
use crate::Limits;
use crate::{DataArchive, Hash, Id, Row, Schema, Stamps, one_line};

/// How often a reader starts over because the archive changed under it.
const ATTEMPTS: usize = 5;

/// An archive with all spaces of one provider, each at the generation that was current when it was opened.
pub struct ArchiveReader<'a> {
    spaces: Vec<SpaceReader<'a>>,
    root: FileRef,
}

impl<'a> ArchiveReader<'a> {
    /// Opens an archive of this schema's provider.
    pub async fn open(
        archive: &'a dyn DataArchive,
        schema: &'static Schema,
    ) -> Result<Self, ReadError> {
        Self::open_only(archive, schema, None).await
    }

    /// Opens an archive of this schema's provider, or only one of its spaces.
    ///
    /// # Errors
    /// [`ReadError::NoSpace`] if it hasn't that one.
    pub async fn open_only(
        archive: &'a dyn DataArchive,
        schema: &'static Schema,
        only: Option<&Id>,
    ) -> Result<Self, ReadError> {
        let (root, mut ids) = open_root(archive, schema).await?;
        if let Some(only) = only {
            if !ids.contains(only) {
                let (missing, spaces) = (only.clone(), ids);
                return Err(ReadError::NoSpace { missing, spaces });
            }
            ids.retain(|id| id == only);
        }
        Self::open_spaces(archive, schema, root, ids).await
    }

    /// Opens an archive, without spaces if it has only those of other providers: for what follows the archive, and has
    /// to go once the provider's last space is withdrawn.
    pub async fn open_or_empty(
        archive: &'a dyn DataArchive,
        schema: &'static Schema,
    ) -> Result<Self, ReadError> {
        let (root, mut all) = open_providers(archive, schema).await?;
        let ids = all.remove(schema.provider).unwrap_or_default();
        Self::open_spaces(archive, schema, root, ids).await
    }

    async fn open_spaces(
        archive: &'a dyn DataArchive,
        schema: &'static Schema,
        root: FileRef,
        ids: Vec<Id>,
    ) -> Result<Self, ReadError> {
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let spaces: Vec<_> = ids
            .into_iter()
            .map(|id| open_space(archive, schema, root.hash, id))
            .collect();
        let spaces = stream::iter(spaces).buffered(READS).try_collect();
        Ok(Self {
            spaces: spaces.await?,
            root,
        })
    }

    /// The archive, written within these limits.
    #[cfg(test)]
    pub(super) fn within(self, limits: Limits) -> Self {
        let spaces = self.spaces.into_iter();
        Self {
            spaces: spaces.map(|space| space.within(limits)).collect(),
            ..self
        }
    }

    /// The same archive, for a reader of several tables: see `SpaceReader::keeping`.
    #[must_use]
    pub(super) fn keeping(self) -> Self {
        let spaces = self.spaces.into_iter();
        Self {
            spaces: spaces.map(SpaceReader::keeping).collect(),
            ..self
        }
    }

    /// The spaces, by id.
    pub fn spaces(&self) -> &[SpaceReader<'a>] {
        &self.spaces
    }

    /// The spaces, by id.
    pub fn into_spaces(self) -> Vec<SpaceReader<'a>> {
        self.spaces
    }

    /// The hash of the root.
    pub fn root(&self) -> Hash {
        self.root.hash
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
    ///
    /// # Errors
    /// As there, and [`ReadError::NoPart`] if no space has one of the parts: before anything else.
    pub fn batches<'s>(&'s self, query: &'s Query) -> BoxStream<'s, Result<Batch, ReadError>> {
        let begun = async move {
            let lists = self.lists(query, Tally::default()).await?;
            let spaces = self.spaces.iter().zip(lists);
            let spaces = spaces.map(|(space, lists)| space.batches_of(query, lists));
            Ok(stream::iter(spaces.collect::<Vec<_>>()).flatten())
        };
        begun.try_flatten_stream().boxed()
    }

    /// The files that [`batches`](Self::batches) reads. Reads only those of them that name others.
    pub async fn needed(&self, query: &Query) -> Result<Vec<NeededFile>, ReadError> {
        let listing = Tally {
            needed: Some(Vec::new()),
            ..Tally::default()
        };
        let manifest = |path: String, bytes| NeededFile {
            path,
            bytes,
            rows: 0,
        };
        let mut needed = vec![manifest(ROOT.to_owned(), self.root.bytes)];
        let lists = self.lists(query, listing).await?;
        for (space, lists) in self.spaces.iter().zip(lists) {
            needed.push(manifest(
                manifest_path(&space.manifest().space),
                space.bytes(),
            ));
            needed.extend(space.needed(query, lists).await?);
        }
        Ok(needed)
    }

    /// The lists of each space, which have all parts that are asked for.
    async fn lists(&self, query: &Query, tally: Tally) -> Result<Vec<Lists>, ReadError> {
        // Made here, and not by the stream: a closure in it would tie the answer to one lifetime.
        let spaces = self.spaces.iter();
        let lists: Vec<_> = spaces
            .map(|space| space.lists(query, tally.clone()))
            .collect();
        let lists: Vec<Lists> = stream::iter(lists).buffered(READS).try_collect().await?;
        let listed = lists.iter().flat_map(|lists| &lists.lines);
        let listed: BTreeSet<&Id> = listed.map(|line| &line.id).collect();
        let are_listed = self.spaces.iter().any(|space| space.asks_for_parts(query));
        let mut asked = query.parts.iter().flatten().filter(|_| are_listed);
        match asked.find(|part| !listed.contains(part)) {
            Some(missing) => Err(self.no_part(missing).await?),
            None => Ok(lists),
        }
    }

    async fn no_part(&self, missing: &Id) -> Result<ReadError, ReadError> {
        let mut parts = Vec::new();
        for space in &self.spaces {
            let lines = space.parts().await?.into_iter();
            parts.extend(lines.map(|(line, _)| format!("{} ({})", line.id, one_line(&line.name))));
        }
        let missing = missing.clone();
        Ok(ReadError::NoPart { missing, parts })
    }
}

/// The spaces of an archive by provider. Reads only the root.
pub async fn spaces_of(archive: &dyn DataArchive) -> Result<Spaces, ReadError> {
    let bytes = read(archive, ROOT, MANIFEST_LIMIT).await?;
    let bytes = bytes.ok_or(ReadError::Empty)?;
    check_format(ROOT, &bytes)?;
    let root: Root = parse_checked(&bytes).map_err(damaged(ROOT))?;
    Ok(root.by_provider())
}

/// The root, and the spaces of this schema's provider that it names.
pub(super) async fn open_root(
    archive: &dyn DataArchive,
    schema: &Schema,
) -> Result<(FileRef, Vec<Id>), ReadError> {
    let (file, mut all) = open_providers(archive, schema).await?;
    match all.remove(schema.provider) {
        Some(spaces) => Ok((file, spaces)),
        None => Err(ReadError::OtherProvider {
            found: all.into_keys().collect::<Vec<_>>().join(" and "),
            wanted: schema.provider,
        }),
    }
}

/// The root, and all spaces that it names.
async fn open_providers(
    archive: &dyn DataArchive,
    schema: &Schema,
) -> Result<(FileRef, Spaces), ReadError> {
    let bytes = read(archive, ROOT, MANIFEST_LIMIT).await?;
    let bytes = bytes.ok_or(ReadError::Empty)?;
    check_format(ROOT, &bytes)?;
    let all = check::root(schema, &bytes).map_err(damaged(ROOT))?;
    let file = FileRef {
        hash: Hash::of(&bytes),
        bytes: bytes.len() as u64,
    };
    Ok((file, all))
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

/// Reads an archive, or only one of its spaces, again if exports change it under the reader, a few times.
pub async fn retry<'a, T, F: Future<Output = Result<T, ReadError>>>(
    archive: &'a dyn DataArchive,
    schema: &'static Schema,
    only: Option<&Id>,
    read: impl Fn(ArchiveReader<'a>) -> F,
) -> Result<T, ReadError> {
    for _ in 1..ATTEMPTS {
        match once(ArchiveReader::open_only(archive, schema, only), &read).await {
            Err(ReadError::Superseded) => {}
            done => return done,
        }
    }
    once(ArchiveReader::open_only(archive, schema, only), &read).await
}

/// The same for an archive that may have only spaces of other providers: see [`ArchiveReader::open_or_empty`].
pub async fn retry_or_empty<'a, T, F: Future<Output = Result<T, ReadError>>>(
    archive: &'a dyn DataArchive,
    schema: &'static Schema,
    read: impl Fn(ArchiveReader<'a>) -> F,
) -> Result<T, ReadError> {
    for _ in 1..ATTEMPTS {
        match once(ArchiveReader::open_or_empty(archive, schema), &read).await {
            Err(ReadError::Superseded) => {}
            done => return done,
        }
    }
    once(ArchiveReader::open_or_empty(archive, schema), &read).await
}

async fn once<'a, T, F: Future<Output = Result<T, ReadError>>>(
    opening: impl Future<Output = Result<ArchiveReader<'a>, ReadError>>,
    read: impl Fn(ArchiveReader<'a>) -> F,
) -> Result<T, ReadError> {
    read(opening.await?).await
}
