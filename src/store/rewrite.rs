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

use super::{
    Store, StoreError,
    engine::{Engine, Op},
};

/// What is known of a rewrite.
const REWRITE_KEY: &[u8] = &[0, 16];

/// Version of what a deletion removes. Bump it when deletions remove more: at its next start, a store of a
/// lower version repeats its deletions and is rewritten.
const RULES: u8 = 2;

/// Removed rows are in the log.
const OWED: u8 = 0;

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
pub(super) struct Folders {
    root: PathBuf,
    /// The one that is used.
    pub(super) current: PathBuf,
    fresh: PathBuf,
    old: PathBuf,
}

impl Folders {
    pub(super) fn new(root: &Path) -> Self {
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
    pub(super) fn settle(&self) -> io::Result<()> {
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

    /// Puts the fresh folder in the place of the current one. Nothing may have either open.
    fn replace(&self) -> io::Result<()> {
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

impl Store {
    /// Remembers that rows which are removed from now on are to leave the log too. Survives a power
    /// cut.
    pub fn owe_rewrite(&self) -> Result<(), StoreError> {
        self.engine
            .commit(&[Op::Put(REWRITE_KEY.to_vec(), vec![OWED])])
    }

    /// Whether the store is to be rewritten: rows were removed that may leave nothing, now or by an
    /// earlier version.
    pub fn owes_rewrite(&self) -> Result<bool, StoreError> {
        if let Some(bytes) = self.engine.get(REWRITE_KEY)? {
            return Ok(bytes.first().is_none_or(|rules| *rules < RULES));
        }
        for guild in self.guilds()? {
            let chosen = self.privacy(guild.guild_id)?;
            if chosen.iter().any(|chosen| chosen.forgotten.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rewrites the store into a fresh folder. It is closed then: open it again.
    ///
    /// # Errors
    /// [`StoreError`] if a folder could not be read or written; then it is as it was, or as new.
    pub fn rewrite(self) -> Result<Rewrite, StoreError> {
        let root = self.engine.path().to_owned();
        let folders = Folders::new(&root);
        let failed = |error: io::Error| StoreError::Io {
            path: root.clone(),
            reason: error.to_string(),
        };
        folders.clear().map_err(failed)?;
        let needed = size(&folders.current)
            .map_err(failed)?
            .saturating_add(MARGIN);
        if free(&root).map_err(failed)? < needed {
            return Ok(Rewrite::NoRoom(needed));
        }
        let copied = self.engine.copy_to(&folders.fresh, (REWRITE_KEY, &[RULES]));
        if copied.is_err() {
            // Where the disk is full after all, it does not stay so.
            let _ = folders.clear();
        }
        copied?;
        // The lock is held until all is in its place.
        let _lock = Engine::close(self.engine);
        folders.replace().map_err(failed)?;
        Ok(Rewrite::Done)
    }
}
