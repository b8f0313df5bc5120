//! Rewriting the store into a fresh folder, so that nothing is left of what was deleted.
//!
//! sled's log keeps what was replaced or removed, in a quiet store for months. The copy has only what
//! the store has. Killed, or without power, at any step, either the old folder is there or the new one,
//! whole; what is left over goes at the next opening.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::{
    Domain, Mirror, ReadRows as _, StoreError, View,
    engine::{Engine, Op},
};

/// The rules of deletion under which the store was last rewritten; zero while removed rows may still be
/// in the log.
const REWRITE_KEY: &[u8] = &[0, 16];

/// Bytes that are to be free beside those of the copy.
const MARGIN: u64 = 16 << 20;

/// What came of a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// The store is in a fresh folder.
    Done,
    /// The disk has not so many bytes free. It is still due.
    NoRoom(u64),
}

/// Where the store's files are, and where they are while they are replaced.
pub(crate) struct Folders {
    root: PathBuf,
    /// The one that is used.
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

    /// Ends a replacement that was interrupted. Only who has the store's lock may.
    ///
    /// The current folder is moved away only once the fresh one is whole: where there is none, the fresh
    /// one takes its place. Where there is one, whatever lies beside it is a copy that was not finished,
    /// or what was replaced.
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

    /// How many bytes have to be free for a copy, if there are fewer.
    pub(crate) fn lacks_room(&self) -> Result<Option<u64>, StoreError> {
        let needed = size(&self.current).and_then(|size| {
            let needed = size.saturating_add(MARGIN);
            Ok((free(&self.root)? < needed).then_some(needed))
        });
        needed.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> StoreError {
        StoreError::Io {
            path: self.root.clone(),
            reason: error.to_string(),
        }
    }

    /// Puts a copy that was made into the fresh folder in the place of the current one, and closes
    /// the store.
    pub(crate) fn replace(
        &self,
        engine: Engine,
        copied: Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if copied.is_err() {
            // Where the disk is full after all, it does not stay so.
            let _ = self.clear();
        }
        copied?;
        // The lock is held until all is in its place.
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

/// Makes all files below durable, and that they are there.
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

/// The bytes of all files below.
fn size(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            size(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}

/// The bytes that are free for us on the disk of a folder.
fn free(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

impl<D: Domain> Mirror<D> {
    /// Notes that rows removed from now on must leave the log, too. Survives a power cut.
    pub fn owe_rewrite(&self) -> Result<(), StoreError> {
        let put = Op::Put(REWRITE_KEY.to_vec(), vec![0]);
        self.inner.change(|_| Ok((vec![put], ())))
    }

    /// Rewrites the store into a fresh folder, and notes [`Domain::DELETION_RULES`]. The store is
    /// closed then: open it again.
    ///
    /// # Errors
    /// [`StoreError`] if a folder could not be read or written; then it is as it was, or as new.
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

impl View {
    /// Under which [`Domain::DELETION_RULES`] the store was last rewritten: zero while removed rows may
    /// still be in the log, `None` if it never was.
    pub fn rewritten_under(&self) -> Result<Option<u8>, StoreError> {
        let known = self.value(REWRITE_KEY)?;
        Ok(known.map(|known| known.first().copied().unwrap_or_default()))
    }
}
