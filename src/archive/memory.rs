//! An archive in memory, for tests and for looking at what an export would write.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    mem,
};

use async_trait::async_trait;
use futures::lock::{Mutex, MutexGuard};

use super::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, Hash, Object, Publish, Receipt, check_bases,
    check_readable, is_space, is_swept, is_whole, needed,
};

/// An archive that keeps the contract of [`DataArchive`] for as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryArchive {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Objects that were put and not published. The writer holds it.
    leftovers: Mutex<BTreeSet<String>>,
}

impl MemoryArchive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// All files by path.
    pub async fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.files.lock().await.clone()
    }
}

impl From<BTreeMap<String, Vec<u8>>> for MemoryArchive {
    /// An archive of these files by path.
    fn from(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            files: Mutex::new(files),
            leftovers: Mutex::default(),
        }
    }
}

#[async_trait]
impl DataArchive for MemoryArchive {
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        check_readable(path)?;
        match self.files.lock().await.get(path) {
            Some(file) if file.len() as u64 > longest => Err(ArchiveError::TooLong {
                path: path.to_owned(),
                longest,
            }),
            found => Ok(found.cloned()),
        }
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        check_bases(&bases)?;
        let Some(mut leftovers) = self.leftovers.try_lock() else {
            return Err(ArchiveError::Busy("memory".into()));
        };
        let left = mem::take(&mut *leftovers);
        self.files
            .lock()
            .await
            .retain(|path, _| !left.contains(path));
        Ok(Box::new(MemoryWrite {
            files: &self.files,
            leftovers,
            bases,
        }))
    }

    async fn list_spaces(&self) -> Result<Option<Vec<String>>, ArchiveError> {
        let files = self.files.lock().await;
        let spaces = files.keys().filter(|path| is_space(path));
        Ok(Some(spaces.cloned().collect()))
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        let needed = needed(self)
            .await
            .map_err(|error| ArchiveError::Unreadable(Box::new(error)))?;
        let is_needed = |path: &String| !is_swept(path) || needed.contains(path);
        self.files.lock().await.retain(|path, _| is_needed(path));
        Ok(())
    }
}

struct MemoryWrite<'a> {
    files: &'a Mutex<BTreeMap<String, Vec<u8>>>,
    leftovers: MutexGuard<'a, BTreeSet<String>>,
    bases: Bases,
}

#[async_trait]
impl ArchiveWrite for MemoryWrite<'_> {
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
        object.check()?;
        match self.files.lock().await.entry(object.path) {
            Entry::Occupied(there) if is_whole(there.key(), there.get()) => {}
            Entry::Occupied(mut damaged) => {
                damaged.insert(object.bytes);
            }
            Entry::Vacant(missing) => {
                self.leftovers.insert(missing.key().clone());
                missing.insert(object.bytes);
            }
        }
        Ok(())
    }

    async fn publish(mut self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError> {
        publish.check(&self.bases)?;
        let mut files = self.files.lock().await;
        let hash = |path: &String| files.get(path).map(|file| Hash::of(file));
        let found = self.bases.keys().map(|path| (path.clone(), hash(path)));
        let published = publish.compare(&self.bases, &found.collect())?;
        let documents = publish.documents.into_iter();
        let documents = documents.map(|(path, document)| (path.to_owned(), document));
        for (path, file) in publish.manifests.into_iter().chain(documents) {
            match file {
                Some(bytes) => files.insert(path, bytes),
                None => files.remove(&path),
            };
        }
        files.retain(|path, _| !publish.remove.contains(path));
        self.leftovers.clear();
        Ok(Receipt {
            published,
            ..Receipt::default()
        })
    }
}
