//! Temporary folders for local copies, which the next process removes if this one is killed.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use tempfile::TempDir;

use super::PREFIX;

/// Held while folders are made or removed.
const LOCK: &str = "git.lock";

/// A temporary folder that only this user can look into.
pub(super) struct Scratch {
    folder: TempDir,
    /// Tells others that it is in use.
    #[expect(dead_code, reason = "held until the folder is removed")]
    lock: Option<File>,
}

impl Scratch {
    /// Makes one in this folder, or where the system has its temporary files.
    pub(super) fn new(cache: Option<&Path>) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        let private = fs::Permissions::from_mode(0o700);
        let builder = builder.prefix(PREFIX).permissions(private);
        let Some(cache) = cache else {
            let folder = builder.tempdir()?;
            return Ok(Self { folder, lock: None });
        };
        let cache = std::path::absolute(cache)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&cache)?;
        let lock = File::options()
            .create(true)
            .append(true)
            .open(cache.join(LOCK))?;
        lock.lock()?;
        remove_abandoned(&cache)?;
        let folder = builder.tempdir_in(&cache)?;
        let own = File::open(folder.path())?;
        own.lock()?;
        Ok(Self {
            folder,
            lock: Some(own),
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of processes that were killed.
fn remove_abandoned(cache: &Path) -> io::Result<()> {
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !is_ours || !entry.file_type()?.is_dir() {
            continue;
        }
        // Its process may remove it at this moment.
        let Ok(folder) = File::open(entry.path()) else {
            continue;
        };
        match folder.try_lock() {
            Ok(()) => drop(fs::remove_dir_all(entry.path())),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_folders_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("cache");
        let one = Scratch::new(Some(&cache)).unwrap();
        let mode = one.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let abandoned = cache.join("git-abandoned");
        let other = cache.join("0123456789abcdef");
        for folder in [&abandoned, &other] {
            fs::create_dir(folder).unwrap();
        }
        let two = Scratch::new(Some(&cache)).unwrap();
        assert!(one.path().exists() && two.path().exists() && other.exists());
        assert!(!abandoned.exists());
        let gone = one.path().to_owned();
        drop(one);
        assert!(!gone.exists());
    }
}
