//! Rewrites the store into a new folder, so that deleted data leaves the disk, and the disk space with it.
//!
//! sled's log keeps replaced and removed values, in a quiet store for months. The copy has only
//! current values. After a kill or power cut at any step, either the old or the new folder is there
//! and complete; the next opening removes the rest.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::{
    Domain, Mirror, ReadRows as _, StoreError, View,
    engine::{Engine, Op},
    mirror::stored_schema,
};

/// The deletion rules of the last rewrite; zero while removed rows may still be in the log.
const REWRITE_KEY: &[u8] = &[0, 16];

/// Bytes that must be free in addition to the size of the copy.
const MARGIN: u64 = 16 << 20;

/// The outcome of a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// The store is in a new folder.
    Done,
    /// The disk lacks this many free bytes; the rewrite is still due.
    NoRoom(u64),
}

/// The folders of the store and of its replacement.
pub(crate) struct Folders {
    root: PathBuf,
    pub(crate) current: PathBuf,
    pub(crate) fresh: PathBuf,
    old: PathBuf,
}

impl Folders {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            current: root.join("sled"),
            fresh: root.join("sled.fresh"),
            old: root.join("sled.old"),
        }
    }

    /// Finishes an interrupted replacement. Requires the store's lock.
    ///
    /// The current folder is moved away only once the new one is complete. So if it is missing, the
    /// new one takes its place; if it exists, anything beside it is an unfinished copy or the
    /// replaced folder.
    pub(crate) fn settle(&self) -> io::Result<()> {
        if !self.current.exists() {
            for other in [&self.fresh, &self.old] {
                if other.exists() {
                    fs::rename(other, &self.current)?;
                    sync_folder(&self.root)?;
                    break;
                }
            }
        }
        self.clear()
    }

    fn clear(&self) -> io::Result<()> {
        for left in [&self.fresh, &self.old] {
            if left.exists() {
                fs::remove_dir_all(left)?;
                sync_folder(&self.root)?;
            }
        }
        Ok(())
    }

    /// How many bytes a copy needs to be free, if fewer are: as many as the store has.
    pub(crate) fn lacks_room(&self) -> Result<Option<u64>, StoreError> {
        let needed = self.bytes()?.saturating_add(MARGIN);
        let free = free(&self.root).map_err(|error| self.failed(&error))?;
        Ok((free < needed).then_some(needed))
    }

    /// The size of the current folder.
    fn bytes(&self) -> Result<u64, StoreError> {
        size(&self.current).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> StoreError {
        StoreError::Io {
            path: self.root.clone(),
            reason: error.to_string(),
        }
    }

    /// Replaces the current folder with the finished copy, and closes the store.
    pub(crate) fn replace(
        &self,
        engine: Engine,
        copied: Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if copied.is_err() {
            // Frees the disk space in case the disk was full.
            let _ = self.clear();
        }
        copied?;
        // Holds the lock until the folders are in place.
        let _lock = engine.close();
        self.swap().map_err(|error| self.failed(&error))
    }

    fn swap(&self) -> io::Result<()> {
        sync_all(&self.fresh)?;
        sync_folder(&self.root)?;
        fs::rename(&self.current, &self.old)?;
        sync_folder(&self.root)?;
        fs::rename(&self.fresh, &self.current)?;
        sync_folder(&self.root)?;
        self.clear()
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a folder durable, with its files and entries.
fn sync_all(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(path)
}

/// The total size of all files in a folder, in bytes. A process that uses the folder may remove some
/// meanwhile.
pub(crate) fn size(path: &Path) -> io::Result<u64> {
    let measured = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            size(&entry.path())
        } else {
            Ok(entry.metadata()?.len())
        }
    };
    let sizes = fs::read_dir(path)?.map(measured);
    let there = sizes.filter(|size| {
        let error = size.as_ref().err().map(io::Error::kind);
        error != Some(io::ErrorKind::NotFound)
    });
    there.sum()
}

/// The free bytes on a folder's disk that this user may use; `u64::MAX` if its file system doesn't
/// tell.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    if disk.f_blocks == 0 {
        return Ok(u64::MAX);
    }
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

impl<D: Domain> Mirror<D> {
    /// Notes that rows removed from now on must also leave the log. Survives a power cut.
    pub fn owe_rewrite(&self) -> Result<(), StoreError> {
        let put = Op::Put(REWRITE_KEY.to_vec(), vec![0]);
        self.inner.change(|_| Ok((vec![put], ())))
    }

    /// Rewrites the store into a new folder under [`Domain::DELETION_RULES`]. Closes the store:
    /// open it again afterwards.
    ///
    /// # Errors
    /// [`StoreError`] if a folder could not be read or written. The store is then either unchanged
    /// or rewritten.
    pub fn rewrite(self) -> Result<Rewrite, StoreError> {
        let folders = Folders::new(self.inner.engine.path());
        folders.clear().map_err(|error| folders.failed(&error))?;
        if let Some(needed) = folders.lacks_room()? {
            return Ok(Rewrite::NoRoom(needed));
        }
        let Some(inner) = self.close() else {
            return Err(folders.failed(&io::Error::other("it is still being read")));
        };
        let noted = (REWRITE_KEY.to_vec(), vec![D::DELETION_RULES]);
        let copied = inner
            .engine
            .copy_to(&folders.fresh, |entry| Ok(Some(entry)), vec![noted]);
        folders.replace(inner.engine, copied)?;
        Ok(Rewrite::Done)
    }
}

/// How large a store was before and after [`compact`], in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Rewrites the store in this folder into a new one, which has only current values. Every entry stays
/// as it is, whatever the schema, and so does a rewrite that is due.
///
/// Doesn't ask for as much room as the store has, since it may be wanted because there is none: if the
/// disk fills up, the copy is removed and the store stays.
///
/// # Errors
/// [`StoreError`] if the store is in use, can't be opened, or could not be copied. It is then either
/// unchanged or rewritten.
pub fn compact(path: &Path) -> Result<Compacted, StoreError> {
    let engine = Engine::open(path)?;
    stored_schema(&engine)?;
    let folders = Folders::new(path);
    let before = folders.bytes()?;
    let copied = engine.copy_to(&folders.fresh, |entry| Ok(Some(entry)), Vec::new());
    folders.replace(engine, copied)?;
    let after = folders.bytes()?;
    Ok(Compacted { before, after })
}

impl View {
    /// The [`Domain::DELETION_RULES`] of the last rewrite: zero while removed rows may still be in
    /// the log, `None` if there was no rewrite.
    pub fn rewritten_under(&self) -> Result<Option<u8>, StoreError> {
        let known = self.value(REWRITE_KEY)?;
        Ok(known.map(|known| known.first().copied().unwrap_or_default()))
    }
}
