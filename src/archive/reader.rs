//! Reads an archive, checking every byte against its hash.
//!
//! Owns what it means to read consistently while somebody exports. Knows nothing of which backend
//! it reads from.

use std::{collections::BTreeSet, pin::pin};

use futures::stream::{self, Stream, StreamExt, TryStreamExt};

use super::{
    ArchiveError, Batch, DataArchive, Entry, FormatError, Hash, Id, Index, IndexRef, LONGEST,
    Level, MANIFEST, Manifest, Query, Row, Schema, Scope, SourceError, one_line, row::decode_blob,
};

/// How often a reader starts over because the archive changed under it.
const ATTEMPTS: usize = 5;

/// How many partitions are read ahead.
const AHEAD: usize = 4;

/// How many indexes are read at a time.
const INDEXES: usize = 16;

/// An archive's content could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The backend failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no manifest.
    #[error("there is no {MANIFEST}: nothing was exported here yet, or this is no archive")]
    Empty,
    /// The manifest or an index cannot be used.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The archive is another provider's.
    #[error(
        "the archive is of the provider {found:?}, not of {wanted:?}: name an archive of {wanted:?}"
    )]
    OtherProvider {
        /// Its provider.
        found: String,
        /// The one whose archive it should be.
        wanted: &'static str,
    },
    /// What stands for an id cannot be one of the provider's.
    #[error(
        "{MANIFEST} has {0:?} where an id should be: put back an intact copy of the archive, or export to \
         a new one"
    )]
    NotAnId(String),
    /// An object that the manifest needs is not there.
    #[error(
        "{path} is missing, which {needed_by} needs: put it back from a copy, or have it made anew from \
         the store (`propsbot export --repair`)"
    )]
    Missing {
        /// The object.
        path: String,
        /// Whose rows it holds.
        needed_by: String,
    },
    /// An object's bytes are not what was written.
    #[error(
        "{path} is damaged: its bytes have the hash {found}; put back an intact copy, or have it made \
         anew from the store (`propsbot export --repair`)"
    )]
    Damaged {
        /// The object.
        path: String,
        /// The hash that its bytes have.
        found: Hash,
    },
    /// A blob's bytes are intact, but are no rows of the table.
    #[error("{path} holds no {needed_by}: {source}")]
    NotRows {
        /// The blob.
        path: String,
        /// Whose rows it should hold.
        needed_by: String,
        /// Why.
        source: rmp_serde::decode::Error,
    },
    /// What the object says of itself is not what its index or the manifest says of it.
    #[error("{path} disagrees with what names it: {problem}")]
    Disagrees {
        /// The object.
        path: String,
        /// About what.
        problem: String,
    },
    /// The archive has no such space.
    #[error("the archive has no {}", Scope::space(.0))]
    NoSpace(Id),
    /// A row type that is not of the provider's: a mistake in the program.
    #[error("the provider {provider:?} has no table {table}; this is a bug, please report it")]
    NoTable {
        /// The provider.
        provider: &'static str,
        /// The table.
        table: &'static str,
    },
    /// Rows that are not yet in an archive could not be read.
    #[error("could not read the {table} of {scope}: {source}")]
    Source {
        /// Whose rows.
        scope: Scope,
        /// Of which table.
        table: &'static str,
        /// Why.
        source: SourceError,
    },
    /// A newer manifest was published meanwhile, and an object of the old one is gone.
    #[error("the archive was changed while it was read; read it again")]
    Superseded,
}

/// One generation of an archive.
pub struct ArchiveReader<'a> {
    archive: &'a dyn DataArchive,
    bytes: Vec<u8>,
    manifest: Manifest,
    hash: Hash,
}

impl<'a> ArchiveReader<'a> {
    /// Opens the archive, whoever's it is, at its current generation.
    pub async fn open(archive: &'a dyn DataArchive) -> Result<Self, ReadError> {
        let bytes = archive
            .read(MANIFEST, LONGEST)
            .await?
            .ok_or(ReadError::Empty)?;
        Ok(Self {
            archive,
            manifest: Manifest::parse(&bytes)?,
            hash: Hash::of(&bytes),
            bytes,
        })
    }

    /// Opens an archive of this schema's provider at its current generation.
    ///
    /// # Errors
    /// Also [`ReadError::OtherProvider`] and [`ReadError::NotAnId`].
    pub async fn open_as(archive: &'a dyn DataArchive, schema: &Schema) -> Result<Self, ReadError> {
        let reader = Self::open(archive).await?;
        let found = &reader.manifest.provider;
        if found != schema.provider {
            return Err(ReadError::OtherProvider {
                found: found.clone(),
                wanted: schema.provider,
            });
        }
        let odd = reader
            .manifest
            .ids()
            .find(|id| !(schema.is_id)(id.as_str()));
        let odd = odd.map(|id| ReadError::NotAnId(one_line(id.as_str())));
        odd.map_or(Ok(reader), Err)
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash of the manifest's bytes.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The index of a space or part.
    pub async fn index(&self, scope: &Scope, reference: IndexRef) -> Result<Index, ReadError> {
        let path = reference.path();
        let bytes = self
            .found(&path, || format!("the index of {scope}"))
            .await?;
        check(&path, reference.hash, &bytes)?;
        let index = Index::parse(&path, &bytes)?;
        if index.scope() != *scope {
            let problem = format!("it is the index of {}, not of {scope}", index.scope());
            return Err(ReadError::Disagrees { path, problem });
        }
        if bytes.len() as u64 != reference.bytes {
            let problem = format!("{} bytes, not {}", bytes.len(), reference.bytes);
            return Err(ReadError::Disagrees { path, problem });
        }
        Ok(index)
    }

    /// The rows of a partition, sorted by key.
    pub async fn partition<R: Row>(
        &self,
        scope: &Scope,
        entry: &Entry,
    ) -> Result<Vec<R>, ReadError> {
        let decode = |scope: &Scope, entry: &Entry, bytes: &[u8]| {
            decoded(R::TABLE, scope, entry, bytes, decode_blob)
        };
        self.decode(R::TABLE, scope, entry, decode).await
    }

    /// Reads a blob, and checks and decodes it off the async threads: that is work for several cores.
    async fn decode<T: Send + 'static>(
        &self,
        table: &'static str,
        scope: &Scope,
        entry: &Entry,
        decode: fn(&Scope, &Entry, &[u8]) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let bytes = self.blob(table, scope, entry).await?;
        let (scope, entry) = (scope.clone(), *entry);
        tokio::task::spawn_blocking(move || decode(&scope, &entry, &bytes))
            .await
            .map_err(|error| ArchiveError::Stopped(error.to_string()))?
    }

    /// A blob's bytes, as they are found: nothing is said of their hash.
    pub(super) async fn blob(
        &self,
        table: &str,
        scope: &Scope,
        entry: &Entry,
    ) -> Result<Vec<u8>, ReadError> {
        let whose = || format!("{table} of {scope} in {}", entry.period);
        self.found(&entry.blob.blob_path(), whose).await
    }

    /// The rows of a table that this index lists, sorted by key, one partition after the other: no
    /// more than a few are in memory.
    pub fn table<R: Row>(
        &self,
        index: &Index,
    ) -> impl Stream<Item = Result<Vec<R>, ReadError>> + use<'_, 'a, R> {
        let scope = index.scope();
        let entries = index.entries(R::TABLE).to_vec();
        stream::iter(entries)
            .map(move |entry| {
                let scope = scope.clone();
                async move { self.partition(&scope, &entry).await }
            })
            .buffered(AHEAD)
    }

    /// An object's bytes, as they are found.
    async fn found(
        &self,
        path: &str,
        needed_by: impl Fn() -> String,
    ) -> Result<Vec<u8>, ReadError> {
        if let Some(bytes) = self.archive.read(path, LONGEST).await? {
            return Ok(bytes);
        }
        let now = self.archive.read(MANIFEST, LONGEST).await?;
        Err(if now.map(|now| Hash::of(&now)) == Some(self.hash) {
            ReadError::Missing {
                path: path.to_owned(),
                needed_by: needed_by(),
            }
        } else {
            ReadError::Superseded
        })
    }

    /// The rows of a table that are `wanted`, kept at this level, of those spaces or parts that are, in the order of
    /// the manifest. Of the others, no more than a few partitions are in memory at once.
    pub async fn select<R: Row>(
        &self,
        level: Level,
        scopes: impl Fn(&Scope) -> bool,
        mut wanted: impl FnMut(&R) -> bool,
    ) -> Result<Vec<R>, ReadError> {
        let mut batches = pin!(self.batches(Query::of::<R>(level), scopes).await?);
        let mut rows = Vec::new();
        while let Some(batch) = batches.try_next().await? {
            rows.extend(batch.rows().into_iter().filter(|row| wanted(row)));
        }
        Ok(rows)
    }

    /// The partitions of the query's table in these spaces or parts, in the order of the manifest. A few
    /// are read ahead.
    pub(super) async fn batches(
        &self,
        query: Query,
        wanted: impl Fn(&Scope) -> bool,
    ) -> Result<impl Stream<Item = Result<Batch, ReadError>>, ReadError> {
        let scopes: Vec<(Scope, IndexRef)> = self
            .manifest
            .indexes_with(query.table)
            .filter(|(scope, _)| scope.level() == query.level && wanted(scope))
            .collect();
        let indexes: Vec<Index> = stream::iter(scopes)
            .map(|(scope, index)| async move { self.index(&scope, index).await })
            .buffered(INDEXES)
            .try_collect()
            .await?;
        let entries: Vec<(Scope, Entry)> = indexes
            .iter()
            .flat_map(|index| {
                let entries = index.entries(query.table).iter();
                entries.map(|entry| (index.scope(), *entry))
            })
            .collect();
        let decode = query.partition;
        let batches = stream::iter(entries).map(move |(scope, entry)| async move {
            self.decode(query.table, &scope, &entry, decode).await
        });
        Ok(batches.buffered(AHEAD))
    }
}

/// The paths of all objects that an archive's manifest needs; none if there is no manifest.
pub async fn needed(archive: &dyn DataArchive) -> Result<BTreeSet<String>, ReadError> {
    let mut needed = BTreeSet::new();
    let reader = match ArchiveReader::open(archive).await {
        Err(ReadError::Empty) => return Ok(needed),
        Err(ReadError::Format(_)) => {
            let needed = super::format2::files::needed(archive).await;
            return needed.map_err(|error| ReadError::Disagrees {
                path: MANIFEST.to_owned(),
                problem: error.to_string(),
            });
        }
        reader => reader?,
    };
    for (scope, reference) in reader.manifest.indexes() {
        let index = reader.index(&scope, reference).await?;
        needed.extend(index.blob_paths());
        needed.insert(reference.path());
    }
    Ok(needed)
}

/// The object's bytes have the hash in its name.
fn check(path: &str, hash: Hash, bytes: &[u8]) -> Result<(), ReadError> {
    let found = Hash::of(bytes);
    if found == hash {
        return Ok(());
    }
    let path = path.to_owned();
    Err(ReadError::Damaged { path, found })
}

/// What is read of a blob's bytes, whose hash is in its name.
pub(super) fn decoded<T>(
    table: &str,
    scope: &Scope,
    entry: &Entry,
    bytes: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<Vec<T>, rmp_serde::decode::Error>,
) -> Result<Vec<T>, ReadError> {
    let path = entry.blob.blob_path();
    check(&path, entry.blob, bytes)?;
    let rows = decode(bytes).map_err(|source| ReadError::NotRows {
        path: path.clone(),
        needed_by: format!("{table} of {scope} in {}", entry.period),
        source,
    })?;
    if rows.len() as u64 != entry.rows {
        let problem = format!(
            "{} rows, not the {} that its index says",
            rows.len(),
            entry.rows
        );
        return Err(ReadError::Disagrees { path, problem });
    }
    Ok(rows)
}

/// Reads an archive of this schema's provider, again while exports change it under the reader, a few times.
pub async fn retry<'a, T, F: Future<Output = Result<T, ReadError>>>(
    archive: &'a dyn DataArchive,
    schema: &Schema,
    read: impl Fn(ArchiveReader<'a>) -> F,
) -> Result<T, ReadError> {
    for _ in 1..ATTEMPTS {
        match read(ArchiveReader::open_as(archive, schema).await?).await {
            Err(ReadError::Superseded) => {}
            outcome => return outcome,
        }
    }
    read(ArchiveReader::open_as(archive, schema).await?).await
}
