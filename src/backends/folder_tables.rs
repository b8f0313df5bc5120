//! Tables in a folder. `.lock` is locked during a write; [`SCRATCH`] has the files that are not whole yet.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use propsbot_archive::{ArchiveError, blocking, read_file};
use propsbot_tables::{ROOT, TablesError, TablesPlace, TablesWrite};
use tempfile::TempPath;

use super::folder::{LOCK, failed, open_lock, sync_folder, taken};

/// Emptied by each write, so no other program's folder may have this name.
const SCRATCH: &str = "_propsbot.tmp";

/// Tables in a folder, which the first write creates. Only its user may read it.
#[derive(Debug)]
pub(super) struct FolderTables {
    root: PathBuf,
}

impl FolderTables {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

struct FolderTablesWrite {
    root: PathBuf,
    scratch: PathBuf,
    _lock: File,
}

#[async_trait]
impl TablesPlace for FolderTables {
    async fn write<'a>(&'a self) -> Result<Box<dyn TablesWrite + 'a>, TablesError> {
        let root = self.root.clone();
        let begun = blocking(move || Ok(FolderTablesWrite::begin(root))).await?;
        Ok(Box::new(begun?))
    }
}

impl FolderTablesWrite {
    fn begin(root: PathBuf) -> Result<Self, TablesError> {
        create(&root)?;
        // Before the lock, which would be one more file in what are no tables.
        if !is_empty(&root)? && !root.join(ROOT).exists() {
            return Err(TablesError::NotTables);
        }
        let lock = open_lock(&root)?;
        taken(lock.try_lock(), &root)?;
        let scratch = root.join(SCRATCH);
        match fs::remove_dir_all(&scratch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &scratch)(error).into());
            }
            _ => create(&scratch)?,
        }
        Ok(Self {
            root,
            scratch,
            _lock: lock,
        })
    }
}

fn create(folder: &Path) -> Result<(), ArchiveError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(failed("create the folder", folder))
}

fn is_empty(root: &Path) -> Result<bool, ArchiveError> {
    let entries = fs::read_dir(root).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(failed("list", root))?;
    let mut names = entries.iter().map(fs::DirEntry::file_name);
    Ok(names.all(|name| name == LOCK || name == SCRATCH))
}

#[async_trait]
impl TablesWrite for FolderTablesWrite {
    fn scratch(&self) -> &Path {
        &self.scratch
    }

    async fn is_empty(&mut self) -> Result<bool, ArchiveError> {
        let root = self.root.clone();
        blocking(move || is_empty(&root)).await
    }

    async fn read(&mut self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        let file = self.root.join(path);
        blocking(move || read_file(&file, longest)).await
    }

    async fn put(&mut self, path: &str, file: TempPath) -> Result<(), ArchiveError> {
        let (root, path) = (self.root.clone(), self.root.join(path));
        blocking(move || {
            let folder = path.parent().expect("files lie in the folder of tables");
            let folders = folder.ancestors().take_while(|folder| **folder != root);
            let missing: Vec<&Path> = folders.filter(|folder| !folder.is_dir()).collect();
            create(folder)?;
            let renamed = file.persist(&path).map_err(|error| error.error);
            renamed.map_err(failed("rename a temporary file to", &path))?;
            sync_folder(folder)?;
            let mut parents = missing.iter().filter_map(|folder| folder.parent());
            parents.try_for_each(sync_folder)
        })
        .await
    }

    async fn remove(&mut self, path: &str) -> Result<(), ArchiveError> {
        let (root, path) = (self.root.clone(), self.root.join(path));
        blocking(move || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                removed => removed.map_err(failed("remove", &path))?,
            }
            // Folders go with their last file.
            let folders = path.ancestors().skip(1);
            for folder in folders.take_while(|folder| **folder != root) {
                if fs::remove_dir(folder).is_err() {
                    return sync_folder(folder);
                }
            }
            sync_folder(&root)
        })
        .await
    }

    async fn end(self: Box<Self>) -> Result<(), ArchiveError> {
        let scratch = self.scratch.clone();
        blocking(move || fs::remove_dir_all(&scratch).map_err(failed("remove", &scratch))).await
    }
}
