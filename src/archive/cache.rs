//! Caches the objects of a remote archive on this machine.
//!
//! Keeps only the objects that the last read manifest needs, so that withdrawn data doesn't stay
//! here. Checks every object before it is stored and when it is read; a damaged copy is fetched
//! again. Doesn't know where the archive is.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder},
    io,
    marker::PhantomData,
    ops::Deref,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream, TryStreamExt as _},
};

use tempfile::TempDir;

use super::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, Hash, Index, IndexRef, LONGEST, MANIFEST,
    Manifest, Object, blocking, is_whole, read_file,
};

/// How many indexes are read at a time.
const READS: usize = 8;

/// How many times a download of the whole archive is attempted.
const FILLS: usize = 3;

/// An archive that is read through a folder of cached objects. Writes go to the archive itself.
pub struct CachedArchive<'a, A> {
    archive: A,
    /// The archive outlives its borrowers.
    lives: PhantomData<&'a ()>,
    folder: PathBuf,
    /// The same folder, if it is temporary and removed on drop.
    #[expect(dead_code, reason = "held until it is dropped")]
    scratch: Option<TempDir>,
    /// Whether a warning that copies can't be stored was logged.
    has_failed: AtomicBool,
}

impl<'a, A: Deref<Target = dyn DataArchive + 'a> + Send + Sync> CachedArchive<'a, A> {
    /// The archive with its cache in this folder, which is created if missing. No other archive may
    /// use the folder.
    pub fn new(archive: A, folder: impl Into<PathBuf>) -> Self {
        Self {
            archive,
            lives: PhantomData,
            folder: folder.into(),
            scratch: None,
            has_failed: AtomicBool::new(false),
        }
    }

    /// The archive with a temporary cache, which is removed on drop.
    pub fn in_scratch(archive: A) -> Result<Self, ArchiveError> {
        let scratch = tempfile::tempdir();
        let scratch =
            scratch.map_err(|error| failed("make", Path::new("a temporary folder"), error))?;
        Ok(Self {
            archive,
            lives: PhantomData,
            folder: scratch.path().to_owned(),
            scratch: Some(scratch),
            has_failed: AtomicBool::new(false),
        })
    }

    /// Like [`Self::in_scratch`], but downloads the whole archive. `None` if it offers no download.
    pub(super) async fn fetched(archive: A) -> Result<Option<Self>, ArchiveError> {
        let cached = Self::in_scratch(archive)?;
        // `read_all` returns the generation of the last read manifest.
        cached.archive.read(MANIFEST, LONGEST).await?;
        Ok(cached.fill().await?.then_some(cached))
    }

    /// Downloads the whole archive, with retries. `false` if it offers no download.
    async fn fill(&self) -> Result<bool, ArchiveError> {
        for _ in 1..FILLS {
            match self.fill_once().await {
                Ok(filled) => return Ok(filled),
                Err(error) => tracing::debug!(%error, "fetching the archive again"),
            }
        }
        self.fill_once().await
    }

    async fn fill_once(&self) -> Result<bool, ArchiveError> {
        let Some(mut objects) = self.archive.read_all().await? else {
            return Ok(false);
        };
        while let Some(Object { path, bytes }) = objects.try_next().await? {
            self.keep(path, bytes).await?;
        }
        // An empty manifest matches none, but shows that the cache was filled.
        let followed = self.folder.join(MANIFEST);
        let kept = blocking(move || put(&followed, b"")).await;
        self.may_fail(kept);
        Ok(true)
    }

    /// The cached copy of an object, if it is there and intact.
    async fn copy(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        let file = self.folder.join(path);
        let path = path.to_owned();
        blocking(move || {
            // What can't be read here is read from the archive.
            let copy = read_file(&file, longest).unwrap_or_default();
            Ok(copy.filter(|bytes| is_whole(&path, bytes)))
        })
        .await
    }

    /// Caches an object, unless its bytes don't match the hash in its path, and returns the bytes.
    async fn keep(&self, path: String, bytes: Vec<u8>) -> Result<Vec<u8>, ArchiveError> {
        let file = self.folder.join(&path);
        let kept = blocking(move || {
            let kept = if is_whole(&path, &bytes) {
                put(&file, &bytes)
            } else {
                Ok(())
            };
            Ok((bytes, kept))
        });
        let (bytes, kept) = kept.await?;
        self.may_fail(kept);
        Ok(bytes)
    }

    /// Continues if a copy can't be stored, and logs the first such error.
    fn may_fail(&self, kept: Result<(), ArchiveError>) {
        if let Err(error) = kept
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, "reading the archive without keeping copies; CACHE_PATH names another place for them");
        }
    }

    /// The paths of the blobs that an index lists; `None` if the index can't be read.
    async fn blobs(&self, index: String) -> Result<Option<Vec<String>>, ArchiveError> {
        let bytes = self.object(index.clone(), LONGEST).await?;
        let parsed = bytes.and_then(|byte| Index::parse(&index, &byte).ok());
        Ok(parsed.map(|parsed| parsed.blob_paths().collect()))
    }

    /// An object, from the cache or else from the archive.
    async fn object(&self, path: String, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        if let Some(bytes) = self.copy(&path, longest).await? {
            return Ok(Some(bytes));
        }
        match self.archive.read(&path, longest).await? {
            Some(bytes) => self.keep(path, bytes).await.map(Some),
            None => Ok(None),
        }
    }

    /// Updates the cache to a manifest that was just read.
    async fn follow(&self, bytes: &[u8]) -> Result<(), ArchiveError> {
        // The caller that reads the manifest reports what is wrong with it.
        let Ok(manifest) = Manifest::parse(bytes) else {
            return Ok(());
        };
        let followed = self.folder.join(MANIFEST);
        let known = blocking(move || Ok(read_file(&followed, LONGEST).unwrap_or_default())).await?;
        if known.as_deref() == Some(bytes) {
            return Ok(());
        }
        if known.is_none()
            && let Err(error) = self.fill().await
        {
            tracing::warn!(%error, "could not fetch the archive at once: reading it file by file");
        }
        let indexes: Vec<IndexRef> = manifest.indexes().map(|(_, index)| index).collect();
        let found: Vec<_> = indexes
            .iter()
            .map(|index| self.blobs(index.path()))
            .collect();
        let found: Vec<_> = stream::iter(found)
            .buffer_unordered(READS)
            .try_collect()
            .await?;
        // Without every index it is unknown which objects are still needed.
        let Some(blobs) = found.into_iter().collect::<Option<Vec<_>>>() else {
            return Ok(());
        };
        let mut needed: BTreeSet<String> = blobs.into_iter().flatten().collect();
        needed.extend(indexes.iter().map(|index| index.path()));
        let (folder, bytes) = (self.folder.clone(), bytes.to_vec());
        let kept = blocking(move || {
            remove_others(&folder, &needed)?;
            put(&folder.join(MANIFEST), &bytes)
        });
        self.may_fail(kept.await);
        Ok(())
    }
}

#[async_trait]
impl<'a, A: Deref<Target = dyn DataArchive + 'a> + Send + Sync> DataArchive
    for CachedArchive<'a, A>
{
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        if Hash::in_path(path).is_some() {
            return self.object(path.to_owned(), longest).await;
        }
        let found = self.archive.read(path, longest).await?;
        if let Some(bytes) = found.as_ref().filter(|_| path == MANIFEST) {
            self.follow(bytes).await?;
        }
        Ok(found)
    }

    async fn write<'w>(&'w self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'w>, ArchiveError> {
        self.archive.write(bases).await
    }

    async fn read_all(
        &self,
    ) -> Result<Option<BoxStream<'static, Result<Object, ArchiveError>>>, ArchiveError> {
        self.archive.read_all().await
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        self.archive.sweep().await
    }

    async fn forget_history(&self) -> Result<(), ArchiveError> {
        self.archive.forget_history().await
    }
}

/// Writes a file. If that is interrupted, the next read notices the damage.
fn put(file: &Path, bytes: &[u8]) -> Result<(), ArchiveError> {
    let folder = file.parent().expect("it is in the folder of copies");
    // The archive may be private, and other users may have access to this machine.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| failed("make", folder, error))?;
    fs::write(file, bytes).map_err(|error| failed("write", file, error))
}

/// Removes every file in this folder that isn't needed.
fn remove_others(folder: &Path, needed: &BTreeSet<String>) -> Result<(), ArchiveError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed("list", &next, error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| failed("list", &next, error))?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("it is in this folder");
            let parts: Vec<_> = name.iter().map(|name| name.to_string_lossy()).collect();
            if !needed.contains(&parts.join("/")) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(failed("remove", &path, error));
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
