//! An archive in memory, for tests and for looking at what an export would write.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures::{StreamExt, lock::Mutex, stream::BoxStream};

use super::{
    ArchiveError, Change, DataArchive, Hash, MANIFEST, data_archive::check_readable, reader::needed,
};

/// An archive that keeps the contract of [`DataArchive`] for as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryArchive {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Put, but not published. Held by the one writer.
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

#[async_trait]
impl DataArchive for MemoryArchive {
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        check_readable(path)?;
        Ok(self.files.lock().await.get(path).cloned())
    }

    async fn write(
        &self,
        expected: Option<Hash>,
        mut changes: BoxStream<'_, Change>,
    ) -> Result<(), ArchiveError> {
        let Some(mut leftovers) = self.leftovers.try_lock() else {
            return Err(ArchiveError::Busy("memory".into()));
        };
        for path in std::mem::take(&mut *leftovers) {
            self.files.lock().await.remove(&path);
        }
        while let Some(change) = changes.next().await {
            change.check()?;
            match change {
                Change::Put(object) => {
                    let mut files = self.files.lock().await;
                    if files.insert(object.path.clone(), object.bytes).is_none() {
                        leftovers.insert(object.path);
                    }
                }
                Change::Publish {
                    manifest,
                    remove,
                    documents,
                    ..
                } => {
                    let mut files = self.files.lock().await;
                    let found = files.get(MANIFEST).map(|file| Hash::of(file));
                    if found != Some(Hash::of(&manifest)) && found != expected {
                        return Err(ArchiveError::Stale { expected, found });
                    }
                    files.insert(MANIFEST.to_owned(), manifest);
                    for (path, document) in documents {
                        match document {
                            Some(bytes) => files.insert(path.to_owned(), bytes),
                            None => files.remove(path),
                        };
                    }
                    files.retain(|path, _| !remove.contains(path));
                    leftovers.clear();
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        let needed = needed(self)
            .await
            .map_err(|error| ArchiveError::Unreadable(Box::new(error)))?;
        let is_needed = |path: &String| Hash::in_path(path).is_none() || needed.contains(path);
        self.files.lock().await.retain(|path, _| is_needed(path));
        Ok(())
    }
}
