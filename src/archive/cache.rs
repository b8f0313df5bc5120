//! Caches the objects of a remote archive on this machine.
//!
//! Keeps only the objects that the last read manifests need, so that withdrawn data doesn't stay
//! here. Checks every object before it is stored and when it is read; a damaged copy is fetched
//! again. Doesn't know where the archive is.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    lock::Mutex,
    stream::{BoxStream, TryStreamExt as _},
};

use tempfile::TempDir;

use super::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, Hash, MANIFEST_LIMIT, Object, ROOT, blocking,
    error::ReadError,
    files::{SpaceFiles, needed_in},
    is_manifest, is_whole,
    manifest::{Manifest, parse_checked},
    needed, read_file,
};

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
    /// The folder of a cache with all objects, if this one is for readers of a few. Only read.
    whole: Option<PathBuf>,
    /// Whether a warning that copies can't be stored was logged.
    has_failed: AtomicBool,
    /// Whether everything was removed that isn't needed, so that only what newer manifests supersede is left to remove.
    is_swept: AtomicBool,
    /// Whether what is needed was found to be unknown since the root was last read.
    is_unknown: AtomicBool,
    /// Held while the cache is updated to new manifests.
    following: Mutex<()>,
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
            whole: None,
            has_failed: AtomicBool::new(false),
            is_swept: AtomicBool::new(false),
            is_unknown: AtomicBool::new(false),
            following: Mutex::default(),
        }
    }

    /// The archive for readers of a few of its objects, which are cached in this folder: the others are never
    /// fetched. Also uses the objects in `whole`, the folder of a cache that [`new`](Self::new) made.
    pub fn of_few(archive: A, folder: impl Into<PathBuf>, whole: impl Into<PathBuf>) -> Self {
        Self {
            whole: Some(whole.into()),
            ..Self::new(archive, folder)
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
            whole: None,
            has_failed: AtomicBool::new(false),
            is_swept: AtomicBool::new(false),
            is_unknown: AtomicBool::new(false),
            following: Mutex::default(),
        })
    }

    /// Like [`Self::in_scratch`], but downloads the whole archive. `None` if it offers no download.
    pub(super) async fn fetched(archive: A) -> Result<Option<Self>, ArchiveError> {
        let cached = Self::in_scratch(archive)?;
        // `read_all` returns the generation of the last read manifest.
        cached.archive.read(ROOT, MANIFEST_LIMIT).await?;
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
        // An empty root matches none, but shows that the cache was filled.
        let followed = self.folder.join(ROOT);
        let kept = blocking(move || put(&followed, b"")).await;
        self.may_fail(kept);
        Ok(true)
    }

    /// The cached copy of an object, if it is there and intact.
    async fn copy(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        let files: Vec<PathBuf> = self.folders().map(|folder| folder.join(path)).collect();
        let path = path.to_owned();
        blocking(move || {
            // What can't be read here is read from the archive.
            let mut copies = files
                .iter()
                .filter_map(|file| read_file(file, longest).unwrap_or_default());
            Ok(copies.find(|bytes| is_whole(&path, bytes)))
        })
        .await
    }

    /// Where copies may be.
    fn folders(&self) -> impl Iterator<Item = &Path> {
        let whole = self.whole.as_deref();
        std::iter::once(&*self.folder).chain(whole)
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
    async fn follow(&self, path: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        // Manifests that are read at once are followed together.
        let _following = self.following.lock().await;
        let before = self.followed(path).await?;
        if before.as_deref() == Some(bytes) {
            return Ok(());
        }
        if self.whole.is_some() {
            // Nothing is here that was named by a manifest that isn't.
            let superseded = match &before {
                None => Some(BTreeSet::new()),
                Some(before) if path != ROOT && self.is_swept.load(Ordering::Relaxed) => {
                    self.superseded(path, before, bytes).await.ok()
                }
                Some(_) => None,
            };
            if let Some(superseded) = superseded {
                let (folder, path, bytes) = (self.folder.clone(), path.to_owned(), bytes.to_vec());
                let kept = blocking(move || {
                    let mut gone = superseded.iter().map(|path| folder.join(path));
                    gone.try_for_each(|file| remove(&file))?;
                    put(&folder.join(path), &bytes)
                });
                self.may_fail(kept.await);
                return Ok(());
            }
        } else if self.is_unknown.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self.whole.is_none()
            && self.followed(ROOT).await?.is_none()
            && let Err(error) = self.fill().await
        {
            tracing::warn!(%error, "could not fetch the archive at once: reading it file by file");
        }
        let read = [(path.to_owned(), Some(bytes.to_vec()))];
        let current = Current {
            cached: self,
            manifests: Mutex::new(read.into()),
        };
        let needed = if self.whole.is_none() {
            // The caller that reads the manifest reports what is wrong with it. Unless everything is
            // known that is still needed, nothing is removed.
            let Ok(needed) = needed(&current).await else {
                self.is_unknown.store(true, Ordering::Relaxed);
                return Ok(());
            };
            needed
        } else {
            // What a list or an index names is read, and kept, after that. So most of it is here; but of a list that
            // takes the place of one here, what the old one named as well has to stay.
            let is_here = |path: &str| self.is_here(path);
            let next = next_lists(before.as_deref(), bytes, &is_here);
            let is_read = |path: &str| next.contains(path) || is_here(path);
            // Nothing may stay that is withdrawn: what is needed of a space that can't be read is unknown, and nothing
            // of it stays. What is removed in vain is fetched again.
            let needed = needed_in(&current, &is_read).await.unwrap_or_default();
            needed.paths
        };
        let mut manifests = current.manifests.into_inner();
        if self.whole.is_some() {
            // Others are followed while what they name is known.
            manifests.retain(|other, _| other == path || other == ROOT || needed.contains(other));
        }
        let folder = self.folder.clone();
        let kept = blocking(move || {
            remove_others(&folder, &needed)?;
            let found = manifests.into_iter();
            let mut found = found.filter_map(|(path, bytes)| Some((path, bytes?)));
            found.try_for_each(|(path, bytes)| put(&folder.join(path), &bytes))
        });
        let kept = kept.await;
        self.is_swept.store(kept.is_ok(), Ordering::Relaxed);
        self.may_fail(kept);
        Ok(())
    }

    /// What is here of a generation of a space that its next one doesn't need. No other space needs it: each file says
    /// which space it is of.
    async fn superseded(
        &self,
        path: &str,
        before: &[u8],
        now: &[u8],
    ) -> Result<BTreeSet<String>, ReadError> {
        let current = Current {
            cached: self,
            manifests: Mutex::new([(path.to_owned(), Some(now.to_vec()))].into()),
        };
        let is_here = |path: &str| self.is_here(path);
        let next = next_lists(Some(before), now, &is_here);
        let is_read = |path: &str| next.contains(path) || is_here(path);
        let before = SpaceFiles::of(&current, path, before)?;
        let (before, _) = before.named_in(&is_here).await?;
        let now = SpaceFiles::of(&current, path, now)?;
        let (now, _) = now.named_in(&is_read).await?;
        Ok(&before - &now)
    }

    fn is_here(&self, path: &str) -> bool {
        self.folders().any(|folder| folder.join(path).exists())
    }

    /// The manifest at this path that the cache was last updated to.
    async fn followed(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let copy = self.folder.join(path);
        blocking(move || Ok(read_file(&copy, MANIFEST_LIMIT).unwrap_or_default())).await
    }
}

/// A cached archive, of which each manifest is read once.
struct Current<'c, 'a, A> {
    cached: &'c CachedArchive<'a, A>,
    manifests: Mutex<BTreeMap<String, Option<Vec<u8>>>>,
}

#[async_trait]
impl<'a, A: Deref<Target = dyn DataArchive + 'a> + Send + Sync> DataArchive for Current<'_, 'a, A> {
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        if !is_manifest(path) {
            return self.cached.object(path.to_owned(), longest).await;
        }
        let mut manifests = self.manifests.lock().await;
        if let Some(read) = manifests.get(path) {
            return Ok(read.clone());
        }
        // A reader of a few objects follows the manifests that it reads, and leaves the others where they are.
        let read = match self.cached.whole {
            Some(_) => self.cached.followed(path).await?,
            None => self.cached.archive.read(path, longest).await?,
        };
        manifests.insert(path.to_owned(), read.clone());
        Ok(read)
    }

    async fn write<'w>(&'w self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'w>, ArchiveError> {
        self.cached.archive.write(bases).await
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        self.cached.archive.sweep().await
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
        if path == ROOT {
            self.is_unknown.store(false, Ordering::Relaxed);
        }
        if let Some(bytes) = found.as_ref().filter(|_| is_manifest(path)) {
            self.follow(path, bytes).await?;
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

    async fn list_spaces(&self) -> Result<Option<Vec<String>>, ArchiveError> {
        self.archive.list_spaces().await
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        self.archive.sweep().await
    }

    async fn forget_history(&self) -> Result<(), ArchiveError> {
        self.archive.forget_history().await
    }
}

/// The lists of a new generation of a space that take the place of lists that are here.
fn next_lists(
    before: Option<&[u8]>,
    now: &[u8],
    is_here: &dyn Fn(&str) -> bool,
) -> BTreeSet<String> {
    let lists = |manifest| parse_checked::<Manifest>(manifest).map(|manifest| manifest.lists());
    let (Some(Ok(before)), Ok(now)) = (before.map(lists), lists(now)) else {
        return BTreeSet::new();
    };
    let replaced = before.into_iter().zip(now);
    let replaced = replaced.filter(|(before, _)| before.as_deref().is_some_and(is_here));
    replaced.filter_map(|(_, now)| now).collect()
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
                remove(&path)?;
            }
        }
    }
    Ok(())
}

fn remove(file: &Path) -> Result<(), ArchiveError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", file, error)),
        _ => Ok(()),
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
